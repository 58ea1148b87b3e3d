"""The commands of `pacsd` beside the running server, and a backup brought back elsewhere."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from tests.clients import require
from tests.end_to_end import dcmtk, peers
from tests.end_to_end.conftest import Hospitals
from tests.end_to_end.house import answer, failed, wait_for
from tests.end_to_end.samples import Sample, read_samples
from tests.server import Server
from tests.synthetic import Study, ct_slice, study, write_folder

MINE = study(73, 1, patient_id="CMD1", name="gb18030")


def samples_of(of: Study, folder: Path, count: int) -> list[Sample]:
    write_folder(folder, (ct_slice(of, instance=number, rows=32, columns=32) for number in range(1, count + 1)))
    return read_samples(folder)


@pytest.fixture(scope="module")
def imported(hospitals: Hospitals) -> Iterator[list[Sample]]:
    """A study that `pacsd import` brought in for west, and a file that is no DICOM."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = samples_of(MINE, folder / "files", 4)
        (folder / "files" / "notes.txt").write_text("not an image")
        done = hospitals.server.command("import", "--organisation", "west", str(folder / "files"))
        assert done.returncode == 3, failed(done)
        assert "4 stored, 0 duplicate, 1 refused, 0 skipped" in done.stdout
        assert "notes.txt" in done.stdout
        again = hospitals.server.command("import", "--organisation", "west", str(folder / "files"))
        assert "0 stored, 0 duplicate, 1 refused, 4 skipped" in again.stdout
        yield samples


def sent(samples: list[Sample]) -> peers.Objects:
    return {one.sop_instance_uid: one.data for one in samples}


def packs_of(hospitals: Hospitals, organisation: str, uid: str) -> list[Path]:
    """Packs that hold an instance; a pack is an uncompressed ZIP, so its bytes name it."""
    folder = hospitals.server.data / "blobs" / "packs" / organisation
    return [path for path in folder.rglob("*.zip") if uid.encode() in path.read_bytes()]


def test_imported_files_come_back_bit_identical(hospitals, imported):
    port, uid = hospitals.server.dicom_port, MINE.study_instance_uid
    assert peers.get(port, imported, [uid], called="WEST") == sent(imported)
    assert peers.get(port, imported, [uid], called="EAST") == {}


def test_import_of_every_real_file_stores_or_refuses_it(hospitals, data_folder):
    done = hospitals.server.command("import", "--organisation", "west", str(data_folder / "dicom" / "malformed"))
    assert done.returncode in (0, 3), failed(done)
    refusals = [line for line in done.stdout.splitlines() if line.startswith("refused ")]
    assert refusals and all(": " in line for line in refusals)


def test_check_finds_a_flipped_byte(hospitals, imported):
    wait_for(lambda: packs_of(hospitals, "west", imported[0].sop_instance_uid), "the import is packed")
    [pack] = packs_of(hospitals, "west", imported[0].sop_instance_uid)
    untouched = hospitals.server.command("check")
    assert untouched.returncode == 0, failed(untouched)
    flip(pack, pack.read_bytes().index(imported[1].data) + len(imported[1].data) - 7)
    found = hospitals.server.command("check")
    flip(pack, pack.read_bytes().index(imported[1].data[:200]) + len(imported[1].data) - 7)
    assert found.returncode == 3, failed(found)
    assert imported[1].sop_instance_uid in found.stdout and imported[0].sop_instance_uid not in found.stdout
    assert hospitals.server.command("check").returncode == 0


def flip(path: Path, at: int) -> None:
    """Change one byte in place; twice is as before."""
    mode = path.stat().st_mode
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    path.chmod(mode)


def test_rebuild_is_refused_beside_a_running_server(hospitals):
    done = hospitals.server.command("rebuild")
    assert done.returncode == 1 and "in use" in done.stdout, failed(done)


