"""HL7 v2 from outside: an MLLP peer built on nothing of ours, and what its messages do to every other interface."""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hl7.listener import Limits, Listener
from hl7.ports import Caller
from pacsd.archive.journal import Fact, FactKind, Journal
from pacsd.blobs import LocalBlobs
from tests.clients import require
from tests.end_to_end import dcmtk, peers
from tests.hl7.expected_answers import EXPECTED
from tests.hl7.files import hl7_files
from tests.hl7.peer import Peer, adt, code, field
from tests.hl7.test_message import gbk_characters
from tests.server import Server, free_port, listeners, remove_folder, scratch_folder
from tests.synthetic import small_object, study

SECOND_BYTES = {0x7C: "bar", 0x5E: "caret", 0x7E: "tilde", 0x5C: "backslash"}


class Hospital:
    """A server, and where its destination `ris` is to listen."""

    def __init__(self, folder: Path) -> None:
        self.ris_port = free_port()
        self.server = Server(folder / "data", config=f"""
[storage]
quiet_s = 1.0
[hl7]
max_message_bytes = 8_388_608
[[hl7_destinations]]
name = "ris"
host = "127.0.0.1"
port = {self.ris_port}
relays = ["ADT^A05"]
""")

    def peer(self) -> Peer:
        return Peer(self.server.mllp_port)

    def ask(self, message: str | bytes) -> bytes:
        with self.peer() as peer:
            return peer.ask(message)

    def named(self, uid: str) -> tuple[str, str]:
        """Patient id and name of a study, by QIDO-RS."""
        found = httpx.get(f"{self.server.base_url}/studies", params={"StudyInstanceUID": uid}).json()
        assert len(found) == 1
        name = found[0]["00100010"].get("Value", [{}])[0]
        return found[0]["00100020"]["Value"][0], name.get("Alphabetic", "")


@pytest.fixture(scope="module")
def hospital() -> Iterator[Hospital]:
    folder = scratch_folder("pacsd-hl7-")
    made = Hospital(folder)
    try:
        made.server.start()
        yield made
    finally:
        made.server.stop()
        remove_folder(folder)


def test_every_file_gets_the_acknowledgement_that_the_tables_say(hospital: Hospital, data_folder: Path) -> None:
    files = hl7_files(data_folder)
    assert set(files) == set(EXPECTED)
    for name, raw in files.items():
        expected = EXPECTED[name]
        with hospital.peer() as peer:
            peer.send(raw)
            answers = [peer.answer() for _ in expected.codes]
            peer.send(adt("A08", f"after {name}"[:20], "SENTINEL"))      # nothing else came before this one's answer
            assert code(peer.answer()) == "AA", name
        assert tuple(map(code, answers)) == expected.codes, name
        for answer in answers:
            assert error_in(answer) == (expected.condition, expected.location), name


def error_in(answer: bytes) -> tuple[str, str]:
    """Condition and place: ERR-3 and ERR-2, or before v2.5 both in ERR-1, which ends with the field."""
    if field(answer, b"ERR", 2):
        return field(answer, b"ERR", 3).split("^")[0], field(answer, b"ERR", 2)
    old = re.fullmatch(r"(\w+)\^(\d+)\^(\d*)\^(\d+)&.*", field(answer, b"ERR", 1))
    if old is None:
        return "0", ""
    place = f"{old[1]}^{old[2]}^{old[3]}"
    fitting = (one for one in EXPECTED.values() if one.location.startswith(place) and one.condition == old[4])
    return old[4], next(fitting).location


