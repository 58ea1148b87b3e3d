"""No room left, on a small real file system: a clear refusal, PostgreSQL stays up, work resumes later."""

import contextlib
import http.client
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.server import Server, remove_folder, scratch_folder
from tests.soak.judge import judge
from tests.soak.ledger import Ledger
from tests.soak.senders import association_with, store
from tests.synthetic import small_object, study, write_folder
from tests.test_durability import postmaster

MEGABYTE = 1_000_000
OUT_OF_RESOURCES = 0xA700  # PS3.4 Table B.2-1
STUDY = study(42, modality="CT")


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A tmpfs of 400 MB; needs root and the right to mount."""
    folder = scratch_folder()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400m,mode=0755", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        remove_folder(folder)
        pytest.skip("needs root and the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    remove_folder(folder)


# Without a reserve an object still fits into a segment that is there; these are larger than one.
@pytest.fixture(params=[(0, 1 << 20), (20 * MEGABYTE, 16 << 20)], ids=["no reserve", "20 MB in reserve"])
def server(small_disk: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose data directory lies on the small file system."""
    reserve, segment = request.param
    config = f"[storage]\nquiet_s = 600\nreserve_bytes = {reserve}\nspool_segment_bytes = {segment}\n"
    config += "spool_ready_bytes = 0\n"      # nothing takes room beside the test
    running = Server(small_disk / "data", config=config)
    running.start()
    yield running
    running.kill()


@pytest.mark.timeout(120)
def test_a_full_disk_refuses_keeps_postgresql_and_takes_up_work_again(
    server: Server, small_disk: Path, tmp_path: Path
) -> None:
    ledger, before = Ledger(), postmaster(server)
    first, second, third, late = write_folder(
        tmp_path, [small_object(STUDY, instance=n, size_bytes=4 * MEGABYTE) for n in range(1, 5)]
    )
    assert send(server, first, ledger) == 0x0000
    fill(small_disk, left_bytes=2 * MEGABYTE)
    assert send(server, second, ledger) == OUT_OF_RESOURCES
    assert stow(server, third) == 507
    assert server.base_url and before.is_running() and postmaster(server).pid == before.pid
    judge(server.base_url, [STUDY.study_instance_uid], ledger)
    (small_disk / "filler").unlink()
    assert send(server, second, ledger) == 0x0000
    assert stow(server, late) == 200
    ledger.sending(late)
    judge(server.base_url, [STUDY.study_instance_uid], ledger)


@pytest.mark.timeout(120)
def test_an_association_survives_its_refused_object(server: Server, small_disk: Path, tmp_path: Path) -> None:
    large, small = write_folder(
        tmp_path,
        [small_object(STUDY, instance=n, size_bytes=size) for n, size in ((1, 4 * MEGABYTE), (2, 2600))],
    )
    ledger = Ledger()
    fill(small_disk, left_bytes=2 * MEGABYTE)
    with association_with(server.dicom_port) as association:
        assert store(association, large, ledger) == OUT_OF_RESOURCES
        (small_disk / "filler").unlink()
        assert store(association, small, ledger) == 0x0000


def send(server: Server, path: Path, ledger: Ledger) -> int | None:
    """One object over an association of its own; its status."""
    with association_with(server.dicom_port) as association:
        return store(association, path, ledger)


def stow(server: Server, path: Path) -> int:
    """One object by STOW-RS (PS3.18 10.5); the HTTP status."""
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + path.read_bytes() + b"\r\n--b--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
        connection.request("POST", "/dicom-web/studies", body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def fill(folder: Path, *, left_bytes: int) -> None:
    """Write a file until only so much is left."""
    room = psutil.disk_usage(str(folder)).free
    with (folder / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, max(1, room - left_bytes))
