"""Pseudonyms: the same in one project, nothing shared by two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from pacsd.deidentify.pseudonyms import MAX_SHIFT_DAYS, Project
from pacsd.faults import Fault, PacsdError

ONE, OTHER = Project("one", b"1" * 32), Project("other", b"2" * 32)


@given(st.from_regex(r"[0-2](\.(0|[1-9]\d{0,8})){1,6}", fullmatch=True))
def test_uids_are_valid_consistent_and_different_in_every_project(uid: str) -> None:
    made = ONE.uid(uid)
    assert UID(made).is_valid and len(made) <= 64
    assert made == ONE.uid(uid) != OTHER.uid(uid)


def test_uids_of_the_standard_stay() -> None:
    assert ONE.uid("1.2.840.10008.5.1.4.1.1.2") == "1.2.840.10008.5.1.4.1.1.2"
    assert ONE.uid("") == ""


def test_a_patient_is_the_same_one_project_long() -> None:
    patient = ONE.patient("EAST", "000123")
    assert patient == ONE.patient("east ", "000123 ")
    assert len({
        patient.patient_id, ONE.patient("WEST", "000123").patient_id, ONE.patient("EAST", "123").patient_id,
        OTHER.patient("EAST", "000123").patient_id,
    }) == 4  # fmt: skip
    assert patient.shift_days != OTHER.patient("EAST", "000123").shift_days


@given(st.text(max_size=40), st.text(max_size=64))
def test_every_patient_is_shifted_by_at_least_a_month(issuer: str, patient_id: str) -> None:
    assert 30 <= ONE.patient(issuer, patient_id).shift_days <= MAX_SHIFT_DAYS


def test_dates_keep_their_distance() -> None:
    patient = ONE.patient("", "1")
    days = patient.shift_days
    from datetime import date, timedelta

    assert patient.shifted("20200301") == f"{date(2020, 3, 1) - timedelta(days=days):%Y%m%d}"
    assert patient.shifted("2020.03.01") == patient.shifted("20200301")
    assert patient.shifted("20200301120000.5+0800") == patient.shifted("20200301") + "120000.5+0800"
    assert patient.shifted("20200301-20200302") == f"{patient.shifted('20200301')}-{patient.shifted('20200302')}"


@pytest.mark.parametrize("value", ["2020", "202013", "20201332", "yesterday", "00010101", "２０２００３０１"])
def test_what_is_no_day_is_not_shifted(value: str) -> None:
    assert ONE.patient("", "1").shifted(value) == ""


def test_a_short_key_is_refused_and_no_key_is_shown() -> None:
    with pytest.raises(PacsdError) as caught:
        Project("short", b"1" * 31)
    assert caught.value.fault is Fault.INVALID
    assert "1111" not in repr(ONE)