def test_a_patients_day_reaches_searches_metadata_and_objects(hospital: Hospital) -> None:
    require("findscu")
    server, one, two = hospital.server, study(501, patient_id="DAY-1"), study(502, patient_id="DAY-2")
    registered = adt("A04", "d1", "DAY-1", name="REGISTERED^FIRST", birth_date="19700101", sex="F")
    assert code(hospital.ask(registered)) == "AA"
    assert peers.stow(server.base_url, [small_object(one), small_object(two)]).status_code == 200
    assert hospital.named(one.study_instance_uid) == ("DAY-1", "REGISTERED^FIRST")
    assert code(hospital.ask(adt("A08", "d2", "DAY-1", name="RENAMED^THEN"))) == "AA"
    (found,) = dcmtk.find(server.dicom_port, "QueryRetrieveLevel=STUDY", "PatientName=RENAMED*", "PatientID",
                          "StudyInstanceUID", "PatientBirthDate", "PatientSex")  # fmt: skip
    assert (found.PatientID, str(found.PatientName)) == ("DAY-1", "RENAMED^THEN")
    assert (found.PatientBirthDate, found.PatientSex) == ("19700101", "F")
    metadata = httpx.get(f"{server.base_url}/studies/{one.study_instance_uid}/metadata").json()[0]
    assert metadata["00100010"]["Value"] == [{"Alphabetic": "RENAMED^THEN"}]
    assert metadata["00100030"]["Value"] == ["19700101"]
    assert code(hospital.ask(adt("A40", "d3", "DAY-2", name="SURVIVOR", more="MRG|DAY-1"))) == "AA"
    assert hospital.named(one.study_instance_uid) == hospital.named(two.study_instance_uid) == ("DAY-2", "SURVIVOR")
    (patient,) = dcmtk.find(server.dicom_port, "QueryRetrieveLevel=PATIENT", "PatientID=DAY-2", "PatientName",
                            "NumberOfPatientRelatedStudies", model="-P")  # fmt: skip
    assert patient.NumberOfPatientRelatedStudies == 2
    (kept,) = peers.retrieved(server.base_url, one.study_instance_uid).values()
    assert b"DAY-2" in kept and b"SURVIVOR" in kept
    assert code(hospital.ask(adt("A31", "d4", "DAY-1", name="NO^MORE"))) == "AE"
    assert code(hospital.ask(adt("A31", "d5", "DAY-2", name='""'))) == "AA"
    assert hospital.named(one.study_instance_uid) == ("DAY-2", "")


@pytest.mark.parametrize("second", SECOND_BYTES, ids=SECOND_BYTES.values())
@pytest.mark.parametrize("said", ["UNICODE UTF-8", "GB 18030-2000", "GBK"])
def test_chinese_names_arrive_right_in_every_character_set(hospital: Hospital, said: str, second: int) -> None:
    family, given = gbk_characters(second)[:2], gbk_characters(second)[2:5]
    one = study(600 + second, number=len(said), patient_id=f"CN-{second}-{len(said)}")
    assert peers.stow(hospital.server.base_url, [small_object(one)]).status_code == 200
    message = adt("A08", f"{second}{said}"[:20], one.patient_id, name=f"{family}^{given}", sex="M", charset=said)
    encoded = message.encode("utf-8" if said == "UNICODE UTF-8" else "gb18030")
    answer = hospital.ask(encoded)
    assert code(answer) == "AA" and field(answer, b"MSH", 17) in (said, "GB 18030-2000")
    assert hospital.named(one.study_instance_uid) == (one.patient_id, f"{family}^{given}")
    found = httpx.get(f"{hospital.server.base_url}/studies", params={"PatientName": f"*{given[1]}*"}).json()
    assert one.study_instance_uid in [item["0020000D"]["Value"][0] for item in found]


@pytest.mark.timeout(120)
def test_who_is_killed_between_commit_and_answer_knows_the_repeat() -> None:
    folder = scratch_folder()
    server = Server(folder / "data")
    try:
        server.start()
        message = adt("A40", "k1", "NEW", name="ONCE", more="MRG|OLD")
        with Peer(server.mllp_port) as peer:
            first = peer.ask(message)
        reused = adt("A08", "k1", "NEW", name="TWICE")
        with Peer(server.mllp_port) as peer:
            peer.send(reused)
            while "TWICE" not in server.command("hl7", "show", "2").stdout:       # committed; its answer is not read
                time.sleep(0.05)
        server.kill()
        server.start()
        with Peer(server.mllp_port) as peer:
            assert peer.ask(message) == first, "the very answer of the first time"
            assert code(peer.ask(reused)) == "AA"
        listed = server.command("hl7", "list").stdout.splitlines()
        assert [line.split("\t")[6] for line in listed] == ["repeats=1", "repeats=1 reused"]
        assert len(said(server)) == 4            # whose record it is, two names, one merge
    finally:
        server.kill()
        remove_folder(folder)


