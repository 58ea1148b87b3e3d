"""Value sets of HL7's definitions, and hostile ones."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from fhir.definitions.terminology import value_sets
from fhir.definitions.value_sets import required_codes
from fhir.terminology.expand import Asked, expand
from fhir.terminology.library import Definitions, Library
from fhir.terminology.listed import ListedCodeSystem
from fhir.terminology.value_set import Composition, NotTold
from pacsd.faults import Fault, PacsdError

V3 = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
AT = datetime(2026, 11, 29, tzinfo=UTC)


class Shelf:
    """What a test puts there."""

    def __init__(self, *resources: dict[str, Any]) -> None:
        self.resources = resources

    def code_systems(self, url: str) -> list[ListedCodeSystem]:
        return [ListedCodeSystem(one) for one in self.resources
                if one["resourceType"] == "CodeSystem" and one["url"] == url]

    def value_sets(self, url: str) -> list[dict[str, Any]]:
        return [one for one in self.resources if one["resourceType"] == "ValueSet" and one["url"] == url]

    def concept_maps(self) -> list[dict[str, Any]]:
        return [one for one in self.resources if one["resourceType"] == "ConceptMap"]

    def whole(self, value_set: str) -> list[ListedCodeSystem]:
        return [ListedCodeSystem(one) for one in self.resources
                if one["resourceType"] == "CodeSystem" and one.get("valueSet") == value_set]


def system(url: str, *codes: Any, **more: Any) -> dict[str, Any]:
    concepts = [one if isinstance(one, dict) else {"code": one, "display": one.upper()} for one in codes]
    return {"resourceType": "CodeSystem", "url": url, "content": "complete", "concept": concepts, **more}


def value_set(url: str, *includes: dict[str, Any], **compose: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": url, "compose": {"include": list(includes), **compose}}


def composition(*resources: dict[str, Any]) -> Composition:
    return Composition(Library([Shelf(*resources), Definitions()]))


def codes(value: dict[str, Any], *resources: dict[str, Any], **asked: Any) -> list[str]:
    told = expand(composition(*resources), value, Asked(**asked), at=AT, identifier=UUID(int=1))
    return [one["code"] for one in told["expansion"].get("contains", ())]


@pytest.mark.parametrize("url", sorted(url for url, told in required_codes().items() if told is not None))
def test_a_value_set_of_a_required_binding_has_the_codes_that_it_was_cut_with(url: str) -> None:
    found: dict[str, set[str]] = {}
    ours = composition()
    for one in ours.members(value_sets()[url]):
        found.setdefault(one.system, set()).add(one.concept.code)
        assert ours.holds(value_sets()[url], one.system, one.concept.code) is not None
    assert found == {name: set(told) for name, told in (required_codes()[url] or {}).items() if told}


def test_a_filter_finds_chinese_in_displays_and_designations() -> None:
    raised = {"code": "R03", "display": "Elevated pressure", "designation": [{"language": "zh", "value": "血压升高"}]}
    icd = system("urn:icd", {"code": "I10", "display": "高血压"}, {"code": "J18", "display": "肺炎"}, raised)
    all_of_it = value_set("urn:vs", {"system": "urn:icd"})
    assert codes(all_of_it, icd, filter="血压") == ["I10", "R03"]
    assert codes(all_of_it, icd, filter="ELEVATED pres") == ["R03"]
    assert codes(all_of_it, icd, filter="j18") == ["J18"]
    assert codes(all_of_it, icd, filter="100%_") == []


def test_pages_put_together_are_the_whole() -> None:
    many = system("urn:s", *(f"c{number}" for number in range(25)))
    whole = value_set("urn:vs", {"system": "urn:s"})
    pages = [codes(whole, many, offset=offset, count=10) for offset in (0, 10, 20, 30)]
    assert [len(one) for one in pages] == [10, 10, 5, 0]
    assert [code for one in pages for code in one] == codes(whole, many)
    told = expand(composition(many), whole, Asked(count=3), at=AT, identifier=UUID(int=1))["expansion"]
    assert (told["total"], told["offset"]) == (25, 0)


def test_more_codes_than_fit_into_an_answer_are_refused_without_a_count() -> None:
    many = system("urn:s", *(f"c{number}" for number in range(10_001)))
    with pytest.raises(PacsdError) as raised:
        codes(value_set("urn:vs", {"system": "urn:s"}), many)
    assert raised.value.fault is Fault.TOO_MUCH


def test_filters_follow_the_hierarchy() -> None:
    tree = system("urn:s", {"code": "a", "concept": [{"code": "b", "concept": [{"code": "c"}]}, {"code": "d"}]},
                  {"code": "e", "property": [{"code": "parent", "valueCode": "d"}]})  # fmt: skip

    def having(operator: str, value: str, property_: str = "concept") -> list[str]:
        row = {"property": property_, "op": operator, "value": value}
        return codes(value_set("urn:vs", {"system": "urn:s", "filter": [row]}), tree)

    assert having("is-a", "a") == ["a", "b", "c", "d", "e"]
    assert having("descendent-of", "d") == ["e"]
    assert having("is-not-a", "b") == ["a", "d", "e"]
    assert having("generalizes", "c") == ["a", "b", "c"]
    assert having("=", "d", "parent") == ["e"]
    assert having("in", "b,e", "code") == ["b", "e"]
    assert having("regex", "[a-c]", "code") == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["(a+)+$", "(a|aa)*b", "a*a*a*b", "(?=a)b", "a{1,}b{2,}c{3,}", "[", r"(a)\1"])
def test_a_regular_expression_that_could_take_for_ever_is_refused(text: str) -> None:
    row = {"property": "code", "op": "regex", "value": text}
    with pytest.raises(PacsdError) as raised:
        codes(value_set("urn:vs", {"system": "urn:s", "filter": [row]}), system("urn:s", "a" * 200))
    assert raised.value.fault in (Fault.UNSUPPORTED, Fault.MALFORMED)


def test_what_is_excluded_is_not_there_and_value_sets_are_what_they_have_in_common() -> None:
    letters = system("urn:s", "a", "b", "c", "d")
    first = value_set("urn:1", {"system": "urn:s", "concept": [{"code": "a"}, {"code": "b"}, {"code": "c"}]})
    second = value_set("urn:2", {"system": "urn:s", "concept": [{"code": "b"}, {"code": "c"}, {"code": "d"}]})
    without = {"system": "urn:s", "concept": [{"code": "c"}]}
    both = value_set("urn:vs", {"valueSet": ["urn:1", "urn:2"]}, exclude=[without])
    assert codes(both, letters, first, second) == ["b"]
    ours = composition(letters, first, second)
    assert [bool(ours.holds(both, "urn:s", one)) for one in "abcd"] == [False, True, False, False]


def test_value_sets_made_of_each_other_are_refused() -> None:
    one, other = value_set("urn:1", {"valueSet": ["urn:2"]}), value_set("urn:2", {"valueSet": ["urn:1"]})
    for ask in (lambda: codes(one, one, other), lambda: composition(one, other).holds(one, "urn:s", "a")):
        with pytest.raises(PacsdError) as raised:
            ask()
        assert raised.value.fault is Fault.MISMATCH


def test_a_code_of_a_system_that_is_not_known_is_neither_in_nor_out() -> None:
    with pytest.raises(NotTold):
        composition().holds(value_sets()["http://hl7.org/fhir/ValueSet/ucum-units"], "http://unitsofmeasure.org", "mg")


def test_the_newest_version_counts_where_none_is_named() -> None:
    versions = [system("urn:icd", f"new in {one}", version=one) for one in ("2.9", "2.10", "2.1")]
    whole = value_set("urn:vs", {"system": "urn:icd"})
    assert codes(whole, *versions) == ["new in 2.10"]
    assert codes(value_set("urn:vs", {"system": "urn:icd", "version": "2.1"}), *versions) == ["new in 2.1"]
    with pytest.raises(NotTold):
        codes(value_set("urn:vs", {"system": "urn:icd", "version": "3"}), *versions)


def test_inactive_codes_are_left_out_when_asked_for() -> None:
    two = system("urn:s", "a", {"code": "b", "property": [{"code": "status", "valueCode": "retired"}]})
    assert codes(value_set("urn:vs", {"system": "urn:s"}), two, active_only=True) == ["a"]
    assert codes(value_set("urn:vs", {"system": "urn:s"}, inactive=False), two) == ["a"]
    assert codes(value_set("urn:vs", {"system": "urn:s"}), two) == ["a", "b"]


def test_a_code_system_is_its_own_value_set_where_it_says_so() -> None:
    one = system("urn:s", "a", "b", valueSet="urn:s/vs")
    told = composition(one).value_set("urn:s/vs")
    assert codes(dict(told), one) == ["a", "b"]


@pytest.mark.timeout(60)
def test_value_sets_that_lead_to_ever_more_of_them_are_not_followed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir.terminology.value_set.MOST_OPENED", 20_000)
    sets = [value_set(f"http://v/{at}", *[{"valueSet": [f"http://v/{at + 1}"]}] * 10) for at in range(15)]
    composition = Composition(Library((Shelf(*sets, value_set("http://v/15")),)))
    for ask in (lambda one: list(composition.members(one)), lambda one: composition.holds(one, "http://s", "a")):
        with pytest.raises(PacsdError) as raised:
            ask(composition.value_set("http://v/0"))
        assert raised.value.fault is Fault.TOO_MUCH


def test_versions_of_any_length_are_compared() -> None:
    told = [system("http://s", "a", version=one) for one in ("9" * 5_000, "1.0")]
    assert Library((Shelf(*told),)).code_system("http://s") is not None


@pytest.mark.parametrize(("text", "code"), [
    ("a?" * 32 + "a" * 32, "a" * 31 + "b"), ("(aa|a)" * 36 + "b", "a" * 50),
    ("[ab]?" * 28 + "[ab]" * 28 + "c", "a" * 28 + "d"),
])  # fmt: skip
def test_a_regular_expression_with_many_choices_is_decided_at_once(text: str, code: str) -> None:
    row = {"property": "code", "op": "regex", "value": text}
    assert codes(value_set("urn:vs", {"system": "urn:s", "filter": [row]}), system("urn:s", code)) == []
