"""Every real file de-identified and looked through by pydicom, DCMTK and a search for raw bytes alone."""

import re
import subprocess
import warnings
from collections import Counter
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from config.deidentification import load_policy
from pacsd.deidentify import Deidentified
from pacsd.faults import Fault, PacsdError
from tests.clients import require
from tests.deidentify.objects import OTHER, PROJECT
from tests.deidentify.original import elements, identifying, present

# What test files call patients, and the standard's own words say: in defined terms, in our statement of the method, in
# a number of a series that is also the patient's.
WORDS = {
    "eCT_Supplemental.dcm": {"Perfusion"},
    "mf.dcm": {"123456"},
    "sample-op.dcm": {"19000101"},
    "pet_acrin_029.dcm": {"REMOVED"},
    "sm_annotations.dcm": {"Patient"},
    "sm_image.dcm": {"Patient"},
    "study_us_multiframe_with_ko/images/000000.dcm": {"Anonymized"},
    "study_xa_multiframe_with_ko/images/000000.dcm": {"Anonymized"},
}
_EVERY = 9                               # of how many files DCMTK looks at one: each costs it a process


def files(data_folder: Path) -> list[Path]:
    """All DICOM files."""
    named = (".json", ".txt", ".xml", ".md")
    return [path for path in sorted((data_folder / "dicom").rglob("*")) if path.is_file() and path.suffix not in named]


@pytest.fixture(params=["basic", "research"])
def making(request: pytest.FixtureRequest) -> Deidentified:
    """As the policies that come with the program say, and images without a rule too, so that all are looked at."""
    return Deidentified(replace(load_policy(request.param), without_rule="keep"), PROJECT)


def made_of(making: Deidentified, path: Path) -> bytes | None:
    """The de-identified file, None where it is refused."""
    try:
        return b"".join(making.of_part10([path.read_bytes()]).part10())
    except PacsdError as error:
        if error.fault not in (Fault.MALFORMED, Fault.UNSUPPORTED):
            raise
        return None


def safe(element: pydicom.DataElement, making: Deidentified) -> bool:
    listed = making.profile.private_vr(str(element.private_creator), element.tag) is not None
    return element.tag.element < 0x100 or listed


def test_nothing_that_identifies_stands_in_any_file(data_folder: Path, making: Deidentified) -> None:
    refused, wrong = [], {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files(data_folder):
            made = made_of(making, path)
            if made is None:
                refused.append(path)
                continue
            words = next((words for end, words in WORDS.items() if str(path).endswith(end)), set())
            left = present(made, identifying(path) - words)
            read = pydicom.dcmread(BytesIO(made))
            private = [one.tag for one in elements(read) if one.tag.is_private and not safe(one, making)]
            if left or private or read.PatientIdentityRemoved != "YES":
                wrong[path] = left, private
    assert wrong == {}
    assert len(refused) <= 14, refused       # broken ones, a DICOMDIR, ultrasound that does not say where it is


def test_dcmtk_finds_no_fault_that_the_original_did_not_have(
    data_folder: Path, making: Deidentified, tmp_path: Path
) -> None:
    require("dcmdump")
    for path in files(data_folder)[::_EVERY]:
        made = made_of(making, path)
        if made is not None:
            target = tmp_path / "made.dcm"
            target.write_bytes(made)
            before, after = said(path), said(target)
            assert not after - before, path


def said(path: Path) -> Counter[str]:
    """What dcmdump complains of, without numbers and tags."""
    done = subprocess.run(["dcmdump", str(path)], capture_output=True, check=False)
    lines = done.stderr.decode("latin-1").splitlines()
    failed = Counter(["failed"] * done.returncode)
    return failed + Counter(re.sub(r"\(.*?\)|0x\w+|/\S+|\d+", "", line) for line in lines)


def test_a_study_stays_linked_in_a_project_and_projects_share_nothing(data_folder: Path) -> None:
    policy = load_policy("research")
    paths = sorted((data_folder / "dicom" / "study_mr_2series_with_ko").rglob("*.dcm"))
    assert len(paths) > 2
    told: list[set[str]] = []
    for project in (PROJECT, PROJECT, OTHER):
        making, values = Deidentified(policy, project), set()
        for path in paths:
            made = made_of(making, path)
            assert made is not None
            read = pydicom.dcmread(BytesIO(made), stop_before_pixels=True)
            values |= {
                str(one.value) for one in elements(read)
                if one.VR in ("UI", "DA", "PN") or one.keyword in ("PatientID", "AccessionNumber", "StudyID")
                if one.value and not str(one.value).startswith("1.2.840.10008.")
            }
        told.append(values)
    dummies = {"ANONYMIZED", "19000101"}
    assert told[0] == told[1] and len(told[0]) > 5
    assert not (told[0] - dummies) & (told[2] - dummies)


def test_references_among_the_instances_of_a_study_still_lead_somewhere(data_folder: Path) -> None:
    making = Deidentified(load_policy("research"), PROJECT)
    folder = data_folder / "dicom" / "study_mr_2series_with_ko"
    instances, referenced = set(), set()
    original, pointed = set(), set()
    for path in sorted(folder.rglob("*.dcm")):
        made = made_of(making, path)
        assert made is not None
        for data, there, to in ((made, instances, referenced), (path.read_bytes(), original, pointed)):
            read = pydicom.dcmread(BytesIO(data), stop_before_pixels=True)
            there.add(read.SOPInstanceUID)
            to |= {one.value for one in elements(read) if one.keyword == "ReferencedSOPInstanceUID"}
    assert len(referenced & instances) == len(pointed & original) > 0
