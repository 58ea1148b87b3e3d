"""Profiles ask for more than the definitions, and what of it is not checked is told."""

import gzip
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir.format import json
from fhir.validation.check import Validator
from fhir.validation.profile import conformance
from fhir.validation.profile.conformance import Compiled

URL = "http://x.org/StructureDefinition/p"
OTHER = "http://x.org/StructureDefinition/other"
LOINC = "http://loinc.org"


def definition(*elements: dict[str, Any], kind: str = "Observation", url: str = URL) -> dict[str, Any]:
    """A profile as a differential."""
    rows = [{"id": kind, "path": kind}, *({"path": one["id"].partition(":")[0], **one} for one in elements)]
    return {"resourceType": "StructureDefinition", "url": url, "name": "P", "status": "active", "kind": "resource",
            "abstract": False, "type": kind, "derivation": "constraint", "differential": {"element": rows}}


def element(name: str, **more: Any) -> dict[str, Any]:
    return {"id": f"Observation.{name}", **more}


def validator(*definitions: Mapping[str, Any]) -> Validator:
    return Validator({one["url"]: one for one in definitions}.get)


def observation(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final",
            "code": {"coding": [{"system": LOINC, "code": "1-1", "display": "d"}], "text": "a"}, **more}  # fmt: skip


