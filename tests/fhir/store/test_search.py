"""Searches find what search.html says, compared with a search that looks at one resource after the other."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from fhir.search.conditions import Reader
from fhir.search.request import read
from fhir.search.values import Found, Instants, Quantity, Reference, Text, Token, Uri
from fhir.store.search import Searches
from fhir.store.sorting import After
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Pool, pool
from tests.fhir.search.naive import Resource, World
from tests.fhir.store.kept import organisations, put

NOW = datetime(2026, 6, 1, tzinfo=UTC)
READER = Reader("http://here/fhir", UTC, NOW)
SCOPES = (Scope((1,), 1), Scope((1, 2), 1), Scope((3,), 3))
SYSTEMS = ("", "http://a", "http://b")
CODES = ("x", "X", "y", "z", "00123", "00Ab")
WORDS = ("Müller", "muller", "Meier", "张三", "张 三丰", "O'Brien", "100%", "a_b", "back\\slash", "an' or 1=1 --")
URIS = ("http://v/a", "http://v/a/b", "http://v/a/b/c", "http://v/ab", "urn:oid:1.2")
UNITS = (("http://unitsofmeasure.org", "mg", "mg"), ("", "", "mg"), ("http://unitsofmeasure.org", "g", "gram"))
DAY = 86_400_000_000


class Maker:
    """Random resources that refer to each other."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)

    def resources(self, count: int) -> list[Resource]:
        kinds = ("Patient", "Observation", "Organization")
        made = []
        for pk in range(1, count + 1):
            kind = kinds[self.draw.choice((0, 1, 1, 1, 2))]
            made.append(Resource(pk, kind, str(self.draw.randrange(1000)) + f"-{pk}", self.draw.choice((1, 1, 2)),
                                 updated=NOW + timedelta(days=pk)))  # fmt: skip
        self.made = made
        return [self.filled(one) for one in made]

    def filled(self, one: Resource, version: int = 1) -> Resource:
        """The resource with other values."""
        found = {"Patient": self.patient, "Observation": self.observation, "Organization": self.organization}[one.type]
        return Resource(one.pk, one.type, one.id, one.organisation, tuple(found()), version, one.updated)

    def some(self, most: int = 2) -> range:
        return range(self.draw.randint(0, most))

    def token(self) -> Token:
        return Token(self.draw.choice(SYSTEMS), self.draw.choice(CODES))

    def text(self) -> Text:
        return Text(self.draw.choice(WORDS))

    def date(self) -> Instants:
        low = (20_000 + self.draw.randrange(10)) * DAY
        return Instants(low, low + self.draw.choice((1, 1_000, DAY, 3 * DAY, 1 << 61)))

    def reference(self, *types: str) -> Reference:
        if self.draw.random() < 0.2:
            return Reference("", "", self.draw.choice(URIS), self.draw.choice(("", "1.0")))
        to = self.draw.choice([one for one in self.made if one.type in types] or self.made)
        return Reference(to.type, to.id, "")

    def quantity(self) -> Quantity:
        value = Decimal(self.draw.randrange(-30, 60)) / 10
        system, code, unit = self.draw.choice(UNITS)
        return Quantity(value, self.draw.choice((value, value, value + 3, None)), system, code, unit)

    def meta(self) -> Iterator[Found]:
        yield from (Found("_tag", self.token()) for _ in self.some(1))
        yield from (Found("_profile", Uri(self.draw.choice(URIS))) for _ in self.some(1))

    def patient(self) -> Iterator[Found]:
        yield from self.meta()
        yield from (Found("identifier", self.token()) for _ in self.some())
        yield from (Found("gender", self.token()) for _ in self.some(1))
        yield from (Found(name, value) for _ in self.some() for value in [self.text()] for name in ("name", "family"))
        yield from (Found("birthdate", self.date()) for _ in self.some(1))
        yield from (Found("organization", self.reference("Organization")) for _ in self.some(1))
        yield from (Found("link", self.reference("Patient")) for _ in self.some(1))

    def organization(self) -> Iterator[Found]:
        yield from self.meta()
        yield from (Found("identifier", self.token()) for _ in self.some(1))
        yield from (Found("name", self.text()) for _ in self.some(1))
        yield from (Found("partof", self.reference("Organization")) for _ in self.some(1))

    def observation(self) -> Iterator[Found]:
        yield from self.meta()
        yield from (Found("identifier", self.token()) for _ in self.some(1))
        yield from (Found("date", self.date()) for _ in self.some())
        for at in self.some(3):
            token, quantity = self.token(), self.quantity()
            yield from (Found("code", token), Found("code:text", self.text()), Found("value-quantity", quantity),
                        Found("code-value-quantity#1", token, at), Found("code-value-quantity#2", quantity, at))
        for _ in self.some(1):
            subject = self.reference("Patient")
            yield Found("subject", subject)
            yield Found("subject:identifier", self.token())
            if subject.type == "Patient":
                yield Found("patient", subject)
        yield from (Found("performer", self.reference("Organization", "Patient")) for _ in self.some())


