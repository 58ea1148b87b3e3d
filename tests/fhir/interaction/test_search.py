"""Searches over HTTP: links, paging, includes, and what is said of what was not done."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from fhir.interaction import search
from fhir.interaction.services import nothing_wrong
from tests.fhir.house import BASE, House, issue, opened


@pytest.fixture
def searched(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs", check=nothing_wrong) as made:
        yield made


def patient(id_: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, **more}


def observation(id_: str, subject: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": id_, "status": "final", "subject": {"reference": f"Patient/{subject}"}}


def put(house: House, *resources: Mapping[str, Any]) -> None:
    for one in resources:
        assert house.put(f"{one['resourceType']}/{one['id']}", one).status_code in (200, 201)


def ids(answer: httpx.Response, mode: str = "match") -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["resource"]["id"] for one in answer.json().get("entry", ()) if one["search"]["mode"] == mode]


def link(answer: httpx.Response, relation: str) -> str | None:
    return next((one["url"] for one in answer.json()["link"] if one["relation"] == relation), None)


def outcomes(answer: httpx.Response) -> list[str]:
    return [one["code"] for entry in answer.json().get("entry", ()) if entry["search"]["mode"] == "outcome"
            for one in entry["resource"]["issue"]]  # fmt: skip


def test_a_searchset_tells_where_its_resources_are_and_that_they_are_all(searched: House) -> None:
    put(searched, patient("a", identifier=[{"system": "http://s", "value": "1"}]), patient("b"))
    answer = searched.get("Patient?identifier=http://s|1")
    bundle = answer.json()
    assert (bundle["resourceType"], bundle["type"], bundle["total"]) == ("Bundle", "searchset", 1)
    (entry,) = bundle["entry"]
    assert entry["fullUrl"] == f"{BASE}/Patient/a" and entry["search"] == {"mode": "match"}
    assert entry["resource"]["identifier"] == [{"system": "http://s", "value": "1"}]
    assert link(answer, "self") == f"{BASE}/Patient?identifier=http://s|1" and link(answer, "next") is None


def test_what_was_updated_or_deleted_is_found_as_it_is_now(searched: House) -> None:
    put(searched, patient("a", identifier=[{"value": "1"}]), patient("a", identifier=[{"value": "2"}]))
    assert ids(searched.get("Patient?identifier=1")) == [] and ids(searched.get("Patient?identifier=2")) == ["a"]
    assert searched.delete("Patient/a").status_code == 204
    assert ids(searched.get("Patient?identifier=2")) == [] and ids(searched.get("Patient")) == []
    put(searched, patient("a", identifier=[{"value": "3"}]))
    assert ids(searched.get("Patient?identifier=3")) == ["a"]


def test_pages_neither_repeat_nor_skip_while_others_write(searched: House) -> None:
    put(searched, *(patient(f"p{at}") for at in range(10)))
    seen, url, at = [], "Patient?_count=3", 0
    while url is not None:
        answer = searched.get(url)
        seen += ids(answer)
        put(searched, patient(f"new{at}"), patient(f"p{at}", active=True))
        assert link(answer, "self") is not None and (at == 0 or link(answer, "first") == f"{BASE}/Patient?_count=3")
        url, at = link(answer, "next"), at + 1
    assert seen == [f"p{at}" for at in reversed(range(10))]


@pytest.mark.parametrize("sort", ["birthdate", "-birthdate", "-name,birthdate", "_id", "_lastUpdated,-_id"])
def test_pages_of_a_sorted_search_go_on_where_the_last_one_ended(searched: House, sort: str) -> None:
    told = [patient(f"p{at}", **({"birthDate": f"20{at % 4:02d}"} if at % 3 else {}),
                    **({"name": [{"family": "AB"[at % 2]}]} if at % 5 else {})) for at in range(12)]  # fmt: skip
    put(searched, *told)
    whole = ids(searched.get(f"Patient?_sort={sort}"))
    assert sorted(whole) == sorted(one["id"] for one in told)
    paged, url = [], f"Patient?_sort={sort}&_count=2"
    while url is not None:
        answer = searched.get(url)
        paged += ids(answer)
        url = link(answer, "next")
    assert paged == whole


def test_sorting_puts_the_least_first_and_what_has_no_value_last(searched: House) -> None:
    put(searched, patient("none"), patient("old", birthDate="1950"), patient("new", birthDate="2020-01-01"))
    assert ids(searched.get("Patient?_sort=birthdate")) == ["old", "new", "none"]
    assert ids(searched.get("Patient?_sort=-birthdate")) == ["new", "old", "none"]


def test_a_cursor_is_of_one_search_and_cannot_be_made(searched: House) -> None:
    put(searched, *(patient(f"p{at}") for at in range(4)))
    following = link(searched.get("Patient?_count=2"), "next")
    assert following is not None
    cursor = parse_qs(urlsplit(following).query)["_cursor"][0]
    assert len(ids(searched.get(f"Patient?_count=1&_cursor={cursor}"))) == 1
    for wrong in (cursor[:-2] + "AA", cursor[4:], "x", "%00", cursor + cursor):
        assert issue(searched.get(f"Patient?_count=2&_cursor={wrong}"))[0] == 400
    assert issue(searched.get(f"Patient?active=true&_cursor={cursor}"))[0] == 400
    assert issue(searched.get(f"Observation?_cursor={cursor}"))[0] == 400


def test_includes_go_both_ways_and_on_with_iterate(searched: House) -> None:
    put(searched, patient("gp"), patient("a", link=[{"other": {"reference": "Patient/gp"}}]), observation("o", "a"))
    assert ids(searched.get("Observation?_include=Observation:subject"), "include") == ["a"]
    assert ids(searched.get("Observation?_include=Observation:subject:Group"), "include") == []
    assert ids(searched.get("Observation?_include=*"), "include") == ["a"]
    chained = "Observation?_include=Observation:subject&_include{}=Patient:link"
    assert ids(searched.get(chained.format("")), "include") == ["a"]
    assert sorted(ids(searched.get(chained.format(":iterate")), "include")) == ["a", "gp"]
    assert ids(searched.get("Patient?_id=a&_revinclude=Observation:subject"), "include") == ["o"]
    assert sorted(ids(searched.get("Patient?_id=gp&_revinclude:iterate=*"), "include")) == ["a", "o"]


def test_cycles_of_includes_end(searched: House) -> None:
    put(searched, patient("a", link=[{"other": {"reference": "Patient/b"}}]),
        patient("b", link=[{"other": {"reference": "Patient/a"}}]))  # fmt: skip
    answer = searched.get("Patient?_id=a&_include:iterate=Patient:link&_revinclude:iterate=Patient:link")
    assert ids(answer) == ["a"] and ids(answer, "include") == ["b"] and outcomes(answer) == []


def test_an_include_that_leads_on_for_ever_is_cut_and_says_so(searched: House) -> None:
    put(searched, *(patient(f"p{at}", link=[{"other": {"reference": f"Patient/p{at + 1}"}}]) for at in range(12)))
    answer = searched.get("Patient?_id=p0&_include:iterate=Patient:link")
    assert ids(answer, "include") == ["p6", "p5", "p4", "p3", "p2", "p1"][::-1] and outcomes(answer) == ["incomplete"]


def test_what_another_organisation_keeps_is_neither_found_nor_led_to(searched: House) -> None:
    put(searched, patient("a", identifier=[{"value": "1"}]))
    searched.act_as(searched.member("west"))
    put(searched, observation("o", "a"))
    assert ids(searched.get("Patient?identifier=1")) == []
    assert ids(searched.get("Observation?patient.identifier=1")) == []
    answer = searched.get("Observation?_include=Observation:subject")
    assert ids(answer) == ["o"] and ids(answer, "include") == []
    searched.act_as(searched.member("west", "east"))
    assert ids(searched.get("Observation?patient.identifier=1")) == ["o"]
    assert ids(searched.get("Observation?_include=Observation:subject"), "include") == ["a"]


def test_unknown_parameters_are_told_of_or_refused(searched: House) -> None:
    put(searched, patient("a"))
    answer = searched.get("Patient?nonsense=1&identifier=&_sort=gender")
    assert ids(answer) == ["a"] and outcomes(answer) == ["not-supported"] * 3
    assert link(answer, "self") == f"{BASE}/Patient"
    refused = searched.get("Patient?nonsense=1", prefer="handling=strict")
    assert issue(refused) == (400, "not-supported")


NONSENSE = [
    "Patient?name:below=x", "Patient?birthdate:exact=2020", "Patient?_id:text=1", "Patient?_filter=name eq x",
    "Patient?_query=x", "Patient?birthdate=yesterday", "Patient?birthdate=2020-13", "Patient?_count=-1",
    "Patient?_total=some", "Patient?_summary=x", "Patient?_count=1&_count=2", "Patient?identifier=a|b|c",
    "Observation?value-quantity=abc", "Observation?value-quantity=1|2", "Observation?code-value-quantity=a",
    "Patient?family:missing=maybe", "Observation?subject=a b", "?_type=Nothing", "Patient?_list=$current-problems",
    "Patient?gender:in=http://x", "Observation?value-quantity=1e999999999", "Patient?_has:Observation=x",
    "Patient?_has:Observation:patient=x", "Patient?name=%2C%2C",
]  # fmt: skip


def test_what_cannot_be_understood_is_refused(searched: House) -> None:
    for query in NONSENSE:
        assert issue(searched.get(query))[0] == 400, query


def test_what_would_cost_too_much_is_refused_or_bounded(searched: House) -> None:
    put(searched, patient("a"))
    chain = "link.link.link.link.link.link.identifier=1"
    assert issue(searched.get(f"Patient?{chain}")) == (400, "too-costly")
    assert ids(searched.get(f"Patient?{chain.removeprefix('link.')}")) == []
    assert issue(searched.post("Patient/_search", b"identifier=" + b",".join([b"x"] * 10_000),
                               content_type="application/x-www-form-urlencoded")) == (400, "too-costly")  # fmt: skip
    assert issue(searched.get("Patient?" + "&".join(["identifier=1"] * 100))) == (400, "too-costly")
    assert issue(searched.get(f"Patient?name={'x' * 5000}")) == (400, "too-costly")
    bounded = searched.get("Patient?_count=1000000000")
    assert ids(bounded) == ["a"] and link(bounded, "self") == f"{BASE}/Patient?_count=1000"


HOSTILE = ["' or 1=1 --", "\\'; drop table fhir_resource; --", "%", "_", "\\", "%%%", "a%s", "%(p0)s", "{0}", "\0",
           "\ud7ff", "99999", "$$", "||", ",", "(" * 300, "张三", "ü", "'", '"', "\x1f"]  # fmt: skip
NAMES = ["identifier", "identifier:not", "name", "name:exact", "name:contains", "birthdate", "link", "link:Patient",
         "link.name", "_has:Observation:patient:subject", "_tag", "_profile", "_profile:below", "_profile:above", "_id",
         "_lastUpdated", "_list", "_text", "_content", "_sort", "_include", "_revinclude", "_total", "_count",
         "_summary", "_elements", "_cursor", "family:missing", "identifier:of-type", "link:identifier", "gender:text",
         "general-practitioner", "_security", "_source", "_type", "a' or 1=1"]  # fmt: skip


def test_hostile_values_are_values(searched: House) -> None:
    put(searched, patient("a", name=[{"family": "100%_\\"}], identifier=[{"value": "'"}]))
    for name in NAMES:
        for value in HOSTILE:
            answer = searched.get(f"Patient?{quote(name)}={quote(value)}")
            assert answer.status_code in (200, 400), (name, value, answer.text)
    assert searched.get("Patient?name=%ff%fe&identifier=%80").status_code in (200, 400)
    assert ids(searched.get("Patient")) == ["a"]


def test_wildcards_of_sql_are_letters(searched: House) -> None:
    put(searched, patient("a", name=[{"family": "50% of a_b\\c"}]), patient("b", name=[{"family": "500 of axb"}]))
    for text in ("0%", "%", "a_b", "b%5C%5Cc"):
        assert ids(searched.get(f"Patient?name:contains={text.replace('%', '%25') if '%5C' not in text else text}")) \
            == ["a"]


def test_a_search_by_form_is_the_same_search(searched: House) -> None:
    put(searched, patient("a", identifier=[{"value": "1"}]), patient("b", identifier=[{"value": "2"}]))
    form = {"content_type": "application/x-www-form-urlencoded"}
    answer = searched.post("Patient/_search?identifier=1,2", b"_id=a&_count=5", **form)
    assert ids(answer) == ["a"] and link(answer, "self") == f"{BASE}/Patient?identifier=1,2&_id=a&_count=5"
    assert ids(searched.post("_search", b"_type=Patient&_id=b", **form)) == ["b"]


def test_all_types_are_searched_by_what_they_have_in_common(searched: House) -> None:
    tagged = {"meta": {"tag": [{"code": "t"}]}}
    put(searched, patient("a", **tagged), {**observation("o", "a"), **tagged})
    assert ids(searched.get("?_tag=t")) == ["o", "a"]
    assert ids(searched.get("?_tag=t&_type=Patient")) == ["a"]
    assert ids(searched.get("?_type=Patient,Observation&_lastUpdated=gt2020")) == ["o", "a"]
    answer = searched.get("?_type=Patient,Observation&nonsense=2020")
    assert ids(answer) == ["o", "a"] and outcomes(answer) == ["not-supported"]


def test_words_are_found_in_the_narrative_or_anywhere(searched: House) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml">胸部<b>CT检查</b></div>'
    narrative = {"text": {"status": "generated", "div": div}}
    put(searched, patient("a", **narrative), patient("b", name=[{"family": "张三丰", "text": "Zhang Sanfeng"}]))
    for query, expected in (
        ("_text=检查", ["a"]), ("_text=胸部 ct", ["a"]), ("_text=张三", []), ("_content=三丰", ["b"]),
        ("_content=丰", ["b"]), ("_content=丰三", []), ("_content=SANFENG", ["b"]),
        ("_content=检查,zhang", ["b", "a"]), ("_content=检查&_id=b", []),
    ):  # fmt: skip
        assert ids(searched.get(f"Patient?{query}")) == expected, query
        assert ids(searched.get(f"Observation?{query}")) == []
    put(searched, patient("a"))
    assert ids(searched.get("Patient?_content=检查")) == []
    assert issue(searched.get("Patient?_content=!!"))[0] == 400


def test_words_are_refused_where_none_are_kept(database: str, tmp_path: Path) -> None:
    with opened(database, tmp_path / "blobs", full_text=False) as house:
        assert issue(house.get("Patient?_content=x")) == (400, "not-supported")


def test_a_compartment_holds_what_refers_to_its_resource(searched: House) -> None:
    put(searched, patient("a", identifier=[{"value": "1"}]), patient("b"), observation("o", "a"), observation("p", "b"))
    assert ids(searched.get("Patient/a/Observation")) == ["o"]
    assert ids(searched.get("Patient/a/Observation?_id=p")) == []
    assert ids(searched.get("Patient/a/*")) == ["o", "a"]
    assert link(searched.get("Patient/a/*?_count=1"), "self") == f"{BASE}/Patient/a/*?_count=1"
    assert issue(searched.get("Observation/o/Patient"))[0] == 404


def test_only_counting_tells_the_number_and_nothing_else(searched: House) -> None:
    put(searched, *(patient(f"p{at}") for at in range(5)))
    for query in ("_summary=count", "_count=0"):
        bundle = searched.get(f"Patient?{query}").json()
        assert bundle["total"] == 5 and "entry" not in bundle
    assert searched.get("Patient?_count=2").json().get("total") is None
    assert searched.get("Patient?_count=2&_total=accurate").json()["total"] == 5
    assert searched.get("Patient?_id=none&_total=accurate").json()["total"] == 0


def test_a_page_has_only_so_many_bytes_and_the_next_goes_on(searched: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_PAGE_BYTES", 40_000)
    large = {"text": {"status": "generated", "div": "x" * 15_000}}
    put(searched, *(patient(f"p{at}", **large, birthDate=f"20{10 + at}") for at in range(7)))
    for query in ("_count=100", "_count=100&_sort=birthdate", "_count=100&_sort=_id", "_count=2&_total=accurate"):
        answer, seen, sizes = searched.get(f"Patient?{query}"), [], []
        while True:
            seen += ids(answer)
            sizes.append(len(answer.content))
            if (after := link(answer, "next")) is None:
                break
            answer = searched.get(after)
        assert sorted(seen) == [f"p{at}" for at in range(7)], query
        assert len(sizes) >= 3 and max(sizes) < 60_000
    put(searched, observation("o", "p0"))
    everyone = [{"other": {"reference": f"Patient/p{at}"}} for at in range(7)]
    put(searched, patient("all", link=everyone))
    answer = searched.get("Patient?_id=all&_include=Patient:link")
    assert ids(answer, "include") == ["p0", "p1", "p2"] and outcomes(answer) == ["incomplete"]


def test_a_reference_by_a_url_of_this_server_is_the_relative_one(searched: House) -> None:
    put(searched, patient("a", identifier=[{"value": "1"}]))
    far = {**observation("far", "a"), "subject": {"reference": "http://else.example/fhir/Patient/a"}}
    here = f"{BASE.replace('http:', 'https:')}/Patient/a/_history/1"
    put(searched, {**observation("o", "a"), "subject": {"reference": here}}, far)
    for query in ("subject:Patient.identifier=1", "subject=Patient/a", f"subject={BASE}/Patient/a", "subject=a"):
        assert ids(searched.get(f"Observation?{query}")) == ["o"], query
    assert ids(searched.get("Patient/a/Observation")) == ["o"]
    assert ids(searched.get("Patient?_has:Observation:subject:status=final")) == ["a"]
    assert ids(searched.get("Observation?_id=o&_include=Observation:subject"), "include") == ["a"]
    assert searched.get("Observation/o").json()["subject"] == {"reference": "Patient/a/_history/1"}
    assert searched.get("Observation/far").json()["subject"] == far["subject"]


def test_references_within_a_bundle_that_is_kept_stay(searched: House) -> None:
    told = {"resourceType": "Bundle", "id": "b", "type": "collection", "entry": [
        {"fullUrl": f"urn:uuid:{'0' * 8}-0000-4000-8000-{'0' * 12}",
         "resource": {**observation("o", "a"), "subject": {"reference": f"{BASE}/Patient/a"}}}]}  # fmt: skip
    put(searched, told)
    kept = searched.get("Bundle/b").json()
    assert kept["entry"][0]["resource"]["subject"] == {"reference": f"{BASE}/Patient/a"}


def test_a_parameter_that_some_of_several_types_have_is_refused(searched: House) -> None:
    assert issue(searched.get("?_type=Patient,Observation&birthdate=1980")) == (400, "invalid")
    assert issue(searched.get("?_type=Patient,Observation&birthdate:missing=true")) == (400, "invalid")
    assert ids(searched.get("?_type=Patient,Observation&identifier=1")) == []


def test_elements_are_those_of_what_was_found_and_text_goes_without_includes(searched: House) -> None:
    put(searched, patient("a", gender="male"), observation("o", "a"))
    answer = searched.get("Observation?_include=Observation:subject&_elements=subject&nonsense=1")
    found, included, told = (one["resource"] for one in answer.json()["entry"])
    assert found["subject"] == {"reference": "Patient/a"} and found["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert included["gender"] == "male" and "tag" not in included["meta"] and "meta" not in told
    summary = searched.get("Observation?_include=Observation:subject&_summary=true").json()["entry"]
    assert all(one["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED" for one in summary)
    for name in ("_include=Observation:subject", "_revinclude=Provenance:target"):
        assert issue(searched.get(f"Observation?{name}&_summary=text")) == (400, "invalid")
