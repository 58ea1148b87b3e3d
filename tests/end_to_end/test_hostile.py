"""What should never come, comes: each time a clear answer, no half object, and the next peer is served."""

import contextlib
import random
import resource
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import psutil
import pytest

from pacsd.blobs import LocalBlobs
from pacsd.dimse import command
from pacsd.dimse.associate import AssociateAccept
from pacsd.dimse.pdu import pdata
from pacsd.faults import PacsdError
from tests.dimse.wire import EXPLICIT, IMPLICIT, VERIFICATION, Raw, request
from tests.end_to_end import peers
from tests.end_to_end.conftest import Hospitals
from tests.end_to_end.house import answer, loose, wait_for
from tests.end_to_end.samples import Sample, element, part10, read_sample, small_dataset
from tests.synthetic import ct_slice, study, uid

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
IDLE_PEERS = 1000
GROWTH_BYTES = 120 << 20                 # of all processes together, PostgreSQL included
GOOD = study(74, 1, patient_id="GOOD")
STORE_FAILURES = range(0xA000, 0xD000)


@pytest.fixture(autouse=True)
def same_processes_serve_the_next_peer(hospitals: Hospitals, good: Sample) -> Iterator[None]:
    """Around every test: nobody died, and an ordinary sender and reader are served."""
    before = processes(hospitals)
    yield
    assert processes(hospitals) == before
    assert list(peers.store(hospitals.server.dicom_port, [good], called="EAST").values()) == [0x0000]
    assert peers.wado(hospitals.server.base_url, [GOOD.study_instance_uid]) == {good.sop_instance_uid: good.data}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    path = tmp_path_factory.mktemp("good") / "good.dcm"
    path.write_bytes(ct_slice(GOOD, rows=32, columns=32))
    return read_sample(path)


def processes(hospitals: Hospitals) -> set[int]:
    """Process ids of the supervisor and the roles; PostgreSQL's come and go with connections."""
    found = {hospitals.server.pid}
    for child in psutil.Process(hospitals.server.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.name() != "postgres":
                found.add(child.pid)
    return found


def pss_bytes(hospitals: Hospitals) -> int:
    """Proportional memory of every process of the server."""
    supervisor = psutil.Process(hospitals.server.pid)
    total = 0
    for process in [supervisor, *supervisor.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total


def store_raw(hospitals: Hospitals, data: bytes, sop: str, *, called: str = "EAST", syntax: str = EXPLICIT) -> int:
    """C-STORE of any bytes under any UID: the status."""
    contexts = ((VERIFICATION, (IMPLICIT,)), (SECONDARY_CAPTURE, (syntax,)))
    with Raw(hospitals.server.dicom_port, timeout_s=30) as raw:
        assert isinstance(raw.associate(request(*contexts, called=called)), AssociateAccept)
        values: dict[int, command.Value] = {
            command.COMMAND_FIELD: command.C_STORE_RQ,
            command.MESSAGE_ID: 1,
            command.PRIORITY: 0,
            command.COMMAND_DATA_SET_TYPE: 1,
            command.AFFECTED_SOP_CLASS_UID: SECONDARY_CAPTURE,
            command.AFFECTED_SOP_INSTANCE_UID: sop,
        }
        raw.send(b"".join(pdata(3, command.encode(values), command=True, max_pdu_bytes=16384)))
        raw.send(b"".join(pdata(3, data, command=False, max_pdu_bytes=1 << 16)))
        kind, body = raw.pdu()
        assert kind == 4, kind
        return command.decode(body[6:]).status


def stow_raw(hospitals: Hospitals, data: bytes, sop: str) -> httpx.Response:
    file = part10(data, sop_class_uid=SECONDARY_CAPTURE, sop_instance_uid=sop, transfer_syntax_uid=EXPLICIT)
    return peers.stow(hospitals.server.base_url, [file])


EVIL_UIDS = [
    "../../../../etc/cron.d/x", "1.2/3", "..", ".", "/", "1.2.3/../../x", "1.2\\3", "a b", "1.2.3\n4", "1" * 65,
]  # fmt: skip
EVIL_PATHS = ["..", "%2e%2e", "..%2f..%2f", "1.2%2f3", "%00", "1.2.3/series/..%2f..", "'%20or%201=1"]


@pytest.mark.parametrize("evil", EVIL_UIDS)
def test_a_uid_that_is_a_path_is_refused(hospitals, evil):
    fine = [uid("hostile", evil, n) for n in range(3)]
    for names in ((evil, fine[1], fine[2]), (fine[0], evil, fine[2]), (fine[0], fine[1], evil)):
        study_uid, series_uid, sop = names
        data = small_dataset(study=study_uid, series=series_uid, sop=sop)
        assert store_raw(hospitals, data, sop) != 0x0000
        assert stow_raw(hospitals, data, sop).status_code in (400, 409)
    assert not list(hospitals.server.data.parent.rglob("x"))


@pytest.mark.parametrize("path", EVIL_PATHS)
def test_a_path_for_a_uid_finds_nothing_by_web(hospitals, path):
    for address in (f"/studies/{path}", f"/studies/{path}/metadata", f"/studies?StudyInstanceUID={path}"):
        with socket.create_connection(("127.0.0.1", hospitals.server.http_port), timeout=10) as connection:
            connection.sendall(f"GET /dicom-web{address} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            head = connection.makefile("rb").read()
        assert head.split(b" ")[1] in (b"200", b"204", b"400", b"404"), (address, head[:200])
        assert b"Traceback" not in head


def lies(sop: str) -> dict[str, bytes]:
    """Data sets whose lengths promise what does not come."""
    fine = small_dataset(study=uid("lies"), series=uid("lies", 1), sop=sop)
    head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 0xFFFFFFF0)
    return {
        "an element longer than the data set": fine + struct.pack("<HH2sH", 0x0040, 0x0001, b"LO", 0xFFFE) + b"x" * 10,
        "a header element of 4 GB": small_dataset(study=uid("lies"), series=uid("lies", 1), sop=sop)[:40]
        + struct.pack("<HH2sHI", 0x0009, 0x0010, b"UT", 0, 0xFFFFFFF0) + b"x" * 100,
        "pixel data of 4 GB": fine + head + b"x" * 100,
        "a sequence without an end": fine + struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF)
        + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) * 50,
        "an item longer than its sequence": fine + struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, 16)
        + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFF00) + b"x" * 8,
        "cut in the middle of a tag": fine + b"\x40\x00\x75",
    }  # fmt: skip


