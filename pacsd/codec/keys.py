"""The attributes the index keeps, one table: what each is called, whose level it belongs to, who asks for it.

Levels are those of the Query/Retrieve information model (PS3.4 C.6.1.1, C.6.2.1). `required` marks a
required or unique matching key there or in PS3.18 Table 10.6.1-5; `default` marks what a QIDO-RS answer holds
without `includefield` (PS3.18 Tables 10.6.3-3, -4 and -5). Attributes that the index computes (counts,
Modalities in Study, Instance Availability, Retrieve URL) are not in the bytes and not in this table.
"""

from dataclasses import dataclass
from typing import Literal

Level = Literal["patient", "study", "series", "instance"]

SPECIFIC_CHARACTER_SET = 0x00080005


@dataclass(frozen=True, slots=True)
class Key:
    """One attribute of the index: `tag` as 0xGGGGEEEE, the standard's keyword and VR, and its level."""

    tag: int
    keyword: str
    vr: str
    level: Level
    required: bool = False
    default: bool = False

    @property
    def hex(self) -> str:
        """The member name in the DICOM JSON Model, eight upper-case digits (PS3.18 F.2.2)."""
        return f"{self.tag:08X}"


KEYS: tuple[Key, ...] = (
    # Patient (PS3.4 Table C.6-1)
    Key(0x00100010, "PatientName", "PN", "patient", required=True, default=True),
    Key(0x00100020, "PatientID", "LO", "patient", required=True, default=True),
    Key(0x00100021, "IssuerOfPatientID", "LO", "patient"),
    Key(0x00100024, "IssuerOfPatientIDQualifiersSequence", "SQ", "patient"),
    Key(0x00100030, "PatientBirthDate", "DA", "patient", default=True),
    Key(0x00100032, "PatientBirthTime", "TM", "patient"),
    Key(0x00100040, "PatientSex", "CS", "patient", default=True),
    Key(0x00101000, "OtherPatientIDs", "LO", "patient"),
    Key(0x00101001, "OtherPatientNames", "PN", "patient"),
    Key(0x00101002, "OtherPatientIDsSequence", "SQ", "patient"),
    Key(0x00102160, "EthnicGroup", "SH", "patient"),
    Key(0x00104000, "PatientComments", "LT", "patient"),
    # Study (PS3.4 Table C.6-2)
    Key(0x00080020, "StudyDate", "DA", "study", required=True, default=True),
    Key(0x00080030, "StudyTime", "TM", "study", required=True, default=True),
    Key(0x00080050, "AccessionNumber", "SH", "study", required=True, default=True),
    Key(0x00080051, "IssuerOfAccessionNumberSequence", "SQ", "study"),
    Key(0x00080090, "ReferringPhysicianName", "PN", "study", required=True, default=True),
    Key(0x00080201, "TimezoneOffsetFromUTC", "SH", "study", default=True),
    Key(0x00081030, "StudyDescription", "LO", "study"),
    Key(0x00081032, "ProcedureCodeSequence", "SQ", "study"),
    Key(0x00081048, "PhysiciansOfRecord", "PN", "study"),
    Key(0x00081060, "NameOfPhysiciansReadingStudy", "PN", "study"),
    Key(0x00081080, "AdmittingDiagnosesDescription", "LO", "study"),
    Key(0x00101010, "PatientAge", "AS", "study"),
    Key(0x00101020, "PatientSize", "DS", "study"),
    Key(0x00101030, "PatientWeight", "DS", "study"),
    Key(0x00102180, "Occupation", "SH", "study"),
    Key(0x001021B0, "AdditionalPatientHistory", "LT", "study"),
    Key(0x0020000D, "StudyInstanceUID", "UI", "study", required=True, default=True),
    Key(0x00200010, "StudyID", "SH", "study", required=True, default=True),
    # Series (PS3.4 Table C.6-3)
    Key(0x00080021, "SeriesDate", "DA", "series"),
    Key(0x00080031, "SeriesTime", "TM", "series"),
    Key(0x00080060, "Modality", "CS", "series", required=True, default=True),
    Key(0x00080070, "Manufacturer", "LO", "series"),
    Key(0x00080080, "InstitutionName", "LO", "series"),
    Key(0x00081010, "StationName", "SH", "series"),
    Key(0x0008103E, "SeriesDescription", "LO", "series", default=True),
    Key(0x00081040, "InstitutionalDepartmentName", "LO", "series"),
    Key(0x00081050, "PerformingPhysicianName", "PN", "series"),
    Key(0x00081070, "OperatorsName", "PN", "series"),
    Key(0x00081090, "ManufacturerModelName", "LO", "series"),
    Key(0x00180015, "BodyPartExamined", "CS", "series"),
    Key(0x00181030, "ProtocolName", "LO", "series"),
    Key(0x0020000E, "SeriesInstanceUID", "UI", "series", required=True, default=True),
    Key(0x00200011, "SeriesNumber", "IS", "series", required=True, default=True),
    Key(0x00200060, "Laterality", "CS", "series"),
    Key(0x00400244, "PerformedProcedureStepStartDate", "DA", "series", required=True, default=True),
    Key(0x00400245, "PerformedProcedureStepStartTime", "TM", "series", required=True, default=True),
    Key(0x00400253, "PerformedProcedureStepID", "SH", "series"),
    Key(0x00400275, "RequestAttributesSequence", "SQ", "series", required=True, default=True),
    # Composite object instance (PS3.4 Table C.6-4)
    Key(0x00080008, "ImageType", "CS", "instance"),
    Key(0x00080016, "SOPClassUID", "UI", "instance", required=True, default=True),
    Key(0x00080018, "SOPInstanceUID", "UI", "instance", required=True, default=True),
    Key(0x00080022, "AcquisitionDate", "DA", "instance"),
    Key(0x00080023, "ContentDate", "DA", "instance"),
    Key(0x0008002A, "AcquisitionDateTime", "DT", "instance"),
    Key(0x00080032, "AcquisitionTime", "TM", "instance"),
    Key(0x00080033, "ContentTime", "TM", "instance"),
    Key(0x00200013, "InstanceNumber", "IS", "instance", required=True, default=True),
    Key(0x00280008, "NumberOfFrames", "IS", "instance", default=True),
    Key(0x00280010, "Rows", "US", "instance", default=True),
    Key(0x00280011, "Columns", "US", "instance", default=True),
    Key(0x00280100, "BitsAllocated", "US", "instance", default=True),
    Key(0x0040A043, "ConceptNameCodeSequence", "SQ", "instance"),
    Key(0x0040A491, "CompletionFlag", "CS", "instance"),
    Key(0x0040A493, "VerificationFlag", "CS", "instance"),
    Key(0x00700080, "ContentLabel", "CS", "instance"),
    Key(0x00700081, "ContentDescription", "LO", "instance"),
    Key(0x00700082, "PresentationCreationDate", "DA", "instance"),
    Key(0x00700083, "PresentationCreationTime", "TM", "instance"),
    Key(0x00700084, "ContentCreatorName", "PN", "instance"),
)

KEY_BY_TAG: dict[int, Key] = {key.tag: key for key in KEYS}
KEY_BY_KEYWORD: dict[str, Key] = {key.keyword: key for key in KEYS}
INDEXED_TAGS: frozenset[int] = frozenset(KEY_BY_TAG) | {SPECIFIC_CHARACTER_SET}


def keys_of(level: Level) -> tuple[Key, ...]:
    """The declared attributes of one level, in tag order."""
    return tuple(sorted((key for key in KEYS if key.level == level), key=lambda key: key.tag))
