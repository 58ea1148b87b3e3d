"""Modality worklist C-FIND: whose, in which character set, with which status, and how it is ended."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import ModalityWorklistInformationFind

from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.workflow.modality_worklist import StepQuery
from tests.dimse.fakes import FakeDirectory, peer, running

ITEM = {
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "张^三"}]},
    "00080050": {"vr": "SH", "Value": ["A1"]},
    "00400100": {"vr": "SQ", "Value": [{
        "00080060": {"vr": "CS", "Value": ["CT"]}, "00400001": {"vr": "AE", "Value": ["CT1", "CT2"]},
        "00400008": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["P"]}}]},
    }]},
}  # fmt: skip


class FakeWorklist:
    """Answers every query with what it is given, and remembers what was asked."""

    def __init__(self, found: Any = (ITEM,)) -> None:
        self.found = found
        self.asked: list[tuple[StepQuery, Scope]] = []

    def __call__(self, query: StepQuery, scope: Scope) -> Iterator[Any]:
        self.asked.append((query, scope))
        return self.found() if callable(self.found) else iter(self.found)


def request(**given: Any) -> Dataset:
    keys, step = Dataset(), Dataset()
    keys.PatientName = ""
    step.Modality = "CT"
    step.ScheduledStationAETitle = ""
    keys.ScheduledProcedureStepSequence = [step]
    for keyword, value in given.items():
        setattr(keys, keyword, value)
    return keys


def ask(port: int, keys: Dataset, *, calling: str = "CT1", cancel_after: int = 0) -> list[tuple[int, Any]]:
    scu = AE(calling)
    scu.add_requested_context(ModalityWorklistInformationFind)
    association = scu.associate("127.0.0.1", port, ae_title="PACSD")
    assert association.is_established
    answers = []
    for status, found in association.send_c_find(keys, ModalityWorklistInformationFind, msg_id=3):
        answers.append((status.Status, found))
        if len(answers) == cancel_after:
            association.send_c_cancel(3, query_model=ModalityWorklistInformationFind)
    association.release()
    return answers


def test_an_item_is_answered_with_what_was_asked_of_it_and_nothing_else() -> None:
    worklist = FakeWorklist()
    with running(worklist=worklist) as server:
        (status, item), (last, _) = ask(server.port, request(PatientWeight=None))
    assert (status, last) == (0xFF00, 0x0000)
    assert "AccessionNumber" not in item and "QueryRetrieveLevel" not in item and "RetrieveAETitle" not in item
    step = item.ScheduledProcedureStepSequence[0]
    assert list(step.ScheduledStationAETitle) == ["CT1", "CT2"] and "ScheduledProtocolCodeSequence" not in step
    assert item.PatientWeight is None and str(item.PatientName) == "张^三"
    ((query, scope),) = worklist.asked
    assert [(one.path, one.value) for one in query.criteria] == [("00400100.00080060", "CT")]
    assert len(scope.organisations) == 1


def test_the_answer_is_in_the_character_set_of_the_ae_then_of_the_request_then_in_utf_8() -> None:
    directory = FakeDirectory(peers={"GBK": peer("GBK", character_set="GBK"), "ANY": peer("ANY")})
    with running(worklist=FakeWorklist(), directory=directory) as server:
        asked = [("GBK", "ISO_IR 192"), ("ANY", "GB18030"), ("ANY", "ISO_IR 100"), ("ANY", "NONSENSE"), ("ANY", "")]
        keys = [request(SpecificCharacterSet=said) for _, said in asked]
        found = [ask(server.port, key, calling=ae)[0][1].SpecificCharacterSet
                 for (ae, _), key in zip(asked, keys, strict=True)]  # fmt: skip
    assert found == ["GBK", "GB18030", "ISO_IR 192", "ISO_IR 192", "ISO_IR 192"]


@pytest.mark.parametrize(
    ("keyword", "inside", "status"),
    [
        ("RequestedProcedurePriority", False, 0xFF00), ("MedicalAlerts", False, 0xFF00),
        ("ScheduledProcedureStepStatus", True, 0xFF00), ("SeriesDescription", False, 0xFF01),
        ("Manufacturer", True, 0xFF01), ("PatientName", True, 0xFF01),
    ],
)  # fmt: skip
def test_a_key_the_worklist_does_not_have_makes_the_status_ff01(keyword: str, inside: bool, status: int) -> None:
    keys = request()
    setattr(keys.ScheduledProcedureStepSequence[0] if inside else keys, keyword, "")
    with running(worklist=FakeWorklist()) as server:
        assert [one for one, _ in ask(server.port, keys)] == [status, 0x0000]


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.MALFORMED, 0xC000), (Fault.UNAVAILABLE, 0xA700), (Fault.TOO_MUCH, 0xA700)]
)
def test_what_cannot_be_answered_is_refused_with_its_status(fault: Fault, status: int) -> None:
    def failing() -> Iterator[Any]:
        raise PacsdError(fault, "no")

    with running(worklist=FakeWorklist(failing)) as server:
        assert [one for one, _ in ask(server.port, request())] == [status]


def test_cancel_ends_an_endless_worklist() -> None:
    closed = []

    def endless() -> Iterator[Any]:
        try:
            yield from itertools.repeat(ITEM)
        finally:
            closed.append(True)

    with running(worklist=FakeWorklist(endless)) as server:
        answers = ask(server.port, request(), cancel_after=3)
    assert answers[-1][0] == 0xFE00 and closed == [True]
