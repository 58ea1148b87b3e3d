"""Starting in an empty directory, stopping cleanly, and what happens to a process of a role that is killed."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.clients import require
from tests.end_to_end import dcmtk, peers
from tests.end_to_end.house import wait_for
from tests.end_to_end.samples import read_samples
from tests.server import Server, remove_folder, scratch_folder
from tests.synthetic import ct_slice, study, write_folder

CONFIG = "[storage]\nquiet_s = 0.5\ngrace_s = 0.5\n"


@pytest.fixture
def server() -> Iterator[Server]:
    folder = scratch_folder("pacsd-running-")
    made = Server(folder / "data", config=CONFIG, fresh=True)
    try:
        yield made.start()
    finally:
        made.kill()
        remove_folder(folder)


def roles(server: Server) -> dict[int, psutil.Process]:
    """Role processes by process id."""
    found = {}
    for child in psutil.Process(server.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.name() != "postgres":
                found[child.pid] = child
    return found


def test_a_running_storescu_is_let_finish(server, tmp_path):
    require("storescu")
    made = study(75, 1)
    files = write_folder(tmp_path, (ct_slice(made, instance=n, rows=256, columns=256) for n in range(1, 61)))
    sender = subprocess.Popen(
        ["storescu", "-v", "-aec", "PACSD", "--max-send-pdu", "4096", "127.0.0.1", str(server.dicom_port), *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert sender.stdout is not None
    with sender, sender.stdout as output:
        for line in output:
            if "Received Store Response" in line:
                break
        assert server.stop() == 0
        rest = output.read()
        assert sender.wait(30) == 0, rest[-2000:]
    assert rest.count("Received Store Response (Success)") == len(files) - 1
    server.start()
    samples = read_samples(tmp_path)
    assert peers.wado(server.base_url, [made.study_instance_uid]) == {one.sop_instance_uid: one.data for one in samples}


def test_a_killed_process_of_any_role_is_replaced_and_serves_again(server, tmp_path):
    made = study(75, 2)
    files = iter(write_folder(tmp_path, (ct_slice(made, instance=n, rows=32, columns=32) for n in range(1, 40))))
    sent: list[Path] = []
    for pid, process in roles(server).items():
        process.kill()
        wait_for(lambda pid=pid: pid not in roles(server) and server.ready(), "another process serves in its place")
        path = next(files)
        sent.append(path)
        dcmtk.run("storescu", server.dicom_port, files=[path])
    samples = [sample for sample in read_samples(tmp_path) if sample.path in sent]
    expected = {one.sop_instance_uid: one.data for one in samples}
    assert peers.wado(server.base_url, [made.study_instance_uid]) == expected
    assert peers.get(server.dicom_port, samples, [made.study_instance_uid], called="PACSD") == expected
    later = study(75, 3)                 # a series in the hands of the killed worker waits until its claim ends
    dcmtk.run("storescu", server.dicom_port, files=write_folder(tmp_path / "later", [ct_slice(later, rows=32)]))
    wait_for(lambda: packed(server, later.sop_instance_uid(1, 1)), "the new worker packs")
    assert server.stop() == 0


def packed(server: Server, sop_instance_uid: str) -> bool:
    """Whether a finished pack, an uncompressed ZIP, holds the instance."""
    found = []
    for path in (server.data / "blobs").glob("packs/**/*.zip"):
        with contextlib.suppress(FileNotFoundError):
            found.append(sop_instance_uid.encode() in path.read_bytes())
    return any(found)


def test_an_idle_peer_does_not_hold_up_the_stop(server):
    with peers.association(server.dicom_port, [peers.build_context("1.2.840.10008.1.1")], called="PACSD"):
        assert server.stop(within_s=15) == 0             # less than the grace that running associations have
