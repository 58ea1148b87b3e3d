"""Small objects for the tests of the DIMSE edge."""

from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

ROOT_UID = "1.2.826.0.1.3680043.10.54321.7"


def ct(*, number: int = 0, rows: int = 512, frames: int = 1, transfer_syntax: str = ExplicitVRLittleEndian) -> Dataset:
    """One CT slice of rows × rows 16-bit pixels (times `frames`)."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = transfer_syntax
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = CTImageStorage
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{ROOT_UID}.3.{number}"
    image.StudyDate, image.Modality = "20260102", "CT"
    image.PatientID, image.PatientName = f"P{number}", "Nobody^Nowhere"
    image.StudyInstanceUID, image.SeriesInstanceUID = f"{ROOT_UID}.1", f"{ROOT_UID}.2"
    image.InstanceNumber = number
    image.Rows = image.Columns = rows
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    image.PixelData = bytes(range(256)) * (rows * rows * frames // 128)
    return image


def ct_file(folder: Path, **what: int) -> Path:
    """The slice as a file named by its SOP Instance UID."""
    image = ct(**what)  # type: ignore[arg-type]
    path = folder / f"{image.SOPInstanceUID}.dcm"
    image.save_as(path, enforce_file_format=True)
    return path
