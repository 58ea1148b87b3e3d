"""Reports from outside: what comes by MLLP is seen by DCMTK, by QIDO-RS and WADO-RS, and goes out again as ORU."""

import base64
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pydicom
import pytest

from hl7.listener import Limits, Listener
from hl7.ports import Caller
from tests.clients import require
from tests.end_to_end import dcmtk, peers
from tests.end_to_end.test_hl7 import SECOND_BYTES, Ris
from tests.hl7.peer import Peer, adt, code, field
from tests.hl7.results import mdm, oru, study_uid, text
from tests.hl7.test_message import gbk_characters
from tests.server import Server, free_port, listeners, remove_folder, scratch_folder
from tests.synthetic import small_object, study

BASIC_TEXT, PDF_CLASS = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.104.1"
PDF = b"%PDF-1.4\n" + bytes(range(256)) * 20 + b"\n%%EOF\n"
CHARACTER_SETS = ("UNICODE UTF-8", "GB 18030-2000", "GBK")
IMPRESSION = "19005-8^Impression^LN"


class Keeping(Ris):
    """A destination that keeps whole messages."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[bytes] = []

    def receive(self, raw: bytes, caller: Caller) -> list[bytes]:
        self.messages.append(raw)
        return super().receive(raw, caller)

    def about(self, patient: str, count: int) -> list[bytes]:
        """So many messages of a patient, once they have come."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self._of(patient)) >= count, timeout=20), self._of(patient)
        return self._of(patient)

    def _of(self, patient: str) -> list[bytes]:
        return [raw for raw in self.messages if patient.encode() in raw]


