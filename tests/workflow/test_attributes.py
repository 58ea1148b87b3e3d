from pydicom.datadict import dictionary_VR, keyword_for_tag

from pacsd.index.workitem_keys import COLUMN_BY_PATH
from pacsd.workflow.attributes import RETURNED, ROW_BY_PATH, is_matching_key


def test_the_table_names_what_the_dictionary_names():
    for path, row in ROW_BY_PATH.items():
        assert keyword_for_tag(int(row.tag, 16)) == row.keyword, path
        assert (dictionary_VR(int(row.tag, 16)) == "SQ") == bool(row.items), path
        assert row.final in ("R", "RC", "P", "X", "O"), path
        assert row.match in ("R", "U", "O", "-"), path


def test_every_column_is_a_matching_key():
    assert [path for path in COLUMN_BY_PATH if not is_matching_key(path)] == []


def test_required_matching_keys_of_the_row_itself_stand_in_columns():
    required = {path for path, row in ROW_BY_PATH.items() if row.match == "R" and not row.items and "." not in path}
    assert required - COLUMN_BY_PATH.keys() == {"00100021"}


def test_the_transaction_uid_is_neither_found_nor_returned():
    assert not is_matching_key("00081195")
    assert "00081195" not in RETURNED
