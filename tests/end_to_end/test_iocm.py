"""Rejection notes (IHE RAD-66) sent by DCMTK: each title's effect on every interface, and for every kind of reader."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pydicom
import pytest

from tests.clients import require
from tests.end_to_end import dcmtk
from tests.server import Server, free_port, remove_folder, scratch_folder
from tests.synthetic import Study, ct_slice, dataset_bytes, rejection_note, study

VNA_PORT = free_port()
CONFIG = """
[[organisations]]
code = "default"
[[organisations]]
code = "old"
[[own_aes]]
title = "OLD"
organisation = "old"
[[remote_aes]]
title = "VNA"
host = "127.0.0.1"
port = {vna_port}
organisation = "old"
[[retention]]
organisation = "old"
keep_days = 3650
notes_to = ["VNA"]
[[own_aes]]
title = "PACSD_QA"
organisation = "default"
rejected = "keep"
[[remote_aes]]
title = "NOTES"
host = "127.0.0.1"
port = 11113
organisation = "default"
rejected = "notes"
[storage]
quiet_s = 1.0
grace_s = 2.0
"""
CODES = ("113001", "113037", "113038", "113039")
DICOM_JSON = {"accept": "application/dicom+json"}


@dataclass(frozen=True)
class Sent:
    """Three images and the note that rejects the first two."""

    study: Study
    images: list[bytes]
    note: bytes

    @property
    def sops(self) -> list[str]:
        return [self.study.sop_instance_uid(1, number) for number in (1, 2, 3)]

    @property
    def note_sop(self) -> str:
        return self.study.sop_instance_uid(99, 1)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    require("storescu")
    folder = scratch_folder("pacsd-iocm-")
    made = Server(folder / "data", config=CONFIG.format(vna_port=VNA_PORT))
    try:
        yield made.start()
    finally:
        made.kill()
        remove_folder(folder)


def written(folder: Path, *files: bytes) -> list[Path]:
    paths = []
    for number, file in enumerate(files):
        paths.append(folder / f"{number}.dcm")
        paths[-1].write_bytes(file)
    return paths


def objects(number: int, code: str) -> Sent:
    of = study(72, number, modality="CT", patient_id=f"IOCM{number}")
    images = [ct_slice(of, instance=n, rows=32, columns=32) for n in (1, 2, 3)]
    named = [(of.study_instance_uid, of.series_instance_uid(1), of.sop_instance_uid(1, n)) for n in (1, 2)]
    return Sent(of, images, rejection_note(of, named, code=code))


def store(server: Server, folder: Path, *files: bytes) -> str:
    return dcmtk.attempt("storescu", server.dicom_port, "-v", files=written(folder, *files)).stdout


def found(server: Server, sent: Sent, **titles: str) -> dict[str, int]:
    """C-FIND at all levels: the instances by their modality's series, as counted and as listed."""
    uid = f"StudyInstanceUID={sent.study.study_instance_uid}"
    studies = dcmtk.find(
        server.dicom_port, "QueryRetrieveLevel=STUDY", uid, "NumberOfStudyRelatedInstances", "ModalitiesInStudy",
        "NumberOfStudyRelatedSeries", **titles,
    )  # fmt: skip
    series = dcmtk.find(
        server.dicom_port, "QueryRetrieveLevel=SERIES", uid, "SeriesInstanceUID", "Modality",
        "NumberOfSeriesRelatedInstances", **titles,
    )  # fmt: skip
    counted = {one.Modality: int(one.NumberOfSeriesRelatedInstances) for one in series}
    for one in series if not titles else ():
        images = dcmtk.find(
            server.dicom_port, "QueryRetrieveLevel=IMAGE", uid, f"SeriesInstanceUID={one.SeriesInstanceUID}",
            "SOPInstanceUID", **titles,
        )  # fmt: skip
        assert len(images) == counted[one.Modality]
    assert [int(one.NumberOfStudyRelatedInstances) for one in studies] == ([sum(counted.values())] if counted else [])
    assert [int(one.NumberOfStudyRelatedSeries) for one in studies] == ([len(counted)] if counted else [])
    for one in studies:
        value = one.ModalitiesInStudy
        assert {value} if isinstance(value, str) else set(value) == set(counted)
    return counted


def by_web(server: Server, sent: Sent, sop: str, series: int = 1) -> set[int]:
    """The statuses of every way to one instance, metadata and pictures included."""
    of = sent.study
    below = f"{server.base_url}/studies/{of.study_instance_uid}/series/{of.series_instance_uid(series)}/instances/{sop}"
    root = server.base_url.removesuffix("/dicom-web")
    asked = {
        below: 'multipart/related; type="application/dicom"; transfer-syntax=*',
        f"{below}/metadata": "application/dicom+json",
        f"{below}/frames/1": 'multipart/related; type="application/octet-stream"; transfer-syntax=*',
        f"{below}/rendered": "image/jpeg",
        f"{below}/thumbnail": "image/jpeg",
        f"{root}/wado?requestType=WADO&studyUID={of.study_instance_uid}&seriesUID={of.series_instance_uid(series)}"
        f"&objectUID={sop}&contentType=application/dicom": "*/*",
    }
    with httpx.Client(timeout=30) as client:
        return {client.get(url, headers={"accept": accept}).status_code for url, accept in asked.items()}


