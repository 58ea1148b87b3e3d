"""Searching for steps by UPS Pull, Watch and Query: keys, answers, cancelling (PS3.4 CC.2.8)."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from tests.dimse.steps import PULL, PUSH, QUERY, WATCH, Client, new_uid, serving
from tests.workflow.conftest import Office
from tests.workflow.steps import attribute, code, step


def made(office: Office, **changes: object) -> str:
    uid = new_uid()
    office.workitems.create(office.peer, uid, step(**changes))
    return uid


def matches(answers: list[tuple[Dataset, Dataset | None]]) -> list[Dataset]:
    *pending, (last, nothing) = answers
    assert last.Status == 0 and nothing is None
    return [found for _, found in pending if found is not None]


@pytest.mark.parametrize("by", [PULL, WATCH, QUERY])
def test_answers_hold_what_was_asked_and_nothing_else(office: Office, by: str) -> None:
    uid = made(office)
    with serving(office) as server, Client(server.port) as client:
        kind = Dataset()
        kind.CodeValue = kind.CodeMeaning = ""
        answers = client.find(by, SOPInstanceUID="", SOPClassUID="", PatientName="", AdmissionID="",
                              ScheduledWorkitemCodeSequence=Sequence([kind]))  # fmt: skip
        assert [status.Status for status, _ in answers] == [0xFF00, 0]
        [found] = matches(answers)
    assert (found.SOPInstanceUID, found.SOPClassUID, str(found.PatientName)) == (uid, PUSH, "Zhang^San=张^三")
    assert "AdmissionID" in found and not found.AdmissionID
    [item] = found.ScheduledWorkitemCodeSequence
    assert set(item.keys()) == {0x00080100, 0x00080104} and item.CodeValue == "110005"
    assert set(found.keys()) == {0x00080005, 0x00080016, 0x00080018, 0x00100010, 0x00380010, 0x00404018}


def test_keys_match_as_the_table_says(office: Office) -> None:
    uid = made(office, t00404025=attribute("SQ", code("GPU2")), t00404005=attribute("DT", "20261201080000"))
    other = made(office, t00100010=attribute("PN", {"Alphabetic": "Li^Si", "Ideographic": "李^四"}))
    office.workitems.request_cancel(office.peer, other, {})
    station = Dataset()
    station.CodeValue = "GPU2"
    with serving(office) as server, Client(server.port) as client:

        def found(**keys: object) -> set[str]:
            return {str(one.SOPInstanceUID) for one in matches(client.find(**{"SOPInstanceUID": "", **keys}))}

        assert found() == {uid, other}
        assert found(SOPInstanceUID=[uid, new_uid()]) == {uid}
        assert found(ProcedureStepState="SCHEDULED") == {uid}
        assert found(ScheduledStationNameCodeSequence=Sequence([station])) == {uid}
        assert found(ScheduledProcedureStepStartDateTime="20261201-20261231") == {uid}
        assert found(ScheduledProcedureStepStartDateTime="-20261130") == {other}
        assert found(PatientName="Zhang*") == {uid}
        assert found(PatientID="P1", ProcedureStepLabel="Lung*") == {uid, other}
        assert found(PatientID="nobody") == set()


def test_a_key_that_is_none_is_told(office: Office) -> None:
    made(office)
    with serving(office) as server, Client(server.port) as client:
        for keys in ({"TransactionUID": "1.2"}, {"SeriesInstanceUID": ""}):
            answers = client.find(PatientID="P1", **keys)
            assert [status.Status for status, _ in answers] == [0xFF01, 0]
            assert "TransactionUID" not in answers[0][1] or not answers[0][1].TransactionUID  # type: ignore[index]


def test_names_match_fuzzily_where_it_was_negotiated(office: Office) -> None:
    made(office)
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = PULL, b"\1\1\1"
    with serving(office) as server:
        with Client(server.port) as client:
            assert matches(client.find(PatientName="san zhang")) == []
        with Client(server.port, extended=[extended]) as client:
            assert len(matches(client.find(PatientName="san zhang"))) == 1


def test_a_search_is_cancelled(office: Office) -> None:
    for _ in range(60):
        made(office)
    with serving(office) as server, Client(server.port) as client:
        asked = Dataset()
        asked.PatientID = ""
        answers = client.association.send_c_find(asked, PULL, msg_id=7)
        assert next(answers)[0].Status == 0xFF00
        client.association.send_c_cancel(7, query_model=PULL)
        statuses = [status.Status for status, _ in answers]
        assert statuses[-1] in (0xFE00, 0) and set(statuses[:-1]) <= {0xFF00}
        assert len(matches(client.find(PatientID=""))) == 60


def test_what_cannot_be_searched_for_is_refused(office: Office) -> None:
    with serving(office) as server, Client(server.port) as client:
        assert [status.Status for status, _ in client.find(ScheduledProcedureStepStartDateTime="then")] == [0xC000]


def test_only_what_the_caller_may_see_is_found(office: Office) -> None:
    made(office)
    office.workitems.create(office.reader, new_uid(), step())
    with serving(office) as server, Client(server.port) as client, Client(server.port, "READER") as reader:
        assert len(matches(client.find(PatientID=""))) == 1 and len(matches(reader.find(PatientID=""))) == 2
