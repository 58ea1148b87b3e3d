"""Whatever a patch and a resource are, the outcome is a resource or a domain error, and the resource is untouched."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir.format import json as fhir_json
from fhir.patch import fhirpath_patch, json_patch, xml_patch
from pacsd.faults import PacsdError

RESOURCE: dict[str, Any] = {
    "resourceType": "Patient", "id": "p", "active": True, "_active": {"id": "x"}, "birthDate": "2020",
    "name": [{"given": ["a", None], "_given": [None, {"id": "b"}], "family": "c"}, {"text": "d"}],
    "contained": [{"resourceType": "Organization", "id": "o"}, {"resourceType": "Nothing"}],
    "extension": [{"url": "u", "valueQuantity": {"value": 1}}], "deceasedBoolean": False, "contact": [{}],
}
BROKEN: dict[str, Any] = RESOURCE | {"name": {"given": "a"}, "contact": [None, 7, []], "contained": "x", "_active": []}
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda one: st.lists(
    one, max_size=3) | st.dictionaries(st.sampled_from(["name", "given", "id", "0", "resourceType"]), one, max_size=3),
    max_leaves=6)
POINTERS = st.lists(st.sampled_from(["", "name", "0", "1", "-", "given", "_given", "contained", "~0", "x", "00"]),
                    max_size=4).map(lambda tokens: "".join(f"/{token}" for token in tokens))
PATHS = st.sampled_from([
    "Patient", "Patient.name", "name[0]", "name[0].given", "name.given[1]", "name.given[1].id", "active", "active.id",
    "deceased", "birthDate", "contact", "contact[0]", "contact[0].name", "contained", "contained[0]", "contained[1]",
    "contained.id", "extension", "extension.value", "extension[0].value.value", "children()", "descendants()", "1",
    "{}",
    "name.where(text = 'd')", "name.resolve()", "id", "Patient.name |", "%resource.name[1]", "type()"])
VALUES = st.one_of(
    st.tuples(st.sampled_from(["valueString", "valueHumanName", "valueInteger", "valueBoolean", "valueQuantity",
                               "valueDate", "_valueString", "valueNothing", "resource", "valueResource"]), JSON),
    st.tuples(st.just("part"), st.lists(st.fixed_dictionaries(
        {"name": st.sampled_from(["name", "given", "value", "id"])}, optional={"valueString": JSON, "part": JSON}),
        max_size=3)))


@st.composite
def operations(draw: st.DrawFn) -> dict[str, Any]:
    parts: list[Any] = [{"name": "type", "valueCode":
                         draw(st.sampled_from(["add", "insert", "delete", "replace", "move"]))},
                        {"name": "path", "valueString": draw(PATHS)}]
    for name in ("index", "source", "destination"):
        if draw(st.booleans()):
            parts.append({"name": name, "valueInteger": draw(st.integers(-1, 3))})
    parts.append({"name": "name", "valueString": draw(st.sampled_from(
        ["name", "given", "id", "value", "deceased", "contact", "extension", "contained", "use", "nothing"]))})
    key, value = draw(VALUES)
    parts.append({"name": "value", key: value})
    return {"name": "operation", "part": parts}


@settings(max_examples=120, deadline=None)
@given(st.lists(operations(), max_size=4), st.sampled_from([RESOURCE, BROKEN]))
def test_no_fhirpath_patch_breaks(told: list[dict[str, Any]], resource: dict[str, Any]) -> None:
    before = repr(resource)
    try:
        patched = fhirpath_patch.apply(resource, {"resourceType": "Parameters", "parameter": told})
        assert patched["resourceType"] == "Patient" and fhir_json.write(patched)
    except PacsdError:
        pass
    assert repr(resource) == before


@settings(max_examples=120, deadline=None)
@given(st.lists(st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": POINTERS},
    optional={"from": POINTERS, "value": JSON}), max_size=5), st.sampled_from([RESOURCE, BROKEN]))
def test_no_json_patch_breaks(told: list[Any], resource: dict[str, Any]) -> None:
    before = repr(resource)
    try:
        patched = json_patch.apply(resource, json_patch.read(json.dumps(told).encode()))
        assert patched["resourceType"] == "Patient" and fhir_json.write(patched)
    except PacsdError:
        pass
    assert repr(resource) == before


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["add", "remove", "replace"]), st.lists(st.sampled_from(
    ["Patient", "f:Patient", "name", "/", "//", "[1]", "[2]", "@value", "text()", "*", "[@url='u']", "[name='']",
    "x:y", "given",
     "[given/@value='a']", "id('x')", "'"]), max_size=6).map("".join), st.sampled_from(["", "before", "after",
     "prepend", "x"]),
    st.sampled_from(["", "text", "<name/>", "<name><family value='z'/></name>", "<a/><b/>", "<name xmlns=''/>"]))
def test_no_xml_patch_breaks(name: str, sel: str, pos: str, content: str) -> None:
    patch = f'<diff xmlns="http://hl7.org/fhir"><{name} sel="{sel}" pos="{pos}">{content}</{name}></diff>'
    resource = {key: value for key, value in RESOURCE.items() if key not in ("contained", "contact")}
    try:
        patched = xml_patch.apply(resource, xml_patch.read(patch.encode()))
        assert patched["resourceType"] == "Patient"
    except PacsdError:
        pass