@pytest.mark.parametrize("which", lies("1.2"))
def test_a_length_that_lies_is_stored_whole_or_refused(hospitals, which):
    for way in ("dimse", "stow"):
        sop = uid("lies", which, way)
        data = lies(sop)[which]
        if way == "dimse":
            stored = store_raw(hospitals, data, sop) == 0x0000
        else:
            got = stow_raw(hospitals, data, sop)
            assert got.status_code in (200, 202, 400, 409), got.text
            stored = got.status_code in (200, 202)
        found = answer(hospitals.server.base_url, f"/instances?SOPInstanceUID={sop}")
        assert len(found) == stored
        if stored:
            came = peers.wado(hospitals.server.base_url, [uid("lies")])
            assert came[sop] == data
            metadata = httpx.get(f"{hospitals.server.base_url}/studies/{uid('lies')}/metadata")
            assert metadata.status_code < 500


def test_a_sequence_of_100000_items_is_stored_and_given_back(hospitals):
    items = b"".join(
        struct.pack("<HHI", 0xFFFE, 0xE000, len(one)) + one
        for one in (element(0x00080100, "SH", b"CODE%06d" % number) for number in range(100_000))
    )
    deep = b""
    for _ in range(2000):
        deep = element(0x00400275, "SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(deep)) + deep)
    for name, rest in (("wide", element(0x00081032, "SQ", items)), ("deep", deep)):
        sop = uid("sequence", name)
        data = small_dataset(study=uid("sequence"), series=uid("sequence", 1), sop=sop)
        data = b"".join((data[: data.index(b"\x08\x00\x60\x00")], rest, data[data.index(b"\x08\x00\x60\x00") :])
                        if name == "wide" else (data, rest))  # fmt: skip
        status = store_raw(hospitals, data, sop)
        if status == 0x0000:
            assert peers.wado(hospitals.server.base_url, [uid("sequence")])[sop] == data
            address = f"/studies/{uid('sequence')}/series/{uid('sequence', 1)}/instances/{sop}/metadata"
            assert httpx.get(hospitals.server.base_url + address, timeout=30).status_code < 500
        else:
            assert status in STORE_FAILURES


def test_a_truncated_transfer_leaves_nothing(hospitals, good):
    sop = uid("truncated")
    data = small_dataset(study=uid("truncated", 0), series=uid("truncated", 1), sop=sop, rest=[b"x" * 200_000])
    contexts = ((VERIFICATION, (IMPLICIT,)), (SECONDARY_CAPTURE, (EXPLICIT,)))
    with Raw(hospitals.server.dicom_port) as raw:
        raw.associate(request(*contexts, called="EAST"))
        values: dict[int, command.Value] = {
            command.COMMAND_FIELD: command.C_STORE_RQ, command.MESSAGE_ID: 1, command.PRIORITY: 0,
            command.COMMAND_DATA_SET_TYPE: 1, command.AFFECTED_SOP_CLASS_UID: SECONDARY_CAPTURE,
            command.AFFECTED_SOP_INSTANCE_UID: sop,
        }  # fmt: skip
        raw.send(b"".join(pdata(3, command.encode(values), command=True, max_pdu_bytes=16384)))
        raw.send(b"".join(pdata(3, data, command=False, max_pdu_bytes=16384))[:100_000])
    with socket.create_connection(("127.0.0.1", hospitals.server.http_port)) as connection:
        file = part10(data, sop_class_uid=SECONDARY_CAPTURE, sop_instance_uid=sop, transfer_syntax_uid=EXPLICIT)
        head = "POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\n"
        connection.sendall(f"{head}Content-Length: {len(file)}\r\n\r\n".encode() + file[:100_000])
    assert answer(hospitals.server.base_url, f"/instances?SOPInstanceUID={sop}") == []
    wait_for(lambda: not unfinished(hospitals, sop), "the incomplete files are gone")


def unfinished(hospitals: Hospitals, sop: str) -> list[str]:
    """Keys of spooled objects that name an instance."""
    blobs = LocalBlobs(hospitals.server.data / "blobs", reserve_bytes=0)
    found = []
    for key in loose(hospitals.server.data):
        with contextlib.suppress(PacsdError):                # gone since
            if sop.encode() in blobs.read(key, length_bytes=2000):
                found.append(key)
    return found


def test_every_prefix_of_a_file_is_stored_whole_or_refused(hospitals, data_folder):
    file = (data_folder / "dicom" / "transfer_syntax" / "small" / "SC_rgb_small_odd.dcm").read_bytes()
    sample = read_sample(data_folder / "dicom" / "transfer_syntax" / "small" / "SC_rgb_small_odd.dcm")
    with httpx.Client(base_url=hospitals.server.base_url) as http:
        for size in range(0, len(file), max(1, len(file) // 60)):
            kind = {"Content-Type": "application/dicom"}
            got = http.post("/studies", content=file[:size], headers=kind)
            assert got.status_code in (200, 400, 409), (size, got.text)
    came = peers.wado(hospitals.server.base_url, [sample.study_instance_uid]).get(sample.sop_instance_uid)
    assert came is None or sample.data.startswith(came)


@contextmanager
def low_descriptors_kept_free() -> Iterator[Callable[[], None]]:
    """Room for a thousand connections of this process, and low descriptors for pynetdicom, whose select() takes
    none above 1,023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as places:
        for _ in range(40):
            places.enter_context(open("/dev/null", "rb"))
        yield places.close
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_idle_peers_do_not_keep_the_next_one_out(hospitals, good):
    before = pss_bytes(hospitals)
    port, half = hospitals.server.dicom_port, IDLE_PEERS // 2
    with ExitStack() as connections, low_descriptors_kept_free() as free_them:
        silent = [connections.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(half)]
        idle = [connections.enter_context(Raw(port, timeout_s=30)) for _ in range(half)]
        asked = request(called="EAST")
        for one in idle:
            one.send(asked)
        assert all(one.pdu()[0] == 2 for one in idle)
        free_them()
        assert list(peers.store(port, [good], called="EAST").values()) == [0x0000]
        assert peers.get(port, [good], [GOOD.study_instance_uid], called="EAST")
        assert pss_bytes(hospitals) - before < GROWTH_BYTES
        silent[0].settimeout(30)
        assert silent[0].recv(16)[:1] in (b"", b"\x07")  # the ARTIM timer ends who says nothing (PS3.8 9.1.5)


def test_random_bytes_on_the_dicom_port(hospitals):
    draw = random.Random(20260102)
    before = pss_bytes(hospitals)
    for number in range(150):
        with Raw(hospitals.server.dicom_port) as raw:
            if number % 2:
                raw.associate(request(called="EAST"))
            noise = draw.randbytes(draw.choice((1, 6, 100, 5000, 70_000)))
            if number % 3 == 0:
                lengths = (0, 4, 2**31, 2**32 - 1)
                noise = bytes((draw.randint(1, 7), 0)) + struct.pack(">I", draw.choice(lengths)) + noise
            try:
                raw.send(noise)
                raw.socket.shutdown(socket.SHUT_WR)
                raw.exactly(1 << 16)
            except OSError:
                continue
    assert pss_bytes(hospitals) - before < GROWTH_BYTES


def test_random_bytes_on_the_http_port(hospitals):
    draw = random.Random(20260103)
    starts = (
        b"", b"GET ", b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\n"
        b'Content-Type: multipart/related; type="application/dicom"; '
        b"boundary=b\r\nContent-Length: 70000\r\n\r\n--b\r\n",
        b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
    )  # fmt: skip
    for number in range(100):
        with socket.create_connection(("127.0.0.1", hospitals.server.http_port), timeout=10) as connection:
            try:
                connection.sendall(starts[number % len(starts)] + draw.randbytes(draw.choice((1, 100, 5000, 70_000))))
                connection.shutdown(socket.SHUT_WR)
                got = connection.makefile("rb").read()
            except OSError:
                continue
            assert b"Traceback" not in got and b" 500 " not in got[:20]


def test_an_upload_that_says_it_is_endless_is_refused(hospitals):
    with socket.create_connection(("127.0.0.1", hospitals.server.http_port), timeout=10) as connection:
        head = "POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\n"
        connection.sendall(f"{head}Content-Length: {2**50}\r\n\r\n".encode())
        assert connection.makefile("rb").readline().split(b" ")[1] == b"413"