PREFIXED = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
DAYS = ("2024-10-05", "2024-10-07T00:00:00Z", "2024-10", "2024", "2024-10-09T12:00:00.001+08:00")
NUMBERS = ("1", "1.0", "-2.5", "3.14", "2e0")
OF_UNITS = ("", "", "|http://unitsofmeasure.org|mg", "||mg", "||gram")
TRUTH = ("true", "false")


class Asker:
    """Random searches."""

    def __init__(self, draw: random.Random, made: list[Resource]) -> None:
        self.draw = draw
        self.ids = {kind: [one.id for one in made if one.type == kind] or ["none"]
                    for kind in ("Patient", "Observation", "Organization")}  # fmt: skip

    def value(self, kind: str) -> str:
        """A value of a kind: token, tokens, word, exact, day, number, uri, truth, or the id of a resource."""
        kind, several = (kind[:-1], self.draw.choice((1, 1, 3))) if kind[-1] == "s" else (kind, 1)
        return ",".join(self._one(kind) for _ in range(several))

    def _one(self, kind: str) -> str:
        pick = self.draw.choice
        if kind in self.ids:
            return pick(self.ids[kind])
        return {
            "token": pick(("{1}", "{0}|{1}", "|{1}", "{0}|")).format(pick(SYSTEMS[1:]), pick(CODES)),
            "word": pick(WORDS)[: pick((1, 2, 20))].strip().replace("\\", "\\\\"), "exact": pick(WORDS[:6]),
            "day": pick(PREFIXED) + pick(DAYS), "number": pick(PREFIXED) + pick(NUMBERS) + pick(OF_UNITS),
            "uri": pick(URIS), "truth": pick(TRUTH), "true": "true", "late": "ge2026-07",
        }[kind]

    def searches(self, count: int) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Types with parameters; half of them with several."""
        for _ in range(count):
            kind = self.draw.choice(("Patient", "Observation"))
            chosen = [self.draw.choice(WAYS[kind]) for _ in range(self.draw.choice((1, 1, 2, 3)))]
            yield kind, [(name, "$".join(map(self.value, value.split("$")))) for name, value in chosen]


WAYS = {
    "Patient": (
        ("identifier", "tokens"), ("gender:not", "token"), ("name", "words"), ("name:exact", "exact"),
        ("name:contains", "word"), ("birthdate", "days"), ("organization.name", "word"), ("_tag", "token"),
        ("link:Patient.identifier", "token"), ("organization.partof.identifier", "token"), ("_id", "Patients"),
        ("_has:Observation:patient:code", "token"), ("_has:Observation:subject:performer:Organization.name", "word"),
        ("organization", "Organization"), ("organization:Organization", "Organization"), ("family:missing", "true"),
        ("_lastUpdated", "late"), ("_profile:below", "uri"), ("_profile:above", "uri"), ("_profile", "uris"),
        ("organization:missing", "truth"), ("link", "Patient"),
    ),
    "Observation": (
        ("code", "tokens"), ("date", "day"), ("value-quantity", "numbers"), ("code-value-quantity", "token$number"),
        ("subject", "Patient"), ("subject:Patient", "Patient"), ("patient.name", "word"), ("code:text", "word"),
        ("subject:Patient.gender", "token"), ("subject:identifier", "token"), ("performer", "uri"),
        ("performer.name", "word"), ("code:not", "tokens"), ("subject._id", "Patient"),
        ("patient.organization.name:exact", "exact"), ("performer:missing", "truth"),
        ("code-value-quantity:missing", "truth"), ("performer:Organization.partof:missing", "true"),
        ("patient.family:missing", "true"),
    ),
}


@pytest.fixture
def opened(database: str) -> Iterator[Pool]:
    made = pool(database, min_size=1, max_size=2)
    organisations(made, (1, 2, 3))
    yield made
    made.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_random_searches_find_what_a_naive_one_finds(opened: Pool, seed: int) -> None:
    maker = Maker(seed)
    made = maker.resources(120)
    put(opened, made)
    made = [maker.filled(one, 2) if maker.draw.random() < 0.4 else one for one in made]
    put(opened, [one for one in made if one.version == 2])
    searches, found = Searches(), 0
    for kind, parameters in Asker(maker.draw, made).searches(250):
        scope = maker.draw.choice(SCOPES)
        query = read(READER, [kind], [*parameters, ("_count", "1000"), ("_total", "accurate")], strict=True).query
        expected = World(made, scope.organisations).search(query)
        page = searches.page(opened, scope, query)
        assert [one.pk for one in page.hits] == expected, parameters
        assert page.total == len(expected) == searches.count(opened, scope, query)
        found += len(expected)
    assert found > 300


def test_a_search_that_takes_too_long_is_refused(database: str) -> None:
    with pool(database, max_size=1, statement_timeout_s=0.001) as hasty, pytest.raises(PacsdError) as refused:
        while True:
            Searches().page(hasty, SCOPES[1], read(READER, [], [("_tag:not", "x"), ("_sort", "-_lastUpdated")]).query)
    assert refused.value.fault is Fault.TOO_BROAD


SORTS = (("Patient", "birthdate"), ("Patient", "-birthdate"), ("Patient", "name"), ("Patient", "-name,birthdate"),
         ("Observation", "date"), ("Observation", "-date"), ("Observation", "value-quantity"), ("Patient", "-_profile"),
         ("Observation", "-value-quantity,_id"), ("Patient", "_lastUpdated"), ("Patient", "-_lastUpdated"))  # fmt: skip


@pytest.mark.parametrize("many", [2_000, 3])
def test_pages_of_sorted_searches_make_up_what_a_naive_sort_makes(
    opened: Pool, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr("fhir.store.sorting.MANY", many)
    maker = Maker(3)
    made = maker.resources(100)
    put(opened, made)
    searches, scope = Searches(), SCOPES[1]
    asked = Asker(maker.draw, made).searches(30)
    for at, (kind, parameters) in enumerate(asked):
        told = [one for one in parameters if one[0] != "_id"][: at % 2]
        for sort in [sort for of, sort in SORTS if of == kind]:
            query = read(READER, [kind], [*told, ("_sort", sort), ("_count", "7")], strict=True).query
            expected = World(made, scope.organisations).ordered(query)
            found, after = [], None
            for _ in range(len(made)):
                page = searches.page(opened, scope, query, after)
                found += [one.pk for one in page.hits]
                if not page.more:
                    break
                after = After(page.hits[-1].sort, page.hits[-1].pk)
            assert found == expected, (told, sort)
