"""The modality worklist from outside: orders over MLLP, asked for by DCMTK's findscu -W and by pynetdicom."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.sop_class import ModalityWorklistInformationFind

from tests.clients import require
from tests.end_to_end import dcmtk
from tests.hl7.orders import orm
from tests.hl7.peer import Peer, adt, code
from tests.hl7.test_message import gbk_characters
from tests.server import Server, remove_folder, scratch_folder

CONFIGURATION = """
[[organisations]]
code = "east"
[[organisations]]
code = "west"
[[own_aes]]
title = "EAST"
organisation = "east"
[[own_aes]]
title = "WEST"
organisation = "west"
[[remote_aes]]
title = "GBKCT"
host = "127.0.0.1"
port = 1
organisation = "east"
character_set = "GB18030"
[[remote_aes]]
title = "ARCHIVE"
host = "127.0.0.1"
port = 1
organisation = "east"
services = ["echo", "store", "find"]
[[hl7_senders]]
name = "his"
application = "HIS"
facility = "EAST"
organisation = "east"
mapping = "his.toml"
[[hl7_senders]]
name = "west"
application = "HIS"
facility = "WEST"
organisation = "west"
"""
MAPPING = """
[[stations]]
modality = "CT"
ae_titles = ["CT1", "CT2"]
"""
SECOND_BYTES = {0x7C: "bar", 0x5E: "caret", 0x7E: "tilde", 0x5C: "backslash"}
STEP = "ScheduledProcedureStepSequence[0]."
RETURNED = ("PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID", "RequestedProcedureID",
            *(STEP + name for name in ("Modality", "ScheduledStationAETitle", "ScheduledProcedureStepStartDate",
                                       "ScheduledProcedureStepStartTime", "ScheduledProcedureStepID")))  # fmt: skip


@pytest.fixture(scope="module")
def hospital() -> Iterator[Server]:
    require("findscu")
    folder = scratch_folder("pacsd-mwl-")
    (folder / "his.toml").write_text(MAPPING)
    server = Server(folder / "data", config=CONFIGURATION.replace('"his.toml"', f'"{folder / "his.toml"}"'))
    try:
        yield server.start()
    finally:
        server.stop()
        remove_folder(folder)


def say(server: Server, message: str, encoding: str = "utf-8") -> None:
    with Peer(server.mllp_port) as peer:
        answer = peer.ask(message.encode(encoding))
    assert code(answer) == "AA", answer


def find(server: Server, *keys: str, called: str = "EAST", **titles: str) -> list[Dataset]:
    given = {key.partition("=")[0] for key in keys}
    asked = (*keys, *(name for name in RETURNED if name not in given))
    return dcmtk.find(server.dicom_port, *asked, model="-W", called=called, **titles)


@pytest.mark.parametrize("second", SECOND_BYTES, ids=SECOND_BYTES.values())
@pytest.mark.parametrize("said", ["UNICODE UTF-8", "GB 18030-2000", "GBK"])
def test_chinese_names_arrive_right_whatever_their_bytes(hospital: Server, said: str, second: int) -> None:
    family, given = gbk_characters(second)[:2], gbk_characters(second)[2:5]
    number = f"CN{second}{len(said)}"
    order = orm("NW", placer=number, patient=number, name=f"{family}^{given}", charset=said, accession=number)
    say(hospital, order, "utf-8" if said == "UNICODE UTF-8" else "gb18030")
    (item,) = find(hospital, f"AccessionNumber={number}")
    assert item.SpecificCharacterSet == "ISO_IR 192" and str(item.PatientName) == f"{family}^{given}"
    (same,) = find(hospital, f"AccessionNumber={number}", calling="GBKCT")
    assert same.SpecificCharacterSet == "GB18030"
    assert same.get_item("PatientName").value.strip() == f"{family}^{given}".encode("gb18030")


def test_a_day_of_orders_is_found_by_station_and_time_and_changes_with_orders_and_patients(hospital: Server) -> None:
    say(hospital, orm("NW", placer="D1", patient="DAY1", start="203001050800"))
    say(hospital, orm("NW", placer="D2", patient="DAY2", start="203001052300", name="LI^SI"))
    say(hospital, orm("NW", placer="D3", patient="DAY2", start="203001061000", modality="MR", name="LI^SI"))
    day = f"{STEP}ScheduledProcedureStepStartDate"
    clock = f"{STEP}ScheduledProcedureStepStartTime"
    station = f"{STEP}ScheduledStationAETitle=CT2"
    assert [one.AccessionNumber for one in find(hospital, f"{day}=20300105", station)] == ["D1", "D2"]
    spanning = find(hospital, f"{day}=20300105-20300106", f"{clock}=220000-110000")
    assert [one.AccessionNumber for one in spanning] == ["D2", "D3"]
    (item,) = find(hospital, f"{day}=20300105", "PatientName=li*")
    step = item.ScheduledProcedureStepSequence[0]
    assert (step.Modality, step.ScheduledProcedureStepStartTime) == ("CT", "230000")
    assert list(step.ScheduledStationAETitle) == ["CT1", "CT2"] and step.ScheduledProcedureStepID == "D2-1"
    assert item.StudyInstanceUID.startswith("2.25.") and item.RequestedProcedureID == "D2"
    say(hospital, orm("XO", placer="D2", patient="DAY2", start="203001052330", name="LI^SI", at="20260101130000"))
    (item,) = find(hospital, f"{day}=20300105", "PatientID=DAY2")
    assert item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime == "233000"
    say(hospital, adt("A08", "d-a08", "DAY2", name="RENAMED^THEN"))
    assert {str(one.PatientName) for one in find(hospital, "PatientID=DAY2")} == {"RENAMED^THEN"}
    say(hospital, adt("A40", "d-a40", "DAY9", name="SURVIVOR", more="MRG|DAY2"))
    assert find(hospital, "PatientID=DAY2") == []
    assert {str(one.PatientName) for one in find(hospital, "PatientID=DAY9")} == {"SURVIVOR"}
    say(hospital, orm("CA", placer="D1", patient="DAY1", at="20260101130000"))
    assert [one.AccessionNumber for one in find(hospital, f"{day}=20300105")] == ["D2"]


def test_each_modality_sees_its_own_organisations_worklist(hospital: Server) -> None:
    say(hospital, orm("NW", placer="ISO1", patient="ISO1"))
    say(hospital, orm("NW", placer="ISO1", patient="ISO1", control_id="W1", name="WEST^ER").replace("|EAST|", "|WEST|"))
    (east,) = find(hospital, "AccessionNumber=ISO1")
    (west,) = find(hospital, "AccessionNumber=ISO1", called="WEST")
    assert (str(east.PatientName), str(west.PatientName)) == ("ZHANG^SAN", "WEST^ER")


def asked(server: Server, keys: Dataset, *, extended: bytes = b"", calling: str = "CT1") -> list[tuple[int, Any]]:
    """Status and identifier of every response that pynetdicom gets."""
    scu = AE(calling)
    scu.add_requested_context(ModalityWorklistInformationFind)
    negotiation = []
    if extended:
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid = ModalityWorklistInformationFind
        item.service_class_application_information = extended
        negotiation.append(item)
    association = scu.associate("127.0.0.1", server.dicom_port, ae_title="EAST", ext_neg=negotiation)
    assert association.is_established
    try:
        return [(status.Status, found) for status, found in
                association.send_c_find(keys, ModalityWorklistInformationFind)]  # fmt: skip
    finally:
        association.release()


def keys(**step: str) -> Dataset:
    inner = Dataset()
    for keyword, value in {"ScheduledStationAETitle": "", "Modality": "", **step}.items():
        setattr(inner, keyword, value)
    request = Dataset()
    request.PatientName = ""
    request.ScheduledProcedureStepSequence = [inner]
    return request


def test_a_key_that_worklist_items_do_not_have_is_answered_with_a_warning(hospital: Server) -> None:
    say(hospital, orm("NW", placer="FF01", patient="FF01", accession="FF01"))
    request = keys()
    request.AccessionNumber = "FF01"
    assert [status for status, _ in asked(hospital, request)] == [0xFF00, 0x0000]
    request.ScheduledProcedureStepSequence[0].SoftwareVersions = ""
    assert [status for status, _ in asked(hospital, request)] == [0xFF01, 0x0000]
    whole = Dataset()
    whole.AccessionNumber = "FF01"
    whole.ScheduledProcedureStepSequence = []
    ((_, item), _) = asked(hospital, whole)
    assert item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus == "SCHEDULED"


def test_names_match_fuzzily_where_that_is_agreed(hospital: Server) -> None:
    say(hospital, orm("NW", placer="FUZ", patient="FUZ", name="OUYANG^XIAOMING"))
    request = keys()
    request.PatientName = "xiao ouy"
    assert [status for status, _ in asked(hospital, request)] == [0x0000]
    assert [status for status, _ in asked(hospital, request, extended=b"\x01\x01\x01")] == [0xFF00, 0x0000]


def test_what_is_no_date_is_refused_and_an_ae_without_the_service_gets_no_context(hospital: Server) -> None:
    ((status, _),) = asked(hospital, keys(ScheduledProcedureStepStartDate="20301332"))
    assert status == 0xC000
    scu = AE("ARCHIVE")
    scu.add_requested_context(ModalityWorklistInformationFind)
    association = scu.associate("127.0.0.1", hospital.dicom_port, ae_title="EAST")
    assert not association.accepted_contexts
    association.abort()


def test_a_worklist_of_more_than_a_page_is_answered_whole(hospital: Server) -> None:
    count = 1100
    for begin in range(0, count, 100):
        say(hospital, "".join(
            orm("NW", placer=f"L{n}", accession=f"L{n}", modality="US", patient="LONG", only_order=n != begin)
            for n in range(begin, min(begin + 100, count))
        ))  # fmt: skip
    request = keys(Modality="US")
    request.AccessionNumber = ""
    *found, (last, _) = asked(hospital, request)
    assert last == 0x0000 and {status for status, _ in found} == {0xFF00}
    assert sorted(item.AccessionNumber for _, item in found) == sorted(f"L{n}" for n in range(count))


def test_orders_are_there_after_a_kill_and_in_an_index_made_anew() -> None:
    folder = scratch_folder("pacsd-mwl-kill-")
    server = Server(folder / "data")
    try:
        server.start()
        say(server, orm("NW", placer="K1", patient="K1"))
        say(server, adt("A08", "k", "K1", name="KEPT^NAME"))
        say(server, orm("NW", placer="K2", patient="K1", name="KEPT^NAME"))
        say(server, orm("CA", placer="K2", patient="K1", at="20260101130000"))
        server.kill()
        server.start()
        (item,) = find(server, "PatientID=K1", called="PACSD")
        assert (item.AccessionNumber, str(item.PatientName)) == ("K1", "KEPT^NAME")
        uid = item.StudyInstanceUID
        server.stop()
        shutil.rmtree(server.data / "postgres")
        assert server.command("rebuild").returncode == 0
        server.start()
        (item,) = find(server, "PatientID=K1", called="PACSD")
        assert (item.AccessionNumber, str(item.PatientName), item.StudyInstanceUID) == ("K1", "KEPT^NAME", uid)
    finally:
        server.stop()
        remove_folder(folder)
