"""C-FIND end to end: DCMTK, pynetdicom as a foreign SCU, cancel, errors."""

import itertools
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
)

from pacsd.faults import Fault, PacsdError
from tests.clients import require
from tests.dimse.fakes import FakeDirectory, peer, running


class FakeMatch:
    """A match with the attributes it is given."""

    def __init__(self, **attributes: dict[str, Any]) -> None:
        self._attributes = {name.removeprefix("t"): attribute for name, attribute in attributes.items()}

    def dataset(self) -> dict[str, dict[str, Any]]:
        return self._attributes


def study(number: int, name: str = "Nobody^Nowhere") -> FakeMatch:
    return FakeMatch(
        t0020000D={"vr": "UI", "Value": [f"1.2.3.{number}"]},
        t00100010={"vr": "PN", "Value": [{"Alphabetic": name}]},
        t00100020={"vr": "LO", "Value": [f"P{number}"]},
        t00201208={"vr": "IS", "Value": [number]},
        t00081032={"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["CODE"]}}]},
    )


def identifier(level: str = "STUDY", **keys: Any) -> Dataset:
    request = Dataset()
    request.QueryRetrieveLevel = level
    request.StudyInstanceUID = ""
    for keyword, value in keys.items():
        setattr(request, keyword, value)
    return request


def ask(
    port: int,
    request: Dataset,
    *,
    model: Any = StudyRootQueryRetrieveInformationModelFind,
    extended: bytes = b"",
    calling: str = "FOREIGN",
) -> list[tuple[Dataset, Dataset | None]]:
    ae = AE(calling)
    ae.add_requested_context(model)
    more = []
    if extended:
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid = model
        item.service_class_application_information = extended
        more.append(item)
    association = ae.associate("127.0.0.1", port, ae_title="PACSD", ext_neg=more)
    assert association.is_established
    answers = list(association.send_c_find(request, model))
    association.release()
    return answers


def test_findscu_shows_every_match() -> None:
    require("findscu")
    with running() as server:
        server.archive.matches = [study(n) for n in range(3)]
        done = subprocess.run(
            [
                *("findscu", "-v", "-S", "-aec", "PACSD", "127.0.0.1", str(server.port)),
                *("-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=N*", "-k", "StudyInstanceUID"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0
        assert output.count("Nobody^Nowhere") == 3 and "1.2.3.2" in output
        level, criteria = server.archive.queries[0]
        assert level == "study" and criteria.keys[0x00100010].values == ("N*",)


def test_an_answer_holds_what_was_asked_and_nothing_else() -> None:
    with running() as server:
        server.archive.matches = [study(7)]
        request = identifier(PatientID="", NumberOfStudyRelatedInstances="", InstanceAvailability="")
        request.ProcedureCodeSequence = []
        (status, answer), (final, _) = ask(server.port, request)
        assert status.Status == 0xFF00 and final.Status == 0x0000
        assert answer is not None and "PatientName" not in answer
        assert answer.PatientID == "P7" and answer.NumberOfStudyRelatedInstances == 7
        assert answer.QueryRetrieveLevel == "STUDY" and answer.RetrieveAETitle == "PACSD"
        assert answer.InstanceAvailability == "ONLINE"
        assert answer.ProcedureCodeSequence[0].CodeValue == "CODE"


def test_a_key_we_do_not_keep_makes_the_pending_status_ff01() -> None:
    with running() as server:
        server.archive.matches = [study(1)]
        (status, answer), _ = ask(server.port, identifier(PatientReligiousPreference=""))
        assert status.Status == 0xFF01 and answer is not None and answer.PatientReligiousPreference in ("", None)


def test_names_are_answered_in_utf_8() -> None:
    with running() as server:
        server.archive.matches = [study(1, "张^三")]
        (_, answer), _ = ask(server.port, identifier(PatientName=""))
        assert answer is not None and answer.SpecificCharacterSet == "ISO_IR 192"
        assert str(answer.PatientName) == "张^三"


def test_an_ae_with_its_own_character_set_is_asked_and_answered_in_it() -> None:
    directory = FakeDirectory(peers={"GBWS": peer("GBWS", character_set="GB18030")})
    with running(directory=directory) as server:
        server.archive.matches = [study(1, "张^三")]
        request = identifier()
        request.SpecificCharacterSet = "GB18030"
        request.PatientName = "张*"
        (_, answer), _ = ask(server.port, request, calling="GBWS")
        assert answer is not None and answer.SpecificCharacterSet == "GB18030"
        assert str(answer.PatientName) == "张^三"
        assert server.archive.queries[0][1].keys[0x00100010].values == ("张*",)


PATIENT_ROOT, STUDY_ROOT = PatientRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelFind


@pytest.mark.parametrize(
    ("model", "request_", "status", "offending"),
    [
        (STUDY_ROOT, identifier("PATIENT"), 0xA900, 0x00080052),
        (STUDY_ROOT, identifier("NONSENSE"), 0xA900, 0x00080052),
        (STUDY_ROOT, identifier("IMAGE"), 0xA700, [0x0020000D, 0x0020000E, 0x00080018]),
        (PATIENT_ROOT, identifier("IMAGE", PatientID="1", SOPInstanceUID="1.2.*"), 0xA700,
         [0x0020000D, 0x0020000E, 0x00080018]),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(model: Any, request_: Dataset, status: int, offending: Any) -> None:
    with running() as server:
        [(final, _)] = ask(server.port, request_, model=model)
        assert final.Status == status and final.OffendingElement == offending and final.ErrorComment


@pytest.mark.parametrize(
    ("model", "request_"),
    [
        (PATIENT_ROOT, identifier("STUDY")),
        (PATIENT_ROOT, identifier("STUDY", PatientID="A*")),
        (PATIENT_ROOT, identifier("SERIES", StudyInstanceUID="1.2")),
        (PATIENT_ROOT, identifier("SERIES", Modality="CT")),
        (PATIENT_ROOT, identifier("IMAGE", StudyInstanceUID="1.2")),
        (PATIENT_ROOT, identifier("IMAGE", SOPInstanceUID="1.2")),
        (STUDY_ROOT, identifier("SERIES")),
        (STUDY_ROOT, identifier("IMAGE", SeriesInstanceUID="1.2")),
    ],
)  # fmt: skip
def test_upper_unique_keys_may_be_left_out_without_negotiation(model: Any, request_: Dataset) -> None:
    """As other archives answer; findscu and old workstations ask so."""
    with running() as server:
        assert ask(server.port, request_, model=model)[-1][0].Status == 0x0000
        assert len(server.archive.queries) == 1


def test_without_a_level_the_query_is_refused() -> None:
    with running() as server:
        request = identifier()
        del request.QueryRetrieveLevel
        [(final, _)] = ask(server.port, request)
        assert final.Status == 0xA900 and final.OffendingElement == 0x00080052


def test_relational_queries_and_fuzzy_names_by_extended_negotiation() -> None:
    with running() as server:
        answers = ask(server.port, identifier("SERIES"), extended=b"\1\1\1\0\0")
        assert answers[-1][0].Status == 0x0000
        criteria = server.archive.queries[0][1]
        assert criteria.fuzzy and criteria.combined_datetime


@pytest.mark.parametrize(("fault", "status"), [(Fault.TOO_BROAD, 0xA700), (Fault.INTERNAL, 0x0110)])
def test_a_failing_search_is_a_status(fault: Fault, status: int) -> None:
    def fail() -> Iterator[FakeMatch]:
        yield study(1)
        raise PacsdError(fault, "a reason")

    with running() as server:
        server.archive.matches = fail
        answers = ask(server.port, identifier())
        assert answers[-1][0].Status == status


def test_our_own_defect_in_a_search_is_a_processing_failure() -> None:
    def fail() -> Iterator[FakeMatch]:
        raise ZeroDivisionError
        yield study(1)

    with running() as server:
        server.archive.matches = fail
        [(final, _)] = ask(server.port, identifier())
        assert final.Status == 0x0110


def test_cancel_ends_an_endless_query() -> None:
    closed = []

    def endless() -> Iterator[FakeMatch]:
        try:
            for n in itertools.count():
                yield study(n)
        finally:
            closed.append(True)

    with running() as server:
        server.archive.matches = endless
        ae = AE("FOREIGN")
        ae.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
        association = ae.associate("127.0.0.1", server.port, ae_title="PACSD")
        statuses = []
        for status, _ in association.send_c_find(identifier(), StudyRootQueryRetrieveInformationModelFind, msg_id=5):
            statuses.append(status.Status)
            if len(statuses) == 3:
                association.send_c_cancel(5, query_model=StudyRootQueryRetrieveInformationModelFind)
        assert statuses[-1] == 0xFE00 and closed == [True]
        association.release()


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]
)
def test_every_identifier_syntax_is_read_and_written(syntax: str) -> None:
    with running() as server:
        server.archive.matches = [study(1, "王^五")]
        ae = AE("FOREIGN")
        ae.add_requested_context(StudyRootQueryRetrieveInformationModelFind, syntax)
        association = ae.associate("127.0.0.1", server.port, ae_title="PACSD")
        request = identifier(PatientName="", PatientID="P1")
        (_, answer), (final, _) = association.send_c_find(request, StudyRootQueryRetrieveInformationModelFind)
        association.release()
        assert final.Status == 0 and str(answer.PatientName) == "王^五" and answer.PatientID == "P1"
        assert server.archive.queries[0][1].keys[0x00100020].values == ("P1",)
