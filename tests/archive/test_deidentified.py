"""Retrieval by a research client: the same instances, by other names."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy
import pydicom
import pytest

from pacsd.archive.deidentified import DeidentifiedRetrieve
from pacsd.archive.export import Export
from pacsd.archive.retrieve import read
from pacsd.deidentify import Deidentified, Project
from pacsd.faults import Fault, PacsdError
from tests.archive.house import House, opened
from tests.deidentify.objects import OTHER, PROJECT, ROOT, SECRETS, image, part10, policy
from tests.deidentify.original import present

STUDY = ROOT + "1"


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        house.receive(part10(image()))
        house.receive(part10(image()), code="west")
        yield house


def research(house: House, project: Project = PROJECT, *options: str) -> DeidentifiedRetrieve:
    return DeidentifiedRetrieve(
        house.retrieve, Export(house.retrieve, house.blobs), Deidentified(policy(*options), project)
    )


@pytest.mark.parametrize("packed", [False, True])
def test_instances_come_deidentified_out_of_files_and_packs(house: House, packed: bool) -> None:
    if packed:
        house.pack_all()
    given = research(house)
    (ref,) = given.instances(house.peer("east").scope, STUDY)
    made = b"".join(read(given.part10(ref).pieces))
    file = pydicom.dcmread(BytesIO(made))
    told = ref.study_instance_uid, ref.series_instance_uid, ref.sop_instance_uid
    assert told == (file.StudyInstanceUID, file.SeriesInstanceUID, file.SOPInstanceUID)
    assert file.StudyInstanceUID == PROJECT.uid(STUDY)
    assert present(made + repr(told).encode(), set(SECRETS)) == set()


def test_whoever_issued_the_patient_id_tells_patients_of_two_hospitals_apart(house: House) -> None:
    given = research(house)
    patients = set()
    for code in ("east", "west"):
        (ref,) = given.instances(house.peer(code).scope, STUDY)
        patients.add(pydicom.dcmread(BytesIO(b"".join(read(given.part10(ref).pieces)))).PatientID)
    assert patients == {PROJECT.patient(code, "000777123").patient_id for code in ("east", "west")}


def test_another_transfer_syntax_is_made_of_the_deidentified_object(house: House) -> None:
    given = research(house)
    (ref,) = given.instances(house.peer("east").scope, STUDY)
    rle = "1.2.840.10008.1.2.5"
    assert given.fits(ref, rle)
    made = pydicom.dcmread(BytesIO(b"".join(read(given.part10(ref, rle).pieces))))
    assert made.file_meta.TransferSyntaxUID == rle
    assert (made.pixel_array == numpy.arange(16).reshape(4, 4)).all()
    assert made.PatientIdentityRemoved == "YES"


def test_projects_and_policies_have_tags_of_their_own(house: House) -> None:
    scope = house.peer("east").scope
    digests = {
        research(house, *how).instances(scope, STUDY)[0].digest  # type: ignore[arg-type]
        for how in ((PROJECT,), (OTHER,), (PROJECT, "descriptors"))
    }
    assert len(digests) == 3
    assert house.retrieve.instances(scope, STUDY)[0].digest not in digests


def test_what_is_not_there_or_cannot_be_cleaned_is_an_error(house: House) -> None:
    given = research(house)
    with pytest.raises(PacsdError) as caught:
        given.instances(house.peer("east").scope, ROOT + "404")
    assert caught.value.fault is Fault.NOT_FOUND
    house.receive(part10(image(Modality="US", SOPInstanceUID=ROOT + "1.1.7")))
    (ref,) = given.instances(house.peer("east").scope, STUDY, ROOT + "1.1", ROOT + "1.1.7")
    with pytest.raises(PacsdError) as caught:
        given.part10(ref)
    assert caught.value.fault is Fault.UNSUPPORTED
