"""Instances that belong to no patient, made for tests."""

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from tests.synthetic import encode, uid

COLOR_PALETTE = "1.2.840.10008.5.1.4.39.1"
HANGING_PROTOCOL = "1.2.840.10008.5.1.4.38.1"
IMPLANT_TEMPLATE = "1.2.840.10008.5.1.4.43.1"
PROTOCOL_APPROVAL = "1.2.840.10008.5.1.4.1.1.200.3"


def color_palette(label: str, number: int = 1, *, entries: int = 256) -> Dataset:
    """A palette with three tables; from about 2,000 entries on longer than what JSON usually tells inline."""
    made = _instance(COLOR_PALETTE, label, number)
    made.ContentLabel = label
    made.ContentDescription = "测试调色板"
    made.ContentCreatorName = "Wang^XiaoDong=王^小东"
    for color in ("Red", "Green", "Blue"):
        setattr(made, f"{color}PaletteColorLookupTableDescriptor", [entries, 0, 16])
        setattr(made, f"{color}PaletteColorLookupTableData", bytes(range(256)) * (entries // 128))
    return made


def hanging_protocol(name: str, number: int = 1, *, modality: str = "CT", level: str = "SITE") -> Dataset:
    """A protocol for one modality and a coded region."""
    made = _instance(HANGING_PROTOCOL, name, number)
    made.HangingProtocolName = name
    made.HangingProtocolDescription = "synthetic"
    made.HangingProtocolLevel = level
    made.HangingProtocolCreator = "PACSD"
    made.HangingProtocolCreationDateTime = "20260102030405"
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "T-D3000", "SRT", "Chest"
    definition = Dataset()
    definition.Modality = modality
    definition.AnatomicRegionSequence = Sequence([region])
    definition.Laterality = ""
    made.HangingProtocolDefinitionSequence = Sequence([definition])
    made.NumberOfPriorsReferenced = 0
    made.HangingProtocolUserIdentificationCodeSequence = Sequence()
    made.NumberOfScreens = 2
    return made


def implant_template(name: str, number: int = 1) -> Dataset:
    """As much of a template as it is searched by."""
    made = _instance(IMPLANT_TEMPLATE, name, number)
    made.Manufacturer, made.ImplantName, made.ImplantPartNumber = "ACME", name, f"P{number}"
    made.EffectiveDateTime = f"2026{number:02}01"
    return made


def part10(dataset: Dataset, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> bytes:
    """The instance as a file."""
    return encode(dataset, transfer_syntax_uid)


def _instance(sop_class_uid: str, *parts: object) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = sop_class_uid
    made.SOPInstanceUID = uid("non-patient", sop_class_uid, *parts)
    return made
