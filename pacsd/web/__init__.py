"""DICOMweb (PS3.18): one file per transaction."""
