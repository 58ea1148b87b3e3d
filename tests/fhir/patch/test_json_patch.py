"""JSON Patch by RFC 6902 and its appendix A, on resources."""

from decimal import Decimal
from typing import Any

import pytest

from fhir.patch import json_patch
from pacsd.faults import Fault, PacsdError

PATIENT: dict[str, Any] = {"resourceType": "Patient", "active": True, "name": [{"family": "A", "given": ["x", "y"]}],
                           "a/b": 1, "m~n": 2, "multipleBirthInteger": 1}


@pytest.mark.parametrize(("operations", "changes"), [
    ([], {}),
    ([{"op": "add", "path": "/gender", "value": "male"}], {"gender": "male"}),
    ([{"op": "add", "path": "/active", "value": False}], {"active": False}),
    ([{"op": "add", "path": "/name/0/given/1", "value": "z"}], {"name": [{"family": "A", "given": ["x", "z", "y"]}]}),
    ([{"op": "add", "path": "/name/-", "value": {"family": "B"}}], {"name": [*PATIENT["name"], {"family": "B"}]}),
    ([{"op": "add", "path": "/name/1", "value": {"family": "B"}}], {"name": [*PATIENT["name"], {"family": "B"}]}),
    ([{"op": "remove", "path": "/name/0/given/0"}], {"name": [{"family": "A", "given": ["y"]}]}),
    ([{"op": "remove", "path": "/active"}], {"active": None}),
    ([{"op": "replace", "path": "/name/0/family", "value": "B"}], {"name": [{"family": "B", "given": ["x", "y"]}]}),
    ([{"op": "replace", "path": "/a~1b", "value": 5}, {"op": "replace", "path": "/m~0n", "value": 6}],
     {"a/b": 5, "m~n": 6}),
    ([{"op": "move", "from": "/name/0/given/0", "path": "/name/0/given/1"}],
     {"name": [{"family": "A", "given": ["y", "x"]}]}),
    ([{"op": "move", "from": "/active", "path": "/active"}], {}),
    ([{"op": "copy", "from": "/name/0", "path": "/name/0"}], {"name": PATIENT["name"] * 2}),
    ([{"op": "test", "path": "/name/0/given", "value": ["x", "y"]}], {}),
    ([{"op": "test", "path": "/multipleBirthInteger", "value": Decimal("1.0")}], {}),
    ([{"op": "test", "path": "/a~1b", "value": 1, "ignored": True}], {}),
    ([{"op": "replace", "path": "", "value": {"resourceType": "Patient"}}], dict.fromkeys(PATIENT) | {
        "resourceType": "Patient"}),
])  # fmt: skip
def test_operations(operations: list[Any], changes: dict[str, Any]) -> None:
    before = repr(PATIENT)
    expected = {key: value for key, value in (PATIENT | changes).items() if value is not None}
    assert json_patch.apply(PATIENT, operations) == expected
    assert repr(PATIENT) == before


@pytest.mark.parametrize(("operation", "fault"), [
    ({"op": "test", "path": "/active", "value": 1}, Fault.CONFLICT),
    ({"op": "test", "path": "/name/0/given", "value": ["y", "x"]}, Fault.CONFLICT),
    ({"op": "test", "path": "/gender", "value": None}, Fault.MISMATCH),
    ({"op": "add", "path": "/photo/0", "value": {}}, Fault.MISMATCH),
    ({"op": "add", "path": "/name/2", "value": {}}, Fault.MISMATCH),
    ({"op": "add", "path": "/name/01", "value": {}}, Fault.MISMATCH),
    ({"op": "add", "path": "/active/x", "value": {}}, Fault.MISMATCH),
    ({"op": "remove", "path": "/name/-"}, Fault.MISMATCH),
    ({"op": "remove", "path": ""}, Fault.MISMATCH),
    ({"op": "remove", "path": "/name/99999999999999999999"}, Fault.MISMATCH),
    ({"op": "replace", "path": "/gender", "value": "male"}, Fault.MISMATCH),
    ({"op": "replace", "path": "/resourceType", "value": "Group"}, Fault.MISMATCH),
    ({"op": "replace", "path": "", "value": []}, Fault.MISMATCH),
    ({"op": "move", "from": "/name", "path": "/name/0"}, Fault.MISMATCH),
    ({"op": "copy", "from": "/gender", "path": "/x"}, Fault.MISMATCH),
    ({"op": "merge", "path": "/x", "value": 1}, Fault.MALFORMED),
    ({"op": "add", "path": "x", "value": 1}, Fault.MALFORMED),
    ({"op": "add", "path": "/~2", "value": 1}, Fault.MALFORMED),
    ({"op": "add", "path": "/x"}, Fault.MALFORMED),
    ({"op": "add", "value": 1}, Fault.MALFORMED),
    ({"op": ["add"], "path": "/x", "value": 1}, Fault.MALFORMED),
    ("add", Fault.MALFORMED),
])  # fmt: skip
def test_what_does_not_fit_is_refused_and_changes_nothing(operation: Any, fault: Fault) -> None:
    before = repr(PATIENT)
    with pytest.raises(PacsdError) as refused:
        json_patch.apply(PATIENT, [{"op": "remove", "path": "/active"}, {"op": "add", "path": "/active", "value": True},
                                   operation])
    assert refused.value.fault is fault and repr(PATIENT) == before


def test_patches_are_bounded() -> None:
    doubling = [{"op": "copy", "from": "/name", "path": "/name/-"}] * 60
    deeper = [{"op": "copy", "from": "/name/0", "path": "/name/0/more"},
              {"op": "move", "from": "/name/0", "path": "/x"},
              {"op": "add", "path": "/name/0", "value": {}}, {"op": "move", "from": "/x", "path": "/name/0/in"}] * 30
    for operations in (doubling, deeper, [{"op": "test", "path": "/active", "value": True}] * 1_001):
        with pytest.raises(PacsdError) as refused:
            json_patch.apply(PATIENT, operations)
        assert refused.value.fault is Fault.TOO_MUCH


def test_a_body_is_an_array_with_decimals_as_they_stand() -> None:
    told = json_patch.read(b'[{"op": "add", "path": "/x", "value": 1.10}]')
    assert str(told[0]["value"]) == "1.10"
    for body in (b"", b"{}", b"[", b'[],"x":1', b'[]}, {"a": []', b"null", b"[" * 10_000):
        with pytest.raises(PacsdError) as refused:
            json_patch.read(body)
        assert refused.value.fault is Fault.MALFORMED
