"""pacsd: a standards-native imaging server (DICOM, DICOMweb, FHIR R4, HL7 v2)."""

__version__ = "0.1.0.dev0"
