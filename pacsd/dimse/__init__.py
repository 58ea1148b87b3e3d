"""DICOM message services (PS3.4, PS3.7, PS3.8): one file per service."""
