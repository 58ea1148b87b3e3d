"""Work to be done: the one store of unified procedure steps (PS3.4 Annex CC), for DICOMweb and DIMSE alike."""
