"""PS3.4 Table F.7.2-1, as it is read and as it is applied."""

import pytest
from pydicom.datadict import keyword_for_tag

from pacsd.workflow.performed_step_attributes import STEP_ROWS
from pacsd.workflow.performed_step_refusals import StepReason, StepRefusal
from pacsd.workflow.performed_step_requirements import created, updated
from tests.workflow.performed import begun, ended, scheduled, series
from tests.workflow.steps import attribute, code


def refused(call) -> StepRefusal:
    with pytest.raises(StepRefusal) as refusal:
        call()
    return refusal.value


def every(rows):
    for row in rows:
        yield row
        yield from every(row.items)


def test_every_line_names_its_attribute_rightly() -> None:
    assert [row.keyword for row in every(STEP_ROWS)] == [keyword_for_tag(int(row.tag, 16)) for row in every(STEP_ROWS)]


REQUIRED = [row for row in STEP_ROWS if row.create in ("1", "2")]


@pytest.mark.parametrize("row", REQUIRED, ids=lambda row: row.keyword)
def test_creation_needs_every_attribute_of_type_1_and_2(row) -> None:
    error = refused(lambda: created(begun(**{f"t{row.tag}": None})))
    assert (error.reason, error.tags) == (StepReason.MISSING_ATTRIBUTE, (int(row.tag, 16),))
    empty = begun(**{f"t{row.tag}": attribute("SQ" if row.items else "LO")})
    if row.create == "1":
        assert refused(lambda: created(empty)).reason is StepReason.MISSING_VALUE
    else:
        assert row.tag in created(empty)


def test_creation_needs_what_its_items_need() -> None:
    for tag in ("00080050", "00401001", "00081110"):
        item = scheduled()
        del item[tag]
        error = refused(lambda item=item: created(begun(item)))
        assert error.reason is StepReason.MISSING_ATTRIBUTE
        assert error.tags == (0x00400270,)
        assert f"({tag[:4]},{tag[4:]})" in error.message


def test_a_code_needs_a_value_and_a_meaning() -> None:
    assert created(begun(t00400281=attribute("SQ", code("110514", "DCM", "Wrong worklist entry"))))
    without = code("110514")
    del without["00080100"]
    error = refused(lambda: created(begun(t00400281=attribute("SQ", without))))
    assert error.reason is StepReason.MISSING_VALUE
    assert created(begun(t00400281=attribute("SQ", {**without, "00080120": attribute("UR", "http://a/b")})))


@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED", "DONE", "in progress"])
def test_only_a_step_in_progress_is_created(status: str) -> None:
    error = refused(lambda: created(begun(t00400252=attribute("CS", status))))
    assert (error.reason, error.tags) == (StepReason.INVALID_VALUE, (0x00400252,))


@pytest.mark.parametrize("uid", ["../etc", "1.2/3", "1" * 65, {"00081150": {}}])
def test_uids_are_such(uid: object) -> None:
    error = refused(lambda: created(begun({**scheduled(), "0020000D": attribute("UI", uid)})))
    assert error.reason is StepReason.INVALID_VALUE


def test_a_sequence_is_one() -> None:
    error = refused(lambda: created(begun(t00400340=attribute("LO", "x"))))
    assert (error.reason, error.tags) == (StepReason.INVALID_VALUE, (0x00400340,))
    error = refused(lambda: created(begun(t00400253=attribute("SQ", {}))))
    assert (error.reason, error.tags) == (StepReason.INVALID_VALUE, (0x00400253,))


def test_what_the_table_does_not_name_is_kept() -> None:
    extra = {"t00181030": attribute("LO", "x"), "t00091001": attribute("LO", "y")}
    assert {"00181030", "00091001"} <= created(begun(**extra)).keys()
    assert "00181110" in updated(begun(), {"00181110": attribute("DS", 1000)})


def test_what_may_not_be_set_may_be_repeated_unchanged() -> None:
    now = created(begun())
    same = {"00100020": now["00100020"], "00400270": now["00400270"], "00080005": attribute("CS", "ISO_IR 192")}
    assert updated(now, {**same, **ended()})["00400252"]["Value"] == ["COMPLETED"]
    error = refused(lambda: updated(now, {"00100020": attribute("LO", "P2")}))
    assert (error.reason, error.tags) == (StepReason.NO_SUCH_ATTRIBUTE, (0x00100020,))


def test_setting_replaces_sequences_as_a_whole() -> None:
    now = updated(created(begun()), {"00400340": attribute("SQ", series("1.1", ["1.1.1"]), series("1.2"))})
    now = updated(now, {"00400340": attribute("SQ", series("1.2", ["1.2.1"]))})
    assert len(now["00400340"]["Value"]) == 1
    assert now["00400252"]["Value"] == ["IN PROGRESS"]


@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED"])
def test_a_step_ends_with_a_series_and_a_time(status: str) -> None:
    now = created(begun())
    assert updated(now, ended(status=status))
    error = refused(lambda: updated(now, {"00400252": attribute("CS", status)}))
    assert error.reason is StepReason.MISSING_VALUE
    assert error.tags == (0x00400250, 0x00400251, 0x00400340)
    error = refused(lambda: updated(now, ended(status=status, t00400340=attribute("SQ"))))
    assert error.tags == (0x00400340,)


def test_what_was_set_before_counts_at_the_end() -> None:
    now = updated(created(begun()), {"00400340": attribute("SQ", series("1.1", ["1.1.1"]))})
    now = updated(now, {"00400250": attribute("DA", "20261129"), "00400251": attribute("TM", "1025")})
    assert updated(now, {"00400252": attribute("CS", "COMPLETED")})["00400340"] == now["00400340"]


@pytest.mark.parametrize("tag", ["00181030", "0020000E", "00081140", "00080054", "00081070"])
def test_a_performed_series_says_what_it_must(tag: str) -> None:
    error = refused(lambda: updated(created(begun()), ended(series("1.1", ["1.1.1"], **{f"t{tag}": None}))))
    assert (error.reason, error.tags) == (StepReason.MISSING_VALUE, (0x00400340,))


def test_a_reference_names_class_and_instance() -> None:
    broken = attribute("SQ", {"00081155": attribute("UI", "1.2")})
    error = refused(lambda: updated(created(begun()), ended(series("1.1", t00081140=broken))))
    assert error.reason is StepReason.MISSING_VALUE


def test_a_status_there_is_not_is_refused() -> None:
    error = refused(lambda: updated(created(begun()), {"00400252": attribute("CS", "PAUSED")}))
    assert (error.reason, error.tags) == (StepReason.INVALID_VALUE, (0x00400252,))
