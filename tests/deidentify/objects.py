"""Objects full of identifiers, made here; and de-identifiers for them."""

from dataclasses import replace
from io import BytesIO

import numpy
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from config.deidentification import Policy
from pacsd.deidentify import Deidentified, Outcome, Project

ROOT = "1.2.826.0.1.3680043.10.777."
PROJECT, OTHER = Project("one", b"1" * 32), Project("other", b"2" * 32)
CT = "1.2.840.10008.5.1.4.1.1.2"
SECRETS = ("Zhangsan", "张三丰", "000777123", "ACC99887", "Springfield", "19700131", "20240215", "Nobody Knows", ROOT)


def image(**attributes: object) -> Dataset:
    """A CT image, 4 × 4, with identifiers everywhere; attributes by keyword on top."""
    made = Dataset()
    made.SpecificCharacterSet = "GB18030"
    made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.SOPClassUID, made.SOPInstanceUID = CT, ROOT + "1.1.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = ROOT + "1", ROOT + "1.1"
    made.FrameOfReferenceUID = ROOT + "9"
    made.StudyDate = made.SeriesDate = made.ContentDate = "20240215"
    made.StudyTime = made.ContentTime = "101112"
    made.AcquisitionDateTime = "20240215101112.5"
    made.AccessionNumber, made.Modality = "ACC99887", "CT"
    made.Manufacturer, made.ManufacturerModelName = "ACME", "Scanner 5"
    made.InstitutionName, made.StationName = "Springfield General", "CTSCAN7"
    made.ReferringPhysicianName = "House^Gregory"
    made.StudyDescription = "CT of Zhangsan, 2024-02-15, 000777123"
    made.SeriesDescription = "Abdomen 5.0 for 张三丰"
    made.PatientName, made.PatientID = "Feng^Zhangsan=张^三丰", "000777123"
    made.PatientBirthDate, made.PatientSex, made.PatientAge = "19700131", "M", "054Y"
    made.PatientComments = "Mr Feng lives in Springfield"
    made.AdmittingDiagnosesDescription = "Appendicitis"
    made.StudyID, made.SeriesNumber, made.InstanceNumber = "S-4711-Z", 1, 1
    referenced = Dataset()
    referenced.ReferencedSOPClassUID, referenced.ReferencedSOPInstanceUID = CT, ROOT + "1.1.2"
    nested = Dataset()
    nested.PatientID, nested.PatientName = "000777123", "Feng^Zhangsan"
    nested.CodeMeaning = "seen by Gregory House"
    referenced.PurposeOfReferenceCodeSequence = Sequence([nested])
    made.ReferencedImageSequence = Sequence([referenced])
    block = made.private_block(0x0009, "SECRET VENDOR", create=True)
    block.add_new(0x01, "LO", "Nobody Knows 000777123")
    safe = made.private_block(0x0043, "GEMS_PARM_01", create=True)
    safe.add_new(0x39, "IS", "1000")
    safe.add_new(0x40, "LO", "Nobody Knows")
    made.Rows = made.Columns = 4
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = numpy.arange(16, dtype="<u2").tobytes()
    made["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def part10(dataset: Dataset, syntax: str = ExplicitVRLittleEndian, *, preamble: bytes = b"Nobody Knows") -> bytes:
    """The object as a file, a secret in its preamble."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.SourceApplicationEntityTitle = "CTSCAN7"
    dataset.preamble = preamble.ljust(128, b"\0")
    out = BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def policy(*options: str, **more: object) -> Policy:
    """A policy with these options."""
    return replace(Policy(options=options), **more)  # type: ignore[arg-type]


def outcome(data: bytes, *options: str, project: Project = PROJECT, issuer: str = "", **more: object) -> Outcome:
    """What becomes of a file."""
    return Deidentified(policy(*options, **more), project).of_part10([data], default_issuer=issuer)


def deidentified(data: bytes, *options: str, project: Project = PROJECT, **more: object) -> Dataset:
    """The de-identified object, as pydicom reads it."""
    made = b"".join(outcome(data, *options, project=project, **more).part10())
    return pydicom.dcmread(BytesIO(made))
