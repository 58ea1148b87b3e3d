"""C-STORE end to end with DCMTK against a fake archive."""

import subprocess
from pathlib import Path

import pytest

from pacsd.faults import Fault, PacsdError
from tests.clients import require
from tests.dimse.fakes import running
from tests.dimse.objects import ct_file


def storescu(port: int, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    require("storescu")
    return subprocess.run(
        ["storescu", "-v", "-aec", "PACSD", *options, "+sd", "127.0.0.1", str(port), str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_storescu_delivers_the_data_sets_bit_identical(tmp_path: Path) -> None:
    originals = {path.name: path for path in (ct_file(tmp_path, number=n) for n in range(5))}
    with running() as server:
        done = storescu(server.port, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(server.archive.stored) == 5
        for about, data, pieces in server.archive.stored:
            original = originals[about["sop_instance_uid"] + ".dcm"].read_bytes()
            assert original.endswith(data) and len(original) - len(data) < 1000
            assert about["receiving_ae"] == "PACSD" and pieces >= 1


@pytest.mark.parametrize("fragment", [4096, 16384, 131072])
def test_any_pdu_size_gives_the_same_bytes(tmp_path: Path, fragment: int) -> None:
    path = ct_file(tmp_path)
    with running() as server:
        assert storescu(server.port, tmp_path, "-pdu", str(fragment)).returncode == 0
        [(_, data, _)] = server.archive.stored
        assert path.read_bytes().endswith(data)


def test_a_large_object_is_handed_over_in_pieces(tmp_path: Path) -> None:
    path = ct_file(tmp_path, frames=80)
    with running() as server:
        assert storescu(server.port, tmp_path, "-pdu", "131072").returncode == 0
        [(_, data, pieces)] = server.archive.stored
        assert pieces > 1 and path.read_bytes().endswith(data)


@pytest.mark.parametrize(
    ("fault", "shown"),
    [(Fault.FULL, "0xa700"), (Fault.MISMATCH, "0xa900"), (Fault.MALFORMED, "0xc000")],
)
def test_a_refusal_reaches_the_sender_as_its_status(tmp_path: Path, fault: Fault, shown: str) -> None:
    ct_file(tmp_path)
    with running() as server:
        server.archive.failure = PacsdError(fault, "a reason without patient data")
        done = storescu(server.port, tmp_path, "-d")
        output = (done.stdout + done.stderr).lower()
        assert shown in output and "a reason without patient data" in output


def test_our_own_defect_is_a_processing_failure_and_the_next_object_is_served(tmp_path: Path) -> None:
    ct_file(tmp_path)
    with running() as server:
        server.archive.failure = ZeroDivisionError()
        assert "0x0110" in storescu(server.port, tmp_path, "-d").stderr.lower()
        server.archive.failure = None
        assert storescu(server.port, tmp_path).returncode == 0