def told(resource: dict[str, Any], *definitions: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    issues = validator(*definitions).check(resource, profiles=[URL], named=False)
    return [(one.severity, one.code, one.expression[0]) for one in issues if one.severity != "information"]


CODED = {"coding": [{"system": LOINC, "code": "1-1"}]}
BOUND = {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/administrative-gender"}


@pytest.mark.parametrize(("asked", "broken", "sound", "problem"), [
    (element("subject", min=1), {}, {"subject": {"display": "a"}}, ("required", "Observation")),
    (element("note", max="0"), {"note": [{"text": "a"}]}, {}, ("structure", "Observation")),
    (element("note", max="1"), {"note": [{"text": "a"}] * 2}, {"note": [{"text": "a"}]}, ("structure", "Observation")),
    (element("status", fixedCode="final"), {"status": "amended"}, {}, ("value", "Observation.status")),
    (element("code", patternCodeableConcept=CODED), {"code": {"text": "a"}}, {}, ("value", "Observation.code")),
    (element("value[x]", type=[{"code": "Quantity"}]), {"valueString": "a"}, {"valueQuantity": {"value": 1}},
     ("structure", "Observation.valueString")),
    (element("valueQuantity", min=1), {"valueString": "a"}, {"valueQuantity": {"value": 1}}, ("required",
         "Observation")),
    (element("value[x].unit", min=1), {"valueQuantity": {"value": 1}}, {"valueQuantity": {"value": 1, "unit": "a"}},
     ("required", "Observation.valueQuantity")),
    (element("value[x].value", maxValueDecimal=Decimal("9.5")), {"valueQuantity": {"value": 10}},
     {"valueQuantity": {"value": Decimal("9.50")}}, ("value", "Observation.valueQuantity.value")),
    (element("value[x]", maxLength=2), {"valueString": "abc"}, {"valueString": "ab"}, ("too-long",
         "Observation.valueString")),
    (element("subject", type=[{"code": "Reference", "targetProfile": [
        "http://hl7.org/fhir/StructureDefinition/Patient"]}]), {"subject": {"reference": "Group/1"}},
     {"subject": {"reference": "Patient/1"}}, ("invalid", "Observation.subject.reference")),
    (element("value[x]", binding=BOUND), {"valueCodeableConcept": {"coding": [{"code": "x", "system": "y"}]}},
     {"valueCodeableConcept": {"coding": [{"code": "male", "system": "http://hl7.org/fhir/administrative-gender"}]}},
     ("code-invalid", "Observation.valueCodeableConcept")),
    (element("value[x]", constraint=[{"key": "p-1", "severity": "error", "human": "h", "expression": "$this > 3"}]),
     {"valueInteger": 3}, {"valueInteger": 4}, ("invariant", "Observation.valueInteger")),
])  # fmt: skip
def test_a_profile_is_broken_and_kept(asked: dict[str, Any], broken: dict[str, Any], sound: dict[str, Any],
                                      problem: tuple[str, str]) -> None:
    profile = definition(asked)
    assert told(observation(**broken), profile) == [("error", *problem)]
    assert told(observation(**sound), profile) == []


def sliced(name: str, kind: str, path: str, *slices: dict[str, Any], rules: str = "open") -> dict[str, Any]:
    slicing = {"discriminator": [{"type": kind, "path": path}], "rules": rules}
    return definition(element(name, slicing=slicing), *slices)


SYSTOLIC = {"code": {"coding": [{"system": LOINC, "code": "8480-6"}]}, "valueQuantity": {"value": 1}}
DIASTOLIC = {"code": {"coding": [{"system": LOINC, "code": "8462-4"}]}}


def test_slices_by_value() -> None:
    profile = sliced("component", "value", "code", element("component:s", min=1, max="1", sliceName="s"),
                     element("component:s.code", patternCodeableConcept=SYSTOLIC["code"]),
                     element("component:s.valueQuantity", min=1))
    assert told(observation(component=[SYSTOLIC, DIASTOLIC]), profile) == []
    assert told(observation(component=[DIASTOLIC]), profile) == [("error", "required", "Observation")]
    assert told(observation(component=[SYSTOLIC] * 2), profile) == [("error", "structure", "Observation")]
    bare = {"code": SYSTOLIC["code"]}
    assert told(observation(component=[DIASTOLIC, bare]), profile) == [("error", "required",
         "Observation.component[1]")]


def test_closed_slices_take_nothing_else() -> None:
    profile = sliced("component", "pattern", "code", element("component:s", sliceName="s"),
                     element("component:s.code", patternCodeableConcept=SYSTOLIC["code"]), rules="closed")
    assert told(observation(component=[SYSTOLIC, DIASTOLIC]), profile) \
        == [("error", "structure", "Observation.component[1]")]


def test_slices_by_existence() -> None:
    profile = sliced("component", "exists", "value", element("component:v", sliceName="v", max="1"),
                     element("component:v.value[x]", min=1))
    assert told(observation(component=[SYSTOLIC, DIASTOLIC]), profile) == []
    assert told(observation(component=[SYSTOLIC] * 2), profile) == [("error", "structure", "Observation")]


def test_slices_by_type() -> None:
    profile = sliced("value[x]", "type", "$this", element("value[x]:q", sliceName="q", type=[{"code": "Quantity"}]),
                     element("value[x]:q.unit", min=1), rules="closed")
    assert told(observation(valueQuantity={"value": 1, "unit": "a"}), profile) == []
    assert told(observation(valueQuantity={"value": 1}), profile) == [("error", "required",
         "Observation.valueQuantity")]
    assert told(observation(valueString="a"), profile) == [("error", "structure", "Observation.valueString")]


def test_slices_by_profile() -> None:
    inner = definition({"id": "Quantity.unit", "min": 1}, kind="Quantity", url=OTHER)
    profile = sliced("value[x]", "profile", "$this", element("value[x]:q", sliceName="q", min=1, type=[
        {"code": "Quantity", "profile": [OTHER]}]))
    assert told(observation(valueQuantity={"value": 1, "unit": "a"}), profile, inner) == []
    assert told(observation(valueQuantity={"value": 1}), profile, inner) == [("error", "required", "Observation")]


def test_slices_of_extensions_are_known_by_the_address_of_their_profile() -> None:
    extension = "http://x.org/StructureDefinition/e"
    profile = definition(element("extension", slicing={"discriminator": [{"type": "value", "path": "url"}],
         "rules": "open"}),
                         element("extension:e", sliceName="e", min=1, type=[{"code": "Extension",
                              "profile": [extension]}]))
    assert told(observation(extension=[{"url": extension, "valueCode": "a"}]), profile) == []
    assert told(observation(extension=[{"url": OTHER, "valueCode": "a"}]), profile) == [("error", "required",
         "Observation")]
    known = {**definition({"id": "Extension.value[x]", "type": [{"code": "boolean"}]}, kind="Extension", url=extension)}
    assert told(observation(extension=[{"url": extension, "valueCode": "a"}]), profile, known) \
        == [("error", "structure", "Observation.extension[0].valueCode")]


def test_what_is_not_checked_is_told() -> None:
    profile = sliced("component", "value", "extension('a').value.resolve().code", element("component:s", sliceName="s"))
    assert told(observation(), profile) == [("warning", "not-supported", "Observation")]
    bound = definition(element("value[x]", binding={"strength": "required", "valueSet": "http://x.org/vs"}))
    coded = observation(valueCodeableConcept={"coding": [{"system": "a", "code": "b"}]})
    assert told(coded, bound) == [("warning", "not-supported", "Observation.valueCodeableConcept")]


def test_a_profile_of_another_type_or_not_known_is_an_error() -> None:
    assert told(observation(), definition(kind="Patient")) == [("error", "structure", "Observation")]
    assert told(observation()) == [("error", "not-found", "Observation")]
    assert told(observation(), {**definition(), "differential": {"element": [7]}}) == [("error", "not-found",
         "Observation")]


def test_profiles_that_lead_to_each_other_come_to_an_end() -> None:
    profile = definition({"id": "Extension.extension", "type": [{"code": "Extension", "profile": [URL]}]},
         kind="Extension")
    deep: dict[str, Any] = {"url": "http://x.org/e", "valueCode": "a"}
    for _ in range(25):
        deep = {"url": "http://x.org/e", "extension": [deep]}
    outer = {**definition(element("extension", type=[{"code": "Extension", "profile": [URL]}]), url=OTHER)}
    issues = validator(profile, outer).check(observation(extension=[deep]), profiles=[OTHER], named=False)
    assert [one.severity for one in issues if one.severity != "information"] in ([], ["warning"])


def test_named_profiles_are_checked_where_they_are_known() -> None:
    resource = observation(meta={"profile": [URL, OTHER]})
    issues = validator(definition(element("subject", min=1))).check(resource)
    assert [(one.severity, one.code) for one in issues if one.severity != "information"] \
        == [("error", "required"), ("warning", "not-found")]
    assert all(one.severity == "information" for one in validator().check(resource, named=False))


def test_profiles_of_fhir_itself(data_folder: Path) -> None:
    path = data_folder.parent / "fhir-r4" / "profiles-others.json.gz"
    if not path.exists():
        pytest.skip(f"no official definitions in {path}")
    told = [one["resource"] for one in json.read(gzip.decompress(path.read_bytes()))["entry"]]
    known = {one["url"]: one for one in told if one["resourceType"] == "StructureDefinition"}
    base = "http://hl7.org/fhir/StructureDefinition/"
    weight = json.read((data_folder / "fhir_r4" / "examples" / "observation-example.json").read_bytes())

    def errors(resource: dict[str, Any], name: str) -> list[str]:
        return [one.expression[0] for one in Validator(known.get).check(resource, profiles=[base + name])
                if one.severity == "error"]
    assert errors(weight, "bodyweight") == errors(weight, "vitalsigns") == []
    assert errors(weight, "bmi") == ["Observation.code", "Observation.valueQuantity.code"]
    assert errors({key: value for key, value in weight.items() if key != "category"}, "vitalsigns")
    assert len(known) > 40 and all(Validator(known.get)._conformance.named(url) is not None for url in known)


def test_a_profile_is_compiled_once_as_long_as_it_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    read, made = conformance._read, []

    def counted(definition: Mapping[str, Any]) -> Any:
        made.append(definition["url"])
        return read(definition)

    monkeypatch.setattr(conformance, "_read", counted)
    first = validator(definition(element("note", max="0")))
    for _ in range(3):                       # as $validate does: each call finds profiles for who asks
        found = dict(definition(element("note", max="0")))
        again = replace(first, find={URL: found}.get)
        assert again.check(observation(note=[{"text": "a"}]), profiles=[URL], named=False)
    assert made == [URL]
    other = replace(first, find={URL: definition(element("note", max="1"))}.get)
    assert [one for one in other.check(observation(note=[{"text": "a"}]), profiles=[URL], named=False)
            if one.severity == "error"] == []
    assert made == [URL, URL]
    small = Compiled(most=1)
    for url in (URL, OTHER, URL):
        small.profile(definition(element("note", max="0"), url=url))
    assert made[2:] == [URL, OTHER, URL]


def test_profiles_are_kept_as_far_as_their_definitions_are_not_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    read, made = conformance._read, []

    def counted(definition: Mapping[str, Any]) -> Any:
        made.append(definition["url"])
        return read(definition)

    monkeypatch.setattr(conformance, "_read", counted)
    long = {**definition(element("note", max="0")), "description": "x" * 10_000}
    small = Compiled(most_bytes=5_000)
    for one in (definition(url=OTHER), long, long, definition(url=OTHER), definition(url=OTHER)):
        assert small.profile(one) is not None
    assert made == [OTHER, URL, URL, OTHER]
    assert small._bytes <= 5_000 and len(small._made) == 1
