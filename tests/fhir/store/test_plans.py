"""Searches of a large store touch little of it, whoever asks."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from fhir.search.conditions import Reader
from fhir.search.query import Include
from fhir.search.request import Compartment, read
from fhir.store.leading import is_led_to
from fhir.store.search import Searches, include_statement, page_statement
from fhir.store.sorting import After
from pacsd.access.scope import Scope
from pacsd.index.connect import Pool, pool
from tests.conftest import Postgres
from tests.fhir.store.fill import SYSTEM, fill

RESOURCES = 50_000
READER = Reader("http://here/fhir", UTC, datetime(2026, 6, 1, tzinfo=UTC))
ONE, ALL = Scope((7,), 7), Scope(tuple(range(1, 22)), 7)
P = 6 + 21 * 100                         # a patient of organisation 7

SEARCHES: dict[str, str] = {
    "identifier": f"Patient?identifier={SYSTEM}|P{P}",
    "identifier without system": f"Patient?identifier=P{P}",
    "several identifiers": f"Patient?identifier=P{P},{SYSTEM}|P{P + 21},P1",
    "id": f"Patient?_id=p{P}",
    "name prefix": f"Patient?name=王s{P}",
    "name to the letter": "Patient?name:exact=张三",
    "name inside": f"Patient?name:contains=s{P}",
    "frequent code": "Observation?code=http://loinc.org|8867-4",
    "frequent code, sorted by date": "Observation?code=8867-4&_sort=-date&date=ge2019-12-30",
    "patient": f"Observation?patient=Patient/p{P}",
    "patient, code and date": f"Observation?patient=p{P}&code=8867-4&date=ge2010&_sort=-date",
    "day": "ImagingStudy?started=2019-11-05",
    "span of days": "ImagingStudy?started=ge2019-11-05&started=le2019-11-06",
    "quantity": "Observation?value-quantity=gt100",
    "composite": f"Observation?code-value-quantity=8867-4$gt70&patient=p{P}",
    "chain": f"ImagingStudy?patient.identifier={SYSTEM}|P{P}",
    "chain by name": f"DiagnosticReport?patient.name=王s{P}",
    "long chain": f"ImagingStudy?encounter.patient.identifier=P{P}",
    "reverse chain": f"Patient?_has:ImagingStudy:patient:identifier=I{P}",
    "two conditions of many": "Observation?status=final&category=vital-signs&code=8867-4",
    "source": "Patient?_source=http://his.hospital/nothing",
    "not": "Patient?gender:not=male",
    "missing": "Patient?birthdate:missing=true",
    "all of a type": "Encounter?",
    "all": "?",
    "newest studies": "ImagingStudy?_sort=-started",
    "newest of a modality": "ImagingStudy?modality=CT&_sort=-started",
    "by name": "Patient?_sort=name",
    "last changed": "Encounter?_sort=-_lastUpdated",
    "lately changed": "Encounter?_lastUpdated=gt2026-01-01T13:50:00Z&_sort=-_lastUpdated",
    "compartment": f"Patient/p{P}/Observation?",
    "whole compartment": f"Patient/p{P}/*?",
    "tag in all types": "?_tag=nothing",
}


def parsed(search: str) -> Any:
    """A URL below the base as a search."""
    path, _, query = search.partition("?")
    kind, *rest = path.split("/")
    compartment = Compartment(kind, rest[0]) if rest else None
    types = [one for one in (rest[1:] or [kind]) if one not in ("", "*")]
    return read(READER, types, parse_qsl(query), compartment=compartment, strict=True).query


@pytest.fixture(scope="module")
def large(postgres: Postgres, migrated_template: str) -> Iterator[Pool]:
    name, dsn = postgres.create(template=migrated_template)
    fill(dsn, resources=RESOURCES)
    made = pool(dsn, min_size=1, max_size=2)
    yield made
    made.close()
    postgres.drop(name)


@pytest.mark.parametrize("scope", [ONE, ALL], ids=["one-organisation", "all"])
@pytest.mark.parametrize("name", SEARCHES)
def test_no_search_reads_all_rows(large: Pool, name: str, scope: Scope) -> None:
    for after in (None, After((None,) * len(parsed(SEARCHES[name]).sort), 25_000)):
        read_by = scans(large, *page_statement(scope, parsed(SEARCHES[name]), after))
        assert read_by and [one for one in read_by if one[1] == "Seq Scan"] == []


@pytest.mark.parametrize("scope", [ONE, ALL], ids=["one-organisation", "all"])
@pytest.mark.parametrize("include", [
    Include(("ImagingStudy.patient",), (), ("ImagingStudy",)), Include((), (), ()),
    Include(("Observation.patient", "Observation.subject"), (), ("Observation",), reverse=True),
], ids=["one", "any", "reverse"])  # fmt: skip
def test_what_is_included_is_led_to(large: Pool, include: Include, scope: Scope) -> None:
    pks = list(range(1_001, 2_001, 20))
    read_by = scans(large, *include_statement(scope, [(include, pks)], without=pks, limit=1_001))
    assert read_by and [one for one in read_by if one[1] == "Seq Scan"] == []


@pytest.mark.parametrize("scope", [ONE, ALL], ids=["one-organisation", "all"])
@pytest.mark.parametrize("name", [one for one in SEARCHES if is_led_to(parsed(SEARCHES[one]))])
def test_what_is_planned_once_reads_few_rows_whatever_the_values(large: Pool, name: str, scope: Scope) -> None:
    text, params = page_statement(scope, parsed(SEARCHES[name]), None)
    for at in range(len(params)):
        text = text.replace(f"%(p{at})s", f"${at + 1}")
    read_by = scans(large, text, None, "generic_plan, ")
    assert read_by and [one for one in read_by if one[1] == "Seq Scan"] == []


def test_searches_by_key_are_planned_once_and_others_for_their_values() -> None:
    led_to = {one for one in SEARCHES if is_led_to(parsed(SEARCHES[one]))}
    assert led_to >= {"identifier", "several identifiers", "id", "patient", "chain", "long chain", "reverse chain"}
    assert not led_to & {"name prefix", "frequent code", "day", "chain by name", "missing", "all", "tag in all types"}
    assert not is_led_to(parsed(f"Patient?identifier={SYSTEM}|"))


@pytest.mark.parametrize("scope", [ONE, ALL], ids=["one-organisation", "all"])
@pytest.mark.parametrize("span", ["le2012", "le2016", "le2020", "ge2012", "ge2016"])
def test_a_page_of_a_wide_span_of_dates_touches_no_more_than_it_shows(large: Pool, span: str, scope: Scope) -> None:
    text, params = page_statement(scope, parsed(f"ImagingStudy?started={span}-01-01&_count=20"), None)
    with large.connection() as connection:
        connection.execute(text, params)
        row = connection.execute("explain (analyze, buffers, format json) " + text, params).fetchone()
    assert row is not None and row[0][0]["Plan"]["Shared Hit Blocks"] + row[0][0]["Plan"]["Shared Read Blocks"] < 250


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_are_quick(large: Pool, name: str) -> None:
    searches, took = Searches(), []
    for _ in range(3):
        for scope in (ONE, ALL):
            began = time.perf_counter()
            searches.page(large, scope, parsed(SEARCHES[name]))
            took.append(time.perf_counter() - began)
    assert sorted(took)[2] < 0.5             # a busy machine may take long; the test of plans is strict


def scans(made: Pool, text: str, params: dict[str, Any] | None, how: str = "") -> list[tuple[str, str]]:
    """Tables that a statement reads, and how."""
    with made.connection() as connection:
        row = connection.execute(f"explain ({how}format json) " + text, params).fetchone()
    assert row is not None
    waiting, found = [row[0][0]["Plan"]], []
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", ())
        if node.get("Relation Name", "").startswith("fhir_"):
            found.append((node["Relation Name"], node["Node Type"]))
    return found