def said(server: Server) -> list[Fact]:
    """What the journal says."""
    return list(Journal(LocalBlobs(server.data / "blobs", reserve_bytes=0)).replay())


@pytest.mark.timeout(180)
def test_all_that_was_acknowledged_in_a_feed_is_there_when_every_process_was_killed_in_the_middle_of_it() -> None:
    folder = scratch_folder()
    server = Server(folder / "data")
    acknowledged: list[str] = []
    enough = threading.Event()

    def feed(sender: int) -> None:
        try:
            with Peer(server.mllp_port) as peer:
                for n in range(10_000):
                    name = f"{sender}-{n}"
                    if code(peer.ask(adt("A08", name, f"P{name}", name=f"N{name}"))) == "AA":
                        acknowledged.append(name)
                    if len(acknowledged) >= 400:
                        enough.set()
        except (OSError, EOFError):
            enough.set()

    try:
        server.start()
        threads = [threading.Thread(target=feed, args=(sender,), daemon=True) for sender in range(6)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        server.kill()                            # PostgreSQL too
        for thread in threads:
            thread.join(30)
        promised = list(acknowledged)
        assert len(promised) >= 400 and list((server.data / "blobs" / "journal").rglob("*.log"))
        server.start()
        names = {fact.body["patient_id"]: str(fact.body["attributes"]) for fact in said(server)
                 if fact.kind is FactKind.PATIENT_OVERLAY}  # fmt: skip
        assert all(f"'N{name}'" in names[f"P{name}"] for name in promised)
        listed = server.command("hl7", "list", "--limit", "20000").stdout
        assert all(f"\t{name}\t" in listed for name in promised)
        with Peer(server.mllp_port) as peer:
            assert all(code(peer.ask(adt("A08", name, f"P{name}", name=f"N{name}"))) == "AA" for name in promised[-50:])
        records = server.command("audit", "verify")
        assert records.returncode == 0, records.stdout
    finally:
        server.kill()
        remove_folder(folder)


@pytest.mark.timeout(120)
def test_hostile_peers_get_an_answer_and_no_memory(hospital: Hospital) -> None:
    before = held(hospital.server)
    with hospital.peer() as flood:
        flood.socket.settimeout(30)
        flood.socket.sendall(b"\x0b" + adt("A08", "flood", "1").encode())
        sender = threading.Thread(target=pour, args=(flood,), daemon=True)
        sender.start()
        answer = flood.answer()
        assert (code(answer), field(answer, b"MSA", 2), field(answer, b"ERR", 3)[:3]) == ("AR", "flood", "207")
        assert flood.ended()
        sender.join(20)
        assert not sender.is_alive()
    assert held(hospital.server) - before < 64 << 20
    with hospital.peer() as peer:
        for raw, expected in (
            (b"", "AR"), (b"MSH", "AR"), (b"MSH|^~\\&", "AE"), (b"\x00\xff\xfe" * 1000, "AR"),
            (adt("A08", "wide", "W1", more="ZZZ|" + "|" * 10_000).encode(), "AA"),
            (adt("A08", "deep", "W2", name="\\E\\F" * 500 + "^" + "\\" * 999).encode(), "AE"),
            (adt("A08", "many", "~".join("W3" for _ in range(2000))).encode(), "AA"),
        ):  # fmt: skip
            assert code(peer.ask(raw)) == expected, raw[:20]


def pour(peer: Peer) -> None:
    piece = b"x" * 65_536
    try:
        for _ in range(16_384):                  # a GiB
            peer.socket.sendall(piece)
    except OSError:
        return


def held(server: Server) -> int:
    """Bytes of the HL7 process that are its own."""
    return max(one.memory_full_info().uss for one in listeners(server.pid, server.mllp_port))


class Ris:
    """A destination that keeps what it gets, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.code = "AA"
        self.arrived = threading.Condition()

    def receive(self, raw: bytes, caller: Caller) -> list[bytes]:
        control_id = field(raw, b"MSH", 9)
        with self.arrived:
            self.got.append(control_id)
            self.arrived.notify_all()
        return [f"MSH|^~\\&|RIS|R|PACSD|EAST|2026||ACK|a{control_id}|P|2.5.1\rMSA|{self.code}|{control_id}\r".encode()]

    def too_long(self, beginning: bytes, limit_bytes: int) -> list[bytes]:
        return []

    def wait_for(self, count: int) -> list[str]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.got) >= count, timeout=20)
            return list(self.got)


def test_messages_are_delivered_in_order_once_the_destination_is_there(hospital: Hospital, tmp_path: Path) -> None:
    for n in range(5):
        assert code(hospital.ask(adt("A05", f"relay-{n}", f"R{n}"))) == "AA"
    file = tmp_path / "own.hl7"
    file.write_text(adt("A31", "own", "R9").replace("\r", "\n"))
    assert hospital.server.command("hl7", "send", "ris", str(file)).stdout.startswith("queued as 6")
    assert "waiting" in hospital.server.command("hl7", "list", "--outgoing").stdout
    ris = Ris()
    listener = Listener(ris, host="127.0.0.1", port=hospital.ris_port, limits=Limits())
    threading.Thread(target=listener.serve, daemon=True).start()
    try:
        assert ris.wait_for(6) == [*(f"relay-{n}" for n in range(5)), "own"]
        ris.code = "AE"
        assert code(hospital.ask(adt("A05", "refused", "R7"))) == "AA"
        ris.wait_for(7)
        ris.code = "AA"
        assert code(hospital.ask(adt("A05", "next", "R8"))) == "AA"
        ris.wait_for(8)
        listed = hospital.server.command("hl7", "list", "--outgoing", "--state", "refused").stdout.splitlines()
        assert len(listed) == 1 and "refused" in listed[0]
        number = listed[0].split("\t")[0]
        assert "queued again" in hospital.server.command("hl7", "replay", "--outgoing", number).stdout
        assert ris.wait_for(9)[-1] == "refused"
    finally:
        listener.close()
        listener.drain(1.0)


def test_a_message_can_be_looked_at_tried_and_repaired(hospital: Hospital, tmp_path: Path) -> None:
    bad = adt("A08", "to-repair", "", name="张^三", application="REPAIR")
    assert code(hospital.ask(bad)) == "AE"
    command = hospital.server.command
    (line,) = [one for one in command("hl7", "list", "--state", "refused").stdout.splitlines() if "REPAIR|" in one]
    number = line.split("\t")[0]
    assert "101 PID^1^3" in line
    shown = command("hl7", "show", number).stdout
    assert "张^三" in shown and "MSA|AE|to-repair" in shown
    file = tmp_path / "fixed.hl7"
    file.write_text(adt("A08", "to-repair", "FIXED-1", name="张^三", application="REPAIR"))
    tried = command("hl7", "try", str(file))
    assert tried.returncode == 0 and "states of FIXED-1 of default: PatientName 张^三" in tried.stdout
    assert "MSA|AA|to-repair" in tried.stdout and "try: taken" in tried.stdout
    assert command("hl7", "replay", number).returncode == 3
    assert command("hl7", "repair", number, str(file)).returncode == 0
    assert command("hl7", "repair", number, str(file)).returncode == 1
    assert command("hl7", "list", "--state", "replaced").stdout.splitlines()[-1].startswith(number)


def test_messages_are_counted(hospital: Hospital) -> None:
    hospital.ask(adt("A08", "counted", "C1"))
    metrics = httpx.get(hospital.server.base_url.replace("/dicom-web", "/metrics")).text
    assert re.search(r'pacsd_hl7_messages_total\{answer="AA"\} [1-9]', metrics)
