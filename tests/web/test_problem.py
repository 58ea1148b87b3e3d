import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.web.problem import STATUS
from pacsd.web.store_response import FAILURE_REASON
from tests.web.fakes import Web


def test_every_fault_has_a_status():
    assert set(STATUS) == set(Fault)
    assert all(400 <= status < 600 for status, _ in STATUS.values())


def test_every_fault_has_a_failure_reason():
    assert set(FAILURE_REASON) == set(Fault)


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_becomes_problem_details(fault):
    web = Web()
    web.archive.search_fault = PacsdError(fault, "for a reason")
    answer = web.get("/studies")
    assert answer.status_code == STATUS[fault][0]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "for a reason" and answer.json()["fault"] == fault.value


def test_a_defect_shows_no_trace_and_no_text_of_the_error(caplog):
    web = Web()
    web.archive.search_fault = ValueError("Doe^John")
    answer = web.get("/studies")
    assert answer.status_code == 500
    assert "Doe" not in answer.text + caplog.text
    assert caplog.records[-1].error == "ValueError" and "fakes.py" in caplog.records[-1].where