def listed_by_web(server: Server, sent: Sent) -> set[str]:
    """QIDO-RS and the metadata of the whole study."""
    url = f"{server.base_url}/studies/{sent.study.study_instance_uid}"
    with httpx.Client(timeout=30, headers=DICOM_JSON) as client:
        answers = [client.get(f"{url}/instances"), client.get(f"{url}/metadata")]
        counted = client.get(f"{server.base_url}/studies?StudyInstanceUID={sent.study.study_instance_uid}")
    sets = [
        {one["00080018"]["Value"][0] for one in (answer.json() if answer.status_code == 200 else [])}
        for answer in answers
    ]
    assert sets[0] == sets[1]
    studies = counted.json() if counted.status_code == 200 else []
    assert [one["00201208"]["Value"][0] for one in studies] == ([len(sets[0])] if sets[0] else [])
    return sets[0]


@pytest.mark.parametrize("code", CODES)
def test_a_note_takes_effect_on_every_interface(server: Server, tmp_path: Path, code: str) -> None:
    sent = objects(CODES.index(code), code)
    assert store(server, tmp_path, *sent.images).count("Success") >= 3
    assert listed_by_web(server, sent) == set(sent.sops)
    assert "Success" in store(server, tmp_path, sent.note)
    first, third = sent.sops[0], sent.sops[2]
    assert found(server, sent) == {"CT": 1}
    assert listed_by_web(server, sent) == {third}
    assert by_web(server, sent, first) == {404}
    assert by_web(server, sent, sent.note_sop, series=99) == {404}
    assert by_web(server, sent, third) == {200}
    assert set(dcmtk.get(server.dicom_port, sent.study.study_instance_uid)) == {third}
    notes = {} if code == "113039" else {"KO": 1}
    assert found(server, sent, calling="NOTES") == {"CT": 1, **notes}
    keeper = {"CT": 3, "KO": 1} if code == "113001" else {"CT": 1, **notes}
    assert found(server, sent, called="PACSD_QA") == keeper
    got = dcmtk.get(server.dicom_port, sent.study.study_instance_uid, called="PACSD_QA")
    assert len(got) == sum(keeper.values())
    if notes:
        assert got[sent.note_sop] == dataset_bytes(sent.note)
    again = store(server, tmp_path, sent.images[0])
    assert ("Success" in again) == (code == "113001")
    assert found(server, sent) == {"CT": 1}


def test_a_command_rejects_lists_and_shows_again(server: Server, tmp_path: Path) -> None:
    sent = objects(10, "113001")
    store(server, tmp_path, *sent.images)
    uid = sent.study.study_instance_uid
    done = server.command("reject", uid, "--title", "safety", "--reason", "wrong side", "--instance", sent.sops[0])
    assert done.stdout == "rejected: 1 instances\n"
    assert listed_by_web(server, sent) == set(sent.sops[1:])
    listing = server.command("rejections", "--study", uid).stdout
    assert listing.split()[2:] == ["safety", "hidden", sent.sops[0], uid, "wrong", "side"]
    assert server.command("unreject", uid, "--reason", "no, right").stdout == "shown again: 1 instances\n"
    assert listed_by_web(server, sent) == set(sent.sops)
    for arguments in (("reject", "1.2.3", "--title", "quality"), ("unreject", "1.2.3"), ("release", "1.2.3")):
        refused = server.command(*arguments, "--reason", "none")
        assert refused.returncode == 1 and refused.stdout.startswith("pacsd: ")


def test_a_study_on_hold_is_not_purged(server: Server, tmp_path: Path) -> None:
    sent = objects(11, "113001")
    store(server, tmp_path, *sent.images)
    uid = sent.study.study_instance_uid
    assert server.command("hold", uid, "--reason", "in court").returncode == 0
    assert uid in server.command("holds").stdout
    refused = server.command("purge", uid, "--yes")
    assert (refused.returncode, refused.stdout) == (1, "pacsd: the study is on legal hold\n")
    assert server.command("release", uid, "--reason", "decided").returncode == 0
    assert server.command("purge", uid, "--yes").returncode == 0
    assert listed_by_web(server, sent) == set()


def test_a_note_that_names_nothing_is_refused(server: Server, tmp_path: Path) -> None:
    sent = objects(12, "113001")
    answer = store(server, tmp_path, rejection_note(sent.study, []))
    assert "Error: CannotUnderstand" in answer


def test_what_was_kept_long_enough_goes_once_another_archive_has_taken_the_note(
    server: Server, tmp_path: Path
) -> None:
    of = study(73, 1, modality="CT", study_date="20100101")
    paths = written(tmp_path, *(ct_slice(of, instance=n, rows=32, columns=32) for n in (1, 2)))
    dcmtk.run("storescu", server.dicom_port, files=paths, called="OLD")
    line = f"{of.study_instance_uid} kept until 2019-12-30 by retention[0]"
    assert server.command("retention", "--dry-run").stdout == f"{line}\n"
    refused = server.command("retention")
    assert refused.returncode == 3 and f"{line}: not deleted\n" in refused.stdout
    came = tmp_path / "came"
    came.mkdir()
    with dcmtk.receiver(VNA_PORT, came, title="VNA"):
        done = server.command("retention")
    assert (done.returncode, done.stdout) == (0, f"{line}: deleted, 2 instances\n")
    (note,) = came.iterdir()
    read = pydicom.dcmread(note)
    assert read.ConceptNameCodeSequence[0].CodeValue == "113039" and read.PatientID == of.patient_id
    (series,) = read.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    named = {one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence}
    assert named == {of.sop_instance_uid(1, n) for n in (1, 2)}
    key = f"StudyInstanceUID={of.study_instance_uid}"
    assert dcmtk.find(server.dicom_port, "QueryRetrieveLevel=STUDY", key, called="OLD") == []