class Hospital:
    """A server that makes objects of reports and sends them to two destinations."""

    def __init__(self, folder: Path) -> None:
        self.ris_port, self.emr_port = free_port(), free_port()
        self.ris, self.emr = Keeping(), Keeping()
        self.server = Server(folder / "data", config=f"""
[storage]
quiet_s = 1.0
grace_s = 2.0
[[organisations]]
code = "east"
name = "\u4e1c\u533b\u9662"
[reports]
objects = ["sr", "pdf"]
[[hl7_destinations]]
name = "ris"
host = "127.0.0.1"
port = {self.ris_port}
reports = ["report.preliminary", "report.final", "report.amended", "report.cancelled"]
application = "RIS"
facility = "EAST"
character_set = "GB 18030-2000"
version = "2.4"
[[hl7_destinations]]
name = "emr"
host = "127.0.0.1"
port = {self.emr_port}
reports = ["report.critical"]
""")

    def ask(self, message: str | bytes) -> str:
        with Peer(self.server.mllp_port, timeout_s=60) as peer:
            return code(peer.ask(message))

    def instances(self, uid: str, sop_class: str = BASIC_TEXT) -> list[dict[str, dict[str, list[object]]]]:
        found = httpx.get(f"{self.server.base_url}/studies/{uid}/instances", params={"includefield": "all"})
        return [one for one in found.json() or [] if one["00080016"]["Value"] == [sop_class]]

    def objects(self, uid: str, count: int, sop_class: str = BASIC_TEXT) -> list[str]:
        """SOP Instance UIDs of the study's reports, by their instance numbers, once there are so many."""
        found = wait(lambda: self.instances(uid, sop_class), lambda got: len(got) == count)
        numbered = sorted(found, key=lambda one: int(str(one["00200013"]["Value"][0])))
        return [str(one["00080018"]["Value"][0]) for one in numbered]

    def retrieved(self, study: str, sop: str) -> pydicom.Dataset:
        return pydicom.Dataset.from_json(httpx.get(f"{self.path(study, sop)}/metadata").json()[0], lambda *_: b"")

    def rendered(self, study: str, sop: str, accept: str) -> bytes:
        answer = httpx.get(f"{self.path(study, sop)}/rendered", headers={"Accept": accept}, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.content

    def path(self, study: str, sop: str) -> str:
        """Where an instance is."""
        root = f"{self.server.base_url}/studies/{study}"
        (found,) = httpx.get(f"{root}/instances", params={"SOPInstanceUID": sop}).json()
        return f"{root}/series/{found['0020000E']['Value'][0]}/instances/{sop}"


def wait(ask: "Callable[[], list[dict[str, dict[str, list[object]]]]]", enough: Callable[[list[object]], bool]
         ) -> "list[dict[str, dict[str, list[object]]]]":  # fmt: skip
    deadline = time.monotonic() + 20
    while not enough(found := ask()):  # type: ignore[arg-type]
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def hospital() -> Iterator[Hospital]:
    folder = scratch_folder("pacsd-reports-")
    made = Hospital(folder)
    listeners = [Listener(one, host="127.0.0.1", port=port, limits=Limits())
                 for one, port in ((made.ris, made.ris_port), (made.emr, made.emr_port))]  # fmt: skip
    try:
        for one in listeners:
            threading.Thread(target=one.serve, daemon=True).start()
        made.server.start()
        yield made
    finally:
        made.server.stop()
        for one in listeners:
            one.close()
            one.drain(1.0)
        remove_folder(folder)


def stored(hospital: Hospital, seed: int, patient: str) -> str:
    one = study(seed, patient_id=patient, accession_number=f"A{seed}")
    assert peers.stow(hospital.server.base_url, [small_object(one)]).status_code == 200
    return one.study_instance_uid


def saved(hospital: Hospital, uid: str, folder: Path) -> list[Path]:
    """The study's reports as getscu writes them."""
    dcmtk.run("getscu", hospital.server.dicom_port, "-S", "-od", str(folder), "-k", "QueryRetrieveLevel=STUDY",
              "-k", f"StudyInstanceUID={uid}")  # fmt: skip
    files = [path for path in folder.iterdir() if pydicom.dcmread(path).SOPClassUID == BASIC_TEXT]
    return sorted(files, key=lambda path: int(pydicom.dcmread(path).InstanceNumber))


def test_a_report_is_read_in_its_study_by_everybody(hospital: Hospital, tmp_path: Path) -> None:
    require("findscu", "getscu", "dsrdump", "dsr2html")
    uid = stored(hospital, 701, "SR-1")
    assert hospital.ask(adt("A08", "n1", "SR-1", name="ZHANG^SAN^^^^^L~\u5f20^\u4e09^^^^^L^I")) == "AA"
    first = oru(
        "r1", study_uid(uid), text("\u53cc\u80ba\u6e05\u6670\u3002"), text("\u672a\u89c1\u79ef\u6db2\u3002"),
        text("\u6b63\u5e38\u3002", code=IMPRESSION), "NM|8867-4^Heart rate^LN||72|/min^^UCUM|60-80||||F",
        patient="SR-1", verifier="9&\u674e&\u56db^20260101113000", author="8&\u738b&\u4e94", accession="A701",
        filler="F701",
    )  # fmt: skip
    assert hospital.ask(first) == "AA"
    (sop,) = hospital.objects(uid, 1)
    (found,) = dcmtk.find(hospital.server.dicom_port, "QueryRetrieveLevel=SERIES", f"StudyInstanceUID={uid}",
                          "Modality=SR", "SeriesInstanceUID", "SeriesNumber")  # fmt: skip
    assert found.SeriesNumber == 9001
    (file,) = saved(hospital, uid, tmp_path)
    dumped = subprocess.run(["dsrdump", "+Pl", str(file)], capture_output=True, check=True)
    dump = dumped.stdout.decode("utf-8", "replace")
    assert "Warning" not in dump and "Basic Text SR" in dump
    for words in ("\u53cc\u80ba\u6e05\u6670", "\u6b63\u5e38", "Heart rate: 72 /min [60-80]", "COMPLETE", "VERIFIED",
                  "\u674e^\u56db", "Impressions"):  # fmt: skip
        assert words in dump, words
    html = subprocess.run(["dsr2html", str(file)], capture_output=True, check=True)
    assert "\u53cc\u80ba\u6e05\u6670" in html.stdout.decode() and b"E:" not in html.stderr
    shown = hospital.rendered(uid, sop, "text/html").decode()
    assert "\u672a\u89c1\u79ef\u6db2" in shown
    dataset = pydicom.dcmread(file)
    assert (dataset.PatientID, dataset.AccessionNumber) == ("SR-1", "A701")
    assert str(dataset.PatientName) == "ZHANG^SAN=\u5f20^\u4e09" and dataset.SpecificCharacterSet == "ISO_IR 192"
    amended = oru("r2", study_uid(uid), text("\u53f3\u80ba\u7ed3\u8282\u3002"), status="C", time="20260102080000",
                  patient="SR-1", accession="A701", filler="F701")  # fmt: skip
    assert hospital.ask(amended) == "AA"
    former, latter = hospital.objects(uid, 2)
    assert former == sop
    named = hospital.retrieved(uid, latter)
    (series,) = named.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == former
    assert series.SeriesInstanceUID == named.SeriesInstanceUID
    assert named.VerificationFlag == "UNVERIFIED" and "VerifyingObserverSequence" not in named
    assert hospital.ask(oru("r3", status="X", time="20260103080000", patient="SR-1", filler="F701")) == "AA"
    wait(lambda: hospital.instances(uid), lambda got: not got)


@pytest.mark.parametrize("second", SECOND_BYTES, ids=SECOND_BYTES.values())
@pytest.mark.parametrize("said", CHARACTER_SETS)
def test_chinese_reports_arrive_right_in_every_character_set(hospital: Hospital, said: str, second: int) -> None:
    words = gbk_characters(second)[:5] * 3
    seed = 800 + second * 3 + CHARACTER_SETS.index(said)
    uid = stored(hospital, seed, f"CN-{seed}")
    message = oru(f"c{seed}", text(words), patient=f"CN-{seed}", accession=f"A{seed}", filler=f"F{seed}", charset=said)
    assert hospital.ask(message.encode("utf-8" if said == "UNICODE UTF-8" else "gb18030")) == "AA"
    (sop,) = hospital.objects(uid, 1)
    assert words in hospital.rendered(uid, sop, "text/plain").decode()


def test_a_report_waits_for_its_study_and_its_pdf_is_given_out_as_it_came(hospital: Hospital) -> None:
    one = study(703, patient_id="PDF-1", accession_number="A703")
    line = f"ED|PDF^\u62a5\u544a||^application^pdf^Base64^{base64.b64encode(PDF).decode()}||||||F"
    message = mdm("T02", "m1", line, number="D703", patient="PDF-1", accession="A703", signer="9^LI^SI")
    assert hospital.ask(message) == "AA"
    assert peers.stow(hospital.server.base_url, [small_object(one)]).status_code == 200
    uid = one.study_instance_uid
    (sop,) = hospital.objects(uid, 1, PDF_CLASS)
    assert hospital.rendered(uid, sop, "application/pdf") == PDF
    dataset = hospital.retrieved(uid, sop)
    assert (dataset.Modality, dataset.MIMETypeOfEncapsulatedDocument) == ("DOC", "application/pdf")
    assert dataset.EncapsulatedDocumentLength == len(PDF) and dataset.DocumentTitle == "\u62a5\u544a"
    assert hospital.instances(uid) == [], "there is no text to make a structured report of"


def test_reports_go_out_in_order_as_each_destination_wants_them(hospital: Hospital) -> None:
    messages = [
        oru("o1", text("\u521d\u6b65"), status="P", patient="OUT-1", filler="F710", time="20260101100000"),
        oru("o2", text("\u6700\u7ec8|&", flags="AA").replace("|&|", "\\F\\\\T\\|"), patient="OUT-1", filler="F710",
            name="\u738b^\u4e94", time="20260101110000"),
        oru("o3", text("\u8fdf\u5230"), status="P", patient="OUT-1", filler="F710", time="20260101103000"),
        oru("o4", status="X", patient="OUT-1", filler="F710", time="20260101120000"),
    ]  # fmt: skip
    for message in messages:
        assert hospital.ask(message) == "AA"
    (critical,) = hospital.emr.about("OUT-1", 1)
    assert b"|AA|||F" in critical
    mine = [raw.decode("gb18030") for raw in hospital.ris.about("OUT-1", 3)]
    statuses = [next(line.split("|")[25] for line in one.split("\r") if line.startswith("OBR")) for one in mine]
    assert statuses == ["P", "F", "X"]
    assert "|RIS|EAST|" in mine[1] and "|2.4||||||GB 18030-2000" in mine[1]
    assert "OUT-1^^^east^MR" in mine[1] and "\u738b^\u4e94" in mine[1]
    assert "TX|59776-5^Procedure findings^LN|1|\u6700\u7ec8\\F\\\\T\\|||AA|||F" in mine[1]


@pytest.mark.timeout(180)
def test_who_is_killed_after_the_commit_knows_the_report_and_a_rebuild_brings_it_back() -> None:
    folder = scratch_folder()
    server = Server(folder / "data", config='[reports]\nobjects = ["sr", "pdf"]\n[storage]\nquiet_s = 1.0\n')
    try:
        server.start()
        one = study(705, patient_id="K1", accession_number="A705")
        assert peers.stow(server.base_url, [small_object(one)]).status_code == 200
        data = base64.b64encode(PDF).decode()
        message = oru("k1", text("y" * 100_000), f"ED|PDF||^application^pdf^Base64^{data}||||||F", patient="K1",
                      accession="A705", filler="F705")  # fmt: skip
        with Peer(server.mllp_port) as peer:
            peer.send(message)
            while "applied" not in server.command("hl7", "list").stdout:         # committed; its answer is not read
                time.sleep(0.05)
        server.kill()
        server.start()
        with Peer(server.mllp_port) as peer:
            assert code(peer.ask(message)) == "AA"
        listed = wait_for_objects(server, one.study_instance_uid, 2)
        assert server.stop() == 0
        assert server.command("check").returncode == 0
        shutil_database(server)
        assert server.command("rebuild", timeout_s=120).returncode == 0
        assert server.command("check").returncode == 0
        server.start()
        with Peer(server.mllp_port) as peer:
            assert code(peer.ask(message)) == "AA"
        assert wait_for_objects(server, one.study_instance_uid, 2) == listed
        assert "versions=1" in server.command("report", "list").stdout
        shown = server.command("report", "show", one.study_instance_uid).stdout
        assert "final" in shown and "y" * 1000 in shown
    finally:
        server.kill()
        remove_folder(folder)


def wait_for_objects(server: Server, uid: str, count: int) -> set[str]:
    deadline = time.monotonic() + 30
    while True:
        found = httpx.get(f"{server.base_url}/studies/{uid}/instances").json()
        made = {one["00080018"]["Value"][0] for one in found if one["00080016"]["Value"][0] in (BASIC_TEXT, PDF_CLASS)}
        if len(made) == count:
            return made
        assert time.monotonic() < deadline, made
        time.sleep(0.1)


def shutil_database(server: Server) -> None:
    """Lose the index."""
    remove_folder(server.data / "postgres")


@pytest.mark.timeout(120)
def test_a_pdf_of_fifty_megabytes_needs_no_five_hundred(hospital: Hospital) -> None:
    big = b"%PDF-1.4\n" + b"0123456789abcdef" * (50_000_000 // 16)
    uid = stored(hospital, 704, "BIG-1")
    line = f"ED|PDF^\u5927||^application^pdf^Base64^{base64.b64encode(big).decode()}||||||F"
    listening = listeners(hospital.server.pid, hospital.server.mllp_port)
    peaks = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peaks[0] = max(peaks[0], *(one.memory_full_info().uss for one in listening))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        message = oru("big", line, patient="BIG-1", accession="A704", filler="F704")
        with Peer(hospital.server.mllp_port, timeout_s=60) as peer:
            answer = peer.ask(message)
            assert (code(answer), field(answer, b"ERR", 8)) == ("AA", "")
    finally:
        done.set()
        watching.join()
    assert peaks[0] < 500_000_000, f"{peaks[0] >> 20} MiB"
    (sop,) = hospital.objects(uid, 1, PDF_CLASS)
    assert hospital.rendered(uid, sop, "application/pdf") == big
    print(f"peak of the HL7 process {peaks[0] >> 20} MiB")
