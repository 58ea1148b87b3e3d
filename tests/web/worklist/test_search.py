"""Searching the worklist over HTTP (PS3.18 11.9), with every kind of matching (PS3.4 C.2.2.2)."""

import orjson
import pytest

from pacsd.web.services import WebLimits
from tests.web.fakes import parts_of
from tests.web.worklist.conftest import Desk
from tests.workflow.steps import attribute, code, first, step

INPUT = attribute("SQ", {
    "0040E020": attribute("CS", "DICOM"),
    "0020000D": attribute("UI", "1.2.840.1"),
    "0020000E": attribute("UI", "1.2.840.2"),
    "00081199": attribute("SQ", {"00081150": attribute("UI", "1.2.840.10008.5.1.4.1.1.2"),
                                 "00081155": attribute("UI", "1.2.840.3")}),
    "0040E025": attribute("SQ", {"00081190": attribute("UR", "http://x/")}),
})  # fmt: skip
REQUEST = attribute("SQ", {
    "0020000D": attribute("UI", "1.2.840.1"), "00080050": attribute("SH", "ACC-7"), "00080051": attribute("SQ"),
    "00400026": attribute("SQ"), "00400027": attribute("SQ"), "00401001": attribute("SH", "RP-7"),
    "00321060": attribute("LO"), "00321064": attribute("SQ"),
})  # fmt: skip
STEPS = {
    "1.1": step(t00404005=attribute("DT", "20261125080000"), t00404025=attribute("SQ", code("GPU1"), code("GPU2")),
                t00404021=INPUT),
    "1.2": step(t00404005=attribute("DT", "20261125090000"), t00741200=attribute("CS", "HIGH"),
                t00100010=attribute("PN", {"Alphabetic": "Müller^Jürgen"}), t00100020=attribute("LO", "P2"),
                t0040A370=REQUEST),
    "1.3": step(t00404005=attribute("DT", "20261126"), t00741202=attribute("LO", "READING"),
                t00741204=attribute("LO", "Lung reading"), t00404025=attribute("SQ", code("GPU1", "99OTHER"))),
    "1.4": step(t00404005=attribute("DT", "20261127"), t00404025=attribute("SQ"), t00100030=attribute("DA", "20000101"),
                t00404041=attribute("CS", "INCOMPLETE"), t00404018=attribute("SQ", code("121726", "DCM"))),
}  # fmt: skip


@pytest.fixture
def filled(desk: Desk, office) -> Desk:
    for uid, one in STEPS.items():
        office.workitems.create(office.peer, uid, one)
    return desk


def found(desk: Desk, query: str) -> list[str]:
    answer = desk.get("/workitems" + query)
    assert answer.status_code == 200, answer.text
    return [first(one, "00080018") for one in answer.json()]


