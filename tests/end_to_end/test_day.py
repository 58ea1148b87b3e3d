"""One day of a department, driven by foreign programs alone: DCMTK, pynetdicom, and HL7 over bare sockets.

Registration, order, worklist, exam, images, commitment, notification, report, merge, renaming, a postprocessing step
and a rejection; what each of them does is looked for on every other interface.
"""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset

from tests.clients import require
from tests.dimse.department import MPPS, PUSH, WELL_KNOWN, Heard, asked, listening, modality, references
from tests.dimse.steps import Client
from tests.dimse.test_performed_step import create, set_
from tests.end_to_end import dcmtk
from tests.end_to_end.test_exams import until
from tests.hl7.orders import omi
from tests.hl7.peer import Peer, code, field
from tests.server import Server, free_port, remove_folder, scratch_folder
from tests.synthetic import Study, rejection_note, small_object, study
from tests.workflow.performed import ended, series
from tests.workflow.steps import attribute, performed, step

ORDERED, PLANNED = "ORD1", "ORD2"
WORLD = study(191, modality="MR")
REPORT = "FINDINGS: 未见异常"
NAME = "ZHANG^SAN^^^^^L^A~张^三^^^^^L^I"


class Ris:
    """Receives HL7 messages on a socket, acknowledges and keeps them."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def of(self, kind: str) -> list[str]:
        """Messages whose MSH-9 begins so."""
        return [one for one in self.messages if one.split("|")[8].startswith(kind)]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._take, args=(connection,), daemon=True).start()

    def _take(self, connection: socket.socket) -> None:
        read = b""
        with connection:
            while data := connection.recv(65536):
                read += data
                while b"\x1c\r" in read:
                    block, read = read.split(b"\x1c\r", 1)
                    message = block.lstrip(b"\x0b").decode()
                    self.messages.append(message)
                    control_id = message.split("|")[9]
                    connection.sendall(
                        f"\x0bMSH|^~\\&|RIS|EAST|PACSD|EAST|20260101||ACK|A{control_id}|P|2.5.1\r"
                        f"MSA|AA|{control_id}\r\x1c\r".encode()
                    )


class Department:
    """The server, and the foreign programs around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ris, self.told, self.modality = Ris(), Heard(), Heard()
        self.ports = {"MR1": free_port(), "RISAE": free_port()}
        self.server = Server(folder / "data", config=f"""
[reports]
objects = ["sr"]
[storage]
quiet_s = 2.0
[[remote_aes]]
title = "MR1"
host = "127.0.0.1"
port = {self.ports["MR1"]}
organisation = "default"
commitment_on_same_association = false
[[remote_aes]]
title = "RISAE"
host = "127.0.0.1"
port = {self.ports["RISAE"]}
organisation = "default"
availability = true
[[hl7_destinations]]
name = "ris"
host = "127.0.0.1"
port = {self.ris.port}
order_status = "OMI^O23"
reports = ["report.final"]
""")

    @property
    def port(self) -> int:
        return self.server.dicom_port

    def say(self, message: str) -> bytes:
        """A message that is taken; the answer."""
        with Peer(self.server.mllp_port) as peer:
            answer = peer.ask(message)
        assert code(answer) == "AA", answer
        return answer

    def worklist(self, *keys: str) -> list[Dataset]:
        wanted = ("PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID", "RequestedProcedureID",
                  "ScheduledProcedureStepSequence[0].ScheduledProcedureStepID",
                  "ScheduledProcedureStepSequence[0].ScheduledStationAETitle=MR1")  # fmt: skip
        given = {key.partition("=")[0] for key in keys}
        return dcmtk.find(self.port, *keys, *(one for one in wanted if one not in given), model="-W", calling="MR1")

    def found(self, uid: str) -> list[Dataset]:
        """The study by C-FIND."""
        return dcmtk.find(
            self.port, "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={uid}", "PatientName", "PatientID",
            "AccessionNumber", "NumberOfStudyRelatedInstances", "SpecificCharacterSet=ISO_IR 192",
        )  # fmt: skip

    def qido(self, path: str, **keys: str) -> list[Dataset]:
        answer = httpx.get(f"{self.server.base_url}/{path}", params=keys, headers={"Accept": "application/dicom+json"})
        return [Dataset.from_json(one) for one in answer.json()] if answer.status_code == 200 and answer.content else []

    def metadata(self, uid: str) -> list[Dataset]:
        return self.qido(f"studies/{uid}/metadata")

    def got(self, uid: str) -> list[Dataset]:
        """The study's objects by getscu."""
        into = self.folder / f"got{len(list(self.folder.iterdir()))}"
        into.mkdir()
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid}")
        dcmtk.run("getscu", self.port, "-S", "-od", str(into), *keys)
        return [pydicom.dcmread(file) for file in into.iterdir()]

    def names(self, uid: str) -> set[tuple[str, str, str]]:
        """Patient's name and id of the study, as each interface says them."""
        seen = [("C-FIND", one) for one in self.found(uid)]
        seen += [("QIDO-RS", one) for one in self.qido("studies", StudyInstanceUID=uid)]
        seen += [("metadata", one) for one in self.metadata(uid)]
        seen += [("C-GET", one) for one in self.got(uid)]
        return {(where, str(one.PatientName), one.PatientID) for where, one in seen}

    def commit(self, transaction: str, wanted: list[tuple[str, str]]) -> Dataset:
        """What the modality hears of its images, on an association of the server's."""
        with modality(self.port, PUSH, calling="MR1") as scu:
            assert scu.send_n_action(asked(transaction, wanted), 1, PUSH, WELL_KNOWN)[0].Status == 0
        until(lambda: any(one.TransactionUID == transaction for _, one in self.modality.events))
        return next(one for _, one in self.modality.events if one.TransactionUID == transaction)