def test_a_backup_comes_back_elsewhere(hospitals, imported, tmp_path):
    made = hospitals.server.command("backup", str(tmp_path / "backup"))
    assert made.returncode == 0, failed(made)
    again = hospitals.server.command("backup", str(tmp_path / "backup"))
    assert again.returncode == 0, failed(again)
    tmp_path.chmod(0o755)
    other = Server(hospitals.server.data.parent / "restored", config=hospitals.server.config.read_text())
    done = other.command("restore", str(tmp_path / "backup"))
    assert done.returncode == 0, failed(done)
    kept = {one.name for one in (tmp_path / "backup" / "audit").iterdir()}
    assert kept and kept <= {one.name for one in (other.data / "audit").iterdir()}
    verified = other.command("audit", "verify")
    assert verified.returncode == 0 and ", 0 problems" in verified.stdout, failed(verified)
    try:
        other.start()
        uid = MINE.study_instance_uid
        assert peers.get(other.dicom_port, imported, [uid], called="WEST") == sent(imported)
        assert peers.get(other.dicom_port, imported, [uid], called="EAST") == {}
        asked = "/studies?limit=1000&includefield=all"
        shown = {str(one) for one in answer(hospitals.server.base_url, asked)}
        moved = {str(one).replace(other.base_url, hospitals.server.base_url) for one in answer(other.base_url, asked)}
        assert moved == shown
    finally:
        other.stop()
        shutil.rmtree(other.data)


def test_purged_instances_are_gone_for_good(hospitals, tmp_path):
    doomed = study(74, 1, patient_id="CMD2")
    samples = samples_of(doomed, tmp_path / "files", 3)
    command = hospitals.server.command
    assert command("import", "--organisation", "west", str(tmp_path / "files")).returncode == 0
    port, uid = hospitals.server.dicom_port, doomed.study_instance_uid
    first, *others = samples
    asked = command("purge", "--organisation", "west", uid)
    assert asked.returncode == 1 and "nothing was deleted" in asked.stdout      # nobody is there to say yes
    assert peers.get(port, samples, [uid], called="WEST") == sent(samples)
    done = command("purge", "--yes", "--organisation", "west", uid, "--instance", first.sop_instance_uid)
    assert done.returncode == 0 and "purged: 1 instances" in done.stdout, failed(done)
    assert peers.get(port, samples, [uid], called="WEST") == sent(others)
    done = command("purge", "--yes", "--organisation", "west", uid)
    assert done.returncode == 0 and "purged: 2 instances" in done.stdout, failed(done)
    assert peers.get(port, samples, [uid], called="WEST") == {}
    for organisation, study_uid in (("west", "1.2.3.4.5"), ("east", uid), ("nowhere", uid)):
        missing = command("purge", "--yes", "--organisation", organisation, study_uid)
        assert missing.returncode == 1 and "no " in missing.stdout


def peer(hospitals: Hospitals, title: str = "EAST") -> str:
    return f"{title}@127.0.0.1:{hospitals.server.dicom_port}"


def test_echo(hospitals):
    done = hospitals.server.command("echo", peer(hospitals))
    assert done.returncode == 0, failed(done)
    assert hospitals.server.command("echo", peer(hospitals, "NOBODY")).returncode == 1


def test_send_find_and_move(hospitals, tmp_path):
    require("storescp")
    made = study(73, 2, patient_id="CMD2", name="gb18030")
    samples = samples_of(made, tmp_path / "files", 3)
    done = hospitals.server.command("send", peer(hospitals), str(tmp_path / "files"))
    assert done.returncode == 0 and "3 sent, 0 failed" in done.stdout, failed(done)
    done = hospitals.server.command("find", peer(hospitals), "-k", "PatientName=*三*", "-k", "PatientID=CMD2")
    assert done.returncode == 0 and "1 matches" in done.stdout, failed(done)
    assert made.study_instance_uid in done.stdout and "张^三" in done.stdout
    out = tmp_path / "moved"
    out.mkdir()
    with dcmtk.receiver(hospitals.storescp_port, out):
        key = f"StudyInstanceUID={made.study_instance_uid}"
        done = hospitals.server.command("move", peer(hospitals), "--to", "STORESCP", "-k", key)
    assert done.returncode == 0 and "3 completed, 0 failed" in done.stdout, failed(done)
    assert dcmtk.objects_in(out) == sent(samples)
    assert pydicom.dcmread(next(out.iterdir())).StudyInstanceUID == made.study_instance_uid
