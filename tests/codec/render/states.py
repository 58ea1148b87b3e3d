"""Presentation states for the tests, made for an image."""

from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from tests.codec.render.images import item

GRAYSCALE = "1.2.840.10008.5.1.4.1.1.11.1"


def presentation_state(image: Dataset, *, frames: list[int] | None = None, **attributes: Any) -> Dataset:
    """A grayscale softcopy presentation state of one image, all of it shown as it is unless `attributes` say more."""
    reference = item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)
    if frames:
        reference.ReferencedFrameNumber = frames
    made = item(
        SOPClassUID=GRAYSCALE, SOPInstanceUID=f"{image.SOPInstanceUID}.9", Modality="PR",
        StudyInstanceUID=image.StudyInstanceUID, SeriesInstanceUID=f"{image.SeriesInstanceUID}.9",
        PatientID=image.get("PatientID", "P"), PatientName=str(image.get("PatientName", "A^B")), PatientBirthDate="",
        PatientSex="", StudyDate="20260101", StudyTime="1200", AccessionNumber="", StudyID="1", SeriesNumber="9",
        InstanceNumber="1", ReferringPhysicianName="", Manufacturer="", ContentLabel="TEST", ContentDescription="",
        PresentationCreationDate="20260101", PresentationCreationTime="1200", ContentCreatorName="",
        ReferencedSeriesSequence=[
            item(ReferencedImageSequence=[reference], SeriesInstanceUID=image.SeriesInstanceUID)
        ],
        DisplayedAreaSelectionSequence=[displayed_area(1, 1, image.Columns, image.Rows)],
        PresentationLUTShape="IDENTITY",
    )  # fmt: skip
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = GRAYSCALE
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def displayed_area(left: int, top: int, right: int, bottom: int, **attributes: Any) -> Dataset:
    """An item of the Displayed Area Selection Sequence; columns and rows count from 1, both ends are shown."""
    made = item(
        DisplayedAreaTopLeftHandCorner=[left, top],
        DisplayedAreaBottomRightHandCorner=[right, bottom],
        PresentationSizeMode="SCALE TO FIT",
        PresentationPixelAspectRatio=["1", "1"],
    )
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def window(center: float, width: float) -> Dataset:
    """An item of the Softcopy VOI LUT Sequence."""
    return item(WindowCenter=str(center), WindowWidth=str(width))