@pytest.mark.parametrize(
    ("query", "uids"),
    [
        ("", ["1.1", "1.2", "1.3", "1.4"]),
        ("?ProcedureStepState=SCHEDULED", ["1.1", "1.2", "1.3", "1.4"]),
        ("?00741000=IN PROGRESS", []),
        ("?SOPInstanceUID=1.2", ["1.2"]),
        ("?SOPInstanceUID=1.2,1.4", ["1.2", "1.4"]),
        ("?ScheduledProcedureStepPriority=HIGH", ["1.2"]),
        ("?WorklistLabel=READ*", ["1.3"]),
        ("?ProcedureStepLabel=*reading", ["1.3"]),
        ("?ProcedureStepLabel=Lung nodule CA?", ["1.1", "1.2", "1.4"]),
        ("?InputReadinessState=INCOMPLETE", ["1.4"]),
        ("?ScheduledProcedureStepStartDateTime=20261125", ["1.1", "1.2"]),
        ("?ScheduledProcedureStepStartDateTime=20261125083000-20261126", ["1.2", "1.3"]),
        ("?ScheduledProcedureStepStartDateTime=-2026112508", ["1.1"]),
        ("?ScheduledProcedureStepModificationDateTime=20990101-", []),
        ("?PatientID=P2", ["1.2"]),
        ("?PatientName=zhang*", ["1.1", "1.3", "1.4"]),
        ("?PatientName=张三", ["1.1", "1.3", "1.4"]),
        ("?PatientName=muller^jurgen", ["1.2"]),
        ("?PatientName=jurg&fuzzymatching=true", ["1.2"]),
        ("?PatientBirthDate=19990101-20000101", ["1.4"]),
        ("?ScheduledStationNameCodeSequence.CodeValue=GPU2", ["1.1"]),
        ("?00404025.00080100=GPU1", ["1.1", "1.2", "1.3"]),
        ("?00404025.00080100=GPU1&00404025.00080102=99OTHER", ["1.3"]),
        ("?00404025.00080100=GPU2&00404025.00080102=99OTHER", []),
        ("?00404025.00080100=GPU*", ["1.1", "1.2", "1.3"]),
        ("?ScheduledWorkitemCodeSequence.CodeValue=121726", ["1.4"]),
        ("?ReferencedRequestSequence.AccessionNumber=ACC-7", ["1.2"]),
        ("?ReferencedRequestSequence.RequestedProcedureID=RP-7&PatientID=P2", ["1.2"]),
        ("?InputInformationSequence.StudyInstanceUID=1.2.840.1", ["1.1"]),
        ("?InputInformationSequence.ReferencedSOPSequence.ReferencedSOPInstanceUID=1.2.840.3", ["1.1"]),
        ("?InputInformationSequence.StudyInstanceUID=1.2.840.9", []),
        ("?PatientID=P1&limit=2", ["1.1", "1.3"]),
        ("?PatientID=P1&limit=2&offset=2", ["1.4"]),
        ("?InputInformationSequence.TypeOfInstances=DICOM&limit=1&offset=1", []),
        ("?limit=0", []),
    ],
)
def test_matching(filled, query, uids):
    assert found(filled, query) == uids


def test_what_an_answer_holds(filled):
    [plain] = filled.get("/workitems?SOPInstanceUID=1.1").json()
    assert "00404021" in plain and "00741000" in plain and "00400400" not in plain
    [asked] = filled.get("/workitems?SOPInstanceUID=1.1&includefield=00400400").json()
    assert asked["00400400"] == {"vr": "LT"}
    [everything] = filled.get("/workitems?SOPInstanceUID=1.1&includefield=all").json()
    assert set(STEPS["1.1"]) <= set(everything) and "00081195" not in everything


def test_keys_that_are_none_are_told(filled):
    answer = filled.get("/workitems?TransactionUID=1.2&PerformedProcedureStepDescription=x")
    assert len(answer.json()) == 4
    assert answer.headers["warning"].count("is not supported") == 2
    ignored = filled.get("/workitems?Nonsense=1")
    assert ignored.status_code == 200 and "Nonsense" in ignored.headers["warning"]
    for query in ("?PatientBirthDate=tomorrow", "?limit=-1", "?PatientID=a&PatientID=b"):
        assert filled.get("/workitems" + query).status_code == 400


def test_pages_and_their_warning(filled, office):
    told = "There are additional results that can be requested"
    assert told in filled.get("/workitems?limit=3").headers["warning"]
    assert "warning" not in filled.get("/workitems?limit=4").headers
    few = Desk(office, limits=WebLimits(max_results=2))
    assert found(few, "?limit=3") == ["1.1", "1.2"] and told in few.get("/workitems").headers["warning"]


XML = {"Accept": 'multipart/related; type="application/dicom+xml"'}


def test_xml(filled):
    answer = filled.get("/workitems?PatientID=P1", headers=XML)
    assert [b"NativeDicomModel" in body for _, body in parts_of(answer)] == [True, True, True]
    nothing = filled.get("/workitems?PatientID=P9", headers=XML)
    assert nothing.status_code == 200 and nothing.content == b""


def test_a_long_answer_is_streamed(desk, office):
    for number in range(520):
        office.workitems.create(office.peer, f"2.{number}", step())
    assert len(found(desk, "")) == 520
    assert len(found(desk, "?limit=510")) == 510
    assert office.rows("select count(*) from pg_stat_activity where state = 'idle in transaction'") == [(0,)]


def test_only_what_the_reader_may_see_is_found(desk, office):
    office.workitems.create(office.reader, "1.9", step())
    office.workitems.create(office.peer, "1.8", step())
    assert found(desk, "") == ["1.8"]
    assert orjson.loads(desk.get("/workitems/1.9").content)["status"] == 404
