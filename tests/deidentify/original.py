"""What identifies in an object, read with pydicom alone: nothing here knows the room that is tested."""

from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

MIN_CHARACTERS = 6
IDENTIFIERS = frozenset((
    "PatientID", "OtherPatientIDs", "IssuerOfPatientID", "AccessionNumber", "StudyID", "InstitutionName",
    "InstitutionAddress", "InstitutionalDepartmentName", "PatientAddress", "PatientTelephoneNumbers",
    "MedicalRecordLocator", "AdmissionID", "StationName", "DeviceSerialNumber", "PatientInstitutionResidence",
    "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest", "RequestedProcedureID",
    "ScheduledProcedureStepID", "PerformedProcedureStepID", "PerformedStationName", "PerformedStationAETitle",
    "PerformedLocation", "CurrentPatientLocation", "MilitaryRank", "PlateID", "CassetteID", "DetectorID", "GantryID",
    "ClinicalTrialSubjectID", "ClinicalTrialProtocolID", "ClinicalTrialSponsorName", "ServiceEpisodeID",
    "SpecimenIdentifier", "ContainerIdentifier", "RetrieveAETitle", "VerifyingOrganization",
    "CustodialOrganizationName",
))  # fmt: skip
# of definitions, not of instances
DEFINITIONS = frozenset((
    "SOPClassUID", "ReferencedSOPClassUID", "ReferencedSOPClassUIDInFile", "CodingSchemeUID", "ContextUID",
    "MappingResourceUID", "MediaStorageSOPClassUID", "TransferSyntaxUID", "RelatedGeneralSOPClassUID",
    "OriginalSpecializedSOPClassUID", "ImplementationClassUID", "ReferencedRelatedGeneralSOPClassUIDInFile",
))  # fmt: skip


def elements(dataset: Dataset) -> Iterator[DataElement]:
    """Every element at every level, as far as pydicom can read it."""
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # whatever pydicom makes of a damaged value: it cannot be read, so not told either
            continue
        yield element
        if element.VR == "SQ":
            for item in element.value or ():
                yield from elements(item)


def identifying(path: Path) -> set[str]:
    """What must not be found in the bytes of a de-identified form: UIDs, dates, names and identifiers."""
    dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    found: set[str] = set()
    for element in (*dataset.file_meta, *elements(dataset)) if hasattr(dataset, "file_meta") else elements(dataset):
        found |= {text for text in _told(element) if text}
    return found


def _told(element: DataElement) -> Iterator[str]:
    values = element.value if isinstance(element.value, MultiValue | list) else [element.value]
    for value in values:
        text = str(value if value is not None else "").strip(" \0\r\n\t")
        if element.VR == "UI":
            if text and not text.startswith("1.2.840.10008.") and element.keyword not in DEFINITIONS and "." in text:
                yield text
        elif element.VR in ("DA", "DT"):
            day = text[:8]
            yield day if len(day) == 8 and day.isdigit() else ""
        elif element.VR == "PN":
            for group in text.split("="):
                yield from (part for part in (group, *group.replace("^", " ").split()) if len(part) >= MIN_CHARACTERS)
        elif element.keyword in IDENTIFIERS and element.VR != "SQ":
            yield text if len(text) >= MIN_CHARACTERS else ""


def present(data: bytes, told: set[str]) -> set[str]:
    """Which of these stand somewhere in the bytes, in any character set that a Chinese or western device writes."""
    lowered = data.lower()
    found = set()
    for text in told:
        for codec in ("utf-8", "gb18030", "latin-1", "utf-16-le", "iso2022_jp", "euc_kr"):
            try:
                raw = text.encode(codec).lower()
            except UnicodeEncodeError:
                continue
            if raw in lowered:
                found.add(text)
    return found
