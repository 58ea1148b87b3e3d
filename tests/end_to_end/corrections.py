"""The corrections that the life of the archive makes, and what they must look like from outside."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import httpx
import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from pacsd.archive.overlay import Overlays
from tests.end_to_end import peers
from tests.end_to_end.samples import Sample, part10

if TYPE_CHECKING:
    from tests.end_to_end.house import House

WHERE = ("h0", "h2", "h3")
PATIENT_ID = "4MR1"                      # seven organisations have a patient of this id
NAME = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Corrected^Name", "Ideographic": "更^正"}]}}
DESCRIPTION = {"00081030": {"vr": "LO", "Value": ["CORRECTED DESCRIPTION"]}, "00200010": None}
ORIGINAL_ATTRIBUTES, MODIFIED_ATTRIBUTES, CHARACTER_SET = 0x04000561, 0x04000550, 0x00080005
CORRECTED_STUDIES = ("series_ct_phantom_28_slices", "same_ct_in_many")       # of h0; the second is deflated there


def state(overlays: Overlays, first: Sequence[Sample]) -> None:
    """One patient of h2 and one of h3 get a name, two studies of h0 a description and no Study ID."""
    for code in ("h2", "h3"):
        overlays.set_patient_overlay(assigning_authority=code, patient_id=PATIENT_ID, attributes=NAME)
    for study in sorted(corrected_studies(first)):
        overlays.set_study_overlay(organisation="h0", study_instance_uid=study, attributes=DESCRIPTION)


def corrected_studies(first: Sequence[Sample]) -> set[str]:
    """Study Instance UIDs corrected in h0."""
    return {one.study_instance_uid for one in first if set(CORRECTED_STUDIES) & set(one.path.parts)}


def overlay_of(code: str, sample: Sample, dataset: Dataset) -> dict[str, Any]:
    """What this object must show other than its bytes do."""
    patient_id = dataset.get_item(0x00100020)            # as bytes: asking for the value would change the element
    if code in ("h2", "h3") and isinstance(patient_id, RawDataElement) and patient_id.value:
        return NAME if patient_id.value.strip() == PATIENT_ID.encode() else {}
    if code == "h0" and set(CORRECTED_STUDIES) & set(sample.path.parts):
        return DESCRIPTION
    return {}


def check(code: str, sample: Sample, sent: bytes, came: bytes) -> None:
    """An object as it came out, against the one that was sent in."""
    before, after = parsed(sample, sent), parsed(sample, came)
    overlay = overlay_of(code, sample, before)
    if not overlay:
        assert came == sent, sample.path
        return
    changed = {int(tag, 16) for tag in overlay}
    lengths = {tag for tag in tags(before) if tag & 0xFFFF == 0 and tag >> 16 in {one >> 16 for one in changed}}
    untouched = tags(before) - changed - lengths - {ORIGINAL_ATTRIBUTES, CHARACTER_SET}
    assert untouched <= tags(after), sample.path
    assert tags(after) - untouched <= changed | lengths | {ORIGINAL_ATTRIBUTES, CHARACTER_SET}, sample.path
    assert [hex(tag) for tag in untouched if stored(before, tag) != stored(after, tag)] == [], sample.path
    if overlay is NAME:
        assert str(after.PatientName) == "Corrected^Name=更^正", sample.path
    else:
        assert after.StudyDescription == "CORRECTED DESCRIPTION" and not after.get("StudyID"), sample.path
    originals = after[ORIGINAL_ATTRIBUTES].value[-1]
    assert originals.ReasonForTheAttributeModification in ("CORRECT", "COERCE"), sample.path
    modified = originals.ModifiedAttributesSequence[0]
    for tag in changed & tags(before):
        assert modified[tag].value == before[tag].value, (sample.path, hex(tag))


def tags(dataset: Dataset) -> set[int]:
    """What elements there are, without reading them."""
    return set(dataset.keys())


def stored(dataset: Dataset, tag: int) -> object:
    """An element as its bytes say; a sequence of undefined length by its items."""
    element = dataset.get_item(tag)
    if isinstance(element, RawDataElement):
        return element.VR, element.length, element.value
    return element


def parsed(sample: Sample, data: bytes) -> Dataset:
    """By pydicom."""
    file = part10(
        data,
        sop_class_uid=sample.sop_class_uid,
        sop_instance_uid=sample.sop_instance_uid,
        transfer_syntax_uid=sample.transfer_syntax_uid,
    )
    return pydicom.dcmread(BytesIO(file))


def check_answers(house: "House", first: Sequence[Sample]) -> None:
    """QIDO-RS, C-FIND and metadata show corrections, and find by them."""
    base_url, port = house.server.base_url, house.server.dicom_port
    found = httpx.get(f"{base_url}/studies?StudyDescription=CORRECTED*&includefield=StudyDescription").json()
    assert {one["0020000D"]["Value"][0] for one in found} == corrected_studies(first)
    assert {one["00081030"]["Value"][0] for one in found} == {"CORRECTED DESCRIPTION"}
    for study in corrected_studies(first):
        for instance in httpx.get(f"{base_url}/studies/{study}/metadata", timeout=60).json():
            assert instance["00081030"]["Value"] == ["CORRECTED DESCRIPTION"]
            assert not instance.get("00200010", {}).get("Value")
            assert instance["04000561"]["Value"]
    for code in ("h1", "h2", "h3"):
        matches = peers.find(
            port, called=house.holdings[code].title, QueryRetrieveLevel="STUDY", PatientName="corrected*", PatientID="",
            StudyInstanceUID="", SpecificCharacterSet="ISO_IR 192",
        )  # fmt: skip
        expected = {PATIENT_ID} if code in WHERE else set()
        assert {str(match.PatientID) for match in matches} == expected
        assert {str(match.PatientName) for match in matches} == ({"Corrected^Name=更^正"} if expected else set())
