"""What the benchmark asks with."""

from pathlib import Path

from pydicom import dcmread

from tests.bench.dcmtk import STUDY_ROOT_FIND, write_query


def test_a_query_holds_no_uid_of_its_file_as_a_key(tmp_path: Path) -> None:
    query = dcmread(write_query(tmp_path / "query.dcm", PatientID="P1"))
    assert "SOPInstanceUID" not in query and "SOPClassUID" not in query
    assert (query.PatientID, query.QueryRetrieveLevel) == ("P1", "STUDY")
    assert query.file_meta.MediaStorageSOPClassUID == STUDY_ROOT_FIND