@pytest.fixture
def department() -> Iterator[Department]:
    require("findscu", "storescu", "getscu")
    folder = scratch_folder("pacsd-day-")
    made = Department(folder)
    try:
        made.server.start()
        with listening(made.modality, made.ports["MR1"], title="MR1"):
            with listening(made.told, made.ports["RISAE"], title="RISAE"):
                yield made
    finally:
        made.ris.close()
        made.server.stop()
        remove_folder(folder)


def adt(event: str, control_id: str, patient: str, name: str, *more: str) -> str:
    lines = (
        f"MSH|^~\\&|HIS|EAST|PACSD|EAST|20260102080000||ADT^{event}|{control_id}|P|2.5.1||||||UNICODE UTF-8",
        f"EVN|{event}|20260102080000", f"PID|1||{patient}||{name}||19800102|F", *more,
    )  # fmt: skip
    return "".join(f"{line}\r" for line in lines)


def of_study(world: Study, uid: str, accession: str, number: int) -> bytes:
    """A modality's image of the study that the worklist named."""
    made = pydicom.dcmread(pydicom.filebase.DicomBytesIO(small_object(world, instance=number)))
    made.StudyInstanceUID, made.AccessionNumber = uid, accession
    made.PatientID, made.PatientName = "42", "ZHANG^SAN"
    into = pydicom.filebase.DicomBytesIO()
    made.save_as(into)
    return into.parent.getvalue()                        # type: ignore[no-any-return]


