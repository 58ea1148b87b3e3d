import pytest

from pacsd.workflow.refusals import Reason, Refusal
from pacsd.workflow.requirements import check_final, created, updated
from pacsd.workflow.states import State
from tests.workflow.steps import attribute, code, first, performed, progress, step


def refused(call) -> Reason:
    with pytest.raises(Refusal) as refusal:
        call()
    return refusal.value.reason


def create(**changes):
    return created(step(**changes), worklist_label="DEFAULT")


@pytest.mark.parametrize("tag", ["00741200", "00741204", "00404005", "00404041", "00741000"])
def test_type_1_attributes_must_be_there_with_a_value(tag):
    assert refused(lambda: create(**{f"t{tag}": None})) is Reason.MISSING_ATTRIBUTE
    assert refused(lambda: create(**{f"t{tag}": {"vr": "LO"}})) is Reason.MISSING_VALUE


def test_type_2_attributes_that_are_left_out_are_created_empty():
    made = create(t00404027=None)
    assert made.modified and made.attributes["00404027"] == {"vr": "SQ"}
    assert not create().modified


def test_a_worklist_label_is_filled_in():
    made = create(t00741202=attribute("LO"))
    assert made.modified and first(made.attributes, "00741202") == "DEFAULT"


@pytest.mark.parametrize("state", ["IN PROGRESS", "COMPLETED", "CANCELED"])
def test_only_scheduled_steps_are_created(state):
    assert refused(lambda: create(t00741000=attribute("CS", state))) is Reason.NOT_CREATED_SCHEDULED


@pytest.mark.parametrize(
    ("tag", "value", "reason"),
    [
        ("00741000", attribute("CS", "WAITING"), Reason.INVALID_VALUE),
        ("00741200", attribute("CS", "URGENT"), Reason.INVALID_VALUE),
        ("00404041", attribute("CS", "SOON"), Reason.INVALID_VALUE),
        ("00741002", attribute("SQ", {"00741004": attribute("DS", 1)}), Reason.NOT_ALLOWED),
        ("00741216", attribute("SQ", {}), Reason.NOT_ALLOWED),
        ("00081195", attribute("UI", "1.2.3"), Reason.NOT_ALLOWED),
        ("00404025", attribute("SQ", {"00080100": attribute("SH", "X")}), Reason.MISSING_ATTRIBUTE),
        ("00404025", attribute("SQ", {"00080104": attribute("LO", "X")}), Reason.MISSING_VALUE),
        ("0040A370", attribute("SQ", {}), Reason.MISSING_ATTRIBUTE),
        ("00404034", attribute("SQ", {"00404009": attribute("SQ", code("X"))}), Reason.MISSING_ATTRIBUTE),
    ],
)
def test_what_a_creation_must_not_hold(tag, value, reason):
    assert refused(lambda: create(**{f"t{tag}": value})) is reason


@pytest.mark.parametrize("tag", ["00741000", "00100010", "00100020", "0040A370", "00380010", "00080016"])
def test_what_may_not_be_set(tag):
    assert refused(lambda: updated(step(), {tag: attribute("LO", "X")}, worklist_label="")) is Reason.NOT_ALLOWED


def test_what_must_have_a_value_is_not_emptied():
    changes = {"00741204": attribute("LO")}
    assert refused(lambda: updated(step(), changes, worklist_label="")) is Reason.MISSING_VALUE


def test_a_sequence_is_replaced_as_a_whole():
    done = updated(step(), {"00404025": attribute("SQ", code("GPU2"))}, worklist_label="")
    assert done.attributes["00404025"]["Value"] == [code("GPU2")]
    assert done.attributes["00741204"] == step()["00741204"]


KEPT = created(step(), worklist_label="").attributes | {
    "00080016": attribute("UI", "1"), "00080018": attribute("UI", "1.2"), "00404010": attribute("DT", "2026"),
}  # fmt: skip


def test_a_step_may_be_completed_when_it_says_what_was_done():
    check_final({**KEPT, **performed()}, State.COMPLETED)
    assert refused(lambda: check_final(KEPT, State.COMPLETED)) is Reason.FINAL_STATE_NOT_MET


@pytest.mark.parametrize("tag", ["00404028", "00404050", "00404051", "00404019", "00404033"])
def test_every_part_of_what_was_done_counts(tag):
    done = performed()
    del done["00741216"]["Value"][0][tag]
    assert refused(lambda: check_final({**KEPT, **done}, State.COMPLETED)) is Reason.FINAL_STATE_NOT_MET


def test_a_step_may_be_canceled_when_it_says_when_and_why():
    ended = {"00404052": attribute("DT", "2026"), "0074100E": attribute("SQ", code("110513", "DCM"))}
    check_final({**KEPT, "00741002": attribute("SQ", ended)}, State.CANCELED)
    for tag in ended:
        less = {"00741002": attribute("SQ", {key: value for key, value in ended.items() if key != tag})}
        assert refused(lambda less=less: check_final({**KEPT, **less}, State.CANCELED)) is Reason.FINAL_STATE_NOT_MET
    assert refused(lambda: check_final({**KEPT, **progress(1)}, State.CANCELED)) is Reason.FINAL_STATE_NOT_MET