def test_one_day(department: Department) -> None:
    d = department

    # A04: the patient is known to whoever asks for demographics
    d.say(adt("A04", "D01", "42", NAME))
    query = ("MSH|^~\\&|EMR|EAST|PACSD|EAST|20260102||QBP^Q22^QBP_Q21|D02|P|2.5.1||||||UNICODE UTF-8\r"
             "QPD|IHE PDQ Query|Q1|@PID.5.1.1^ZHANG~@PID.5.2^SAN\rRCP|I\r")  # fmt: skip
    answer = d.say(query)
    assert field(answer, b"QAK", 2) == "OK" and "张^三" in field(answer, b"PID", 5)
    assert d.qido("studies") == []

    # OMI: two exams are on the modality's worklist
    for placer in (ORDERED, PLANNED):
        order = omi("NW", placer=placer, steps=(f"S-{placer}",)).replace("A-IPC", placer)
        order = order.replace("1.2.840.4711", f"1.2.840.4711.{placer[-1]}").replace("|ZHANG^SAN|", f"|{NAME}|")
        d.say(order.replace("|P|2.5.1", "|P|2.5.1||||||UNICODE UTF-8"))
    items = {one.AccessionNumber: one for one in d.worklist()}
    assert set(items) == {ORDERED, PLANNED}
    item = items[ORDERED]
    uid = item.StudyInstanceUID
    assert uid == "1.2.840.4711.1" and str(item.PatientName).startswith("ZHANG^SAN=张^三")

    # MPPS: in progress; the RIS hears of it, the step is no longer waiting
    scheduled = {
        "0020000D": attribute("UI", uid), "00081110": attribute("SQ"), "00080050": attribute("SH", ORDERED),
        "00401001": attribute("SH", item.RequestedProcedureID), "00321060": attribute("LO"),
        "00400009": attribute("SH", item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID),
        "00400007": attribute("LO"), "00400008": attribute("SQ"),
    }  # fmt: skip
    performed_step = "1.2.826.0.1.3680043.8.498.9001"
    with modality(d.port, MPPS, calling="MR1") as scu:
        assert create(scu, performed_step, t00400270=attribute("SQ", scheduled), t00100020=attribute("LO", "42"),
                      t00080060=attribute("CS", "MR")).Status == 0  # fmt: skip
    until(lambda: d.ris.of("OMI"))
    assert "|IP|" in d.ris.of("OMI")[0].replace("\r", "|") and ORDERED in d.ris.of("OMI")[0]

    # images
    sent = d.folder / "sent"
    sent.mkdir()
    for number in (1, 2, 3):
        (sent / f"{number}.dcm").write_bytes(of_study(WORLD, uid, ORDERED, number))
    dcmtk.run("storescu", d.port, "+sd", files=[sent], calling="MR1")
    (found,) = d.found(uid)
    assert (found.NumberOfStudyRelatedInstances, found.AccessionNumber) == (3, ORDERED)
    assert len(d.metadata(uid)) == 3
    images = [pydicom.dcmread(file, stop_before_pixels=True) for file in sorted(sent.iterdir())]
    named = [(one.SOPClassUID, one.SOPInstanceUID) for one in images]

    # MPPS: completed; off the worklist, the RIS hears it twice: by HL7 and by IAN
    made = series(images[0].SeriesInstanceUID, [sop for _, sop in named], sop_class=named[0][0])
    with modality(d.port, MPPS, calling="MR1") as scu:
        assert set_(scu, performed_step, ended(made)).Status == 0
    assert [one.AccessionNumber for one in d.worklist()] == [PLANNED]
    until(lambda: len(d.ris.of("OMI")) == 2)
    assert "|CM|" in d.ris.of("OMI")[1].replace("\r", "|")
    until(lambda: d.told.created)
    available = d.told.created[0][1]
    assert available.StudyInstanceUID == uid
    assert available.ReferencedPerformedProcedureStepSequence[0].ReferencedSOPInstanceUID == performed_step
    assert sorted(references(available.ReferencedSeriesSequence[0].ReferencedSOPSequence)) == sorted(named)

    # commitment
    result = d.commit("1.2.826.0.1.3680043.8.498.9002", [*named, (named[0][0], "1.2.3.4.5")])
    assert sorted(references(result.ReferencedSOPSequence)) == sorted(named)
    assert [one.FailureReason for one in result.FailedSOPSequence] == [0x0112]

    # postprocessing: a step is made, claimed and ended
    workitem = "1.2.826.0.1.3680043.8.498.9003"
    with Client(d.port) as client:
        assert client.create(workitem, step()).Status == 0
        assert client.claim(workitem).Status == 0
        assert client.set(workitem, performed(), "1.2.3").Status == 0
        assert client.change(workitem, "COMPLETED").Status == 0
    (ups,) = d.qido("workitems", ProcedureStepState="COMPLETED")
    assert ups.ProcedureStepState == "COMPLETED"

    # ORU: final; the report is a document of the study, and goes on to the RIS
    d.say("MSH|^~\\&|REP|EAST|PACSD|EAST|20260102100000||ORU^R01^ORU_R01|D10|P|2.5.1||||||UNICODE UTF-8\r"
          f"PID|1||42||{NAME}||19800102|F\rPV1|1|O\r"
          f"OBR|1|{ORDERED}|F-{ORDERED}|MR01^MR of the head^L||||||||||||||{ORDERED}||||20260102100000|||F\r"
          f"OBX|1|TX|18782-3^Findings^LN||{REPORT}||||||F\r")  # fmt: skip
    until(lambda: d.ris.of("ORU"))
    assert REPORT in d.ris.of("ORU")[0]
    until(lambda: d.qido(f"studies/{uid}/series", Modality="SR"))
    (document,) = [one for one in d.metadata(uid) if one.Modality == "SR"]
    shown = httpx.get(f"{d.server.base_url}/studies/{uid}/series/{document.SeriesInstanceUID}/instances/"
                      f"{document.SOPInstanceUID}/rendered", headers={"Accept": "text/html"})  # fmt: skip
    assert "未见异常" in shown.text
    assert d.server.command("report", "show", uid).stdout.count("未见异常") == 1

    # A40: everything is the surviving patient's
    d.say(adt("A40", "D11", "77", NAME, "MRG|42"))
    assert {who for _, _, who in d.names(uid)} == {"77"}
    assert [one.PatientID for one in d.worklist()] == ["77"]

    # A08: and has a new name, in what is given out too; the first one is told there
    d.say(adt("A08", "D12", "77", "LI^SI^^^^^L^A~李^四^^^^^L^I"))
    assert {(name, who) for _, name, who in d.names(uid)} == {("LI^SI=李^四", "77")}
    assert {where for where, *_ in d.names(uid)} == {"C-FIND", "QIDO-RS", "metadata", "C-GET"}
    (planned,) = d.worklist()
    assert str(planned.PatientName) == "LI^SI=李^四"
    given = next(one for one in d.got(uid) if one.Modality == "MR")
    before = given.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (str(before.PatientName), before.PatientID) == ("ZHANG^SAN", "42")

    # a rejection note: the images are gone for everybody, the report stays
    note = rejection_note(
        WORLD, [(uid, images[0].SeriesInstanceUID, sop) for _, sop in named], code="113038", instance=9
    )
    (d.folder / "note.dcm").write_bytes(note)
    dcmtk.run("storescu", d.port, files=[d.folder / "note.dcm"], calling="MR1")
    (found,) = d.found(uid)
    assert found.NumberOfStudyRelatedInstances == 1
    assert [one.Modality for one in d.metadata(uid)] == ["SR"]
    assert [one.Modality for one in d.got(uid)] == ["SR"]
    result = d.commit("1.2.826.0.1.3680043.8.498.9004", named)
    assert "ReferencedSOPSequence" not in result or not result.ReferencedSOPSequence
    assert len(result.FailedSOPSequence) == 3
