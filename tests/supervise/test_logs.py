"""Log records hold what happened and where, and no patient."""

import json
import logging

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.supervise.logs import JsonFormatter, TextFormatter


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("pacsd.dimse", logging.WARNING, "x.py", 1, "association %s", ("refused",), None)
    made.__dict__.update(extra)
    return made


def failure(error: Exception, cause: Exception | None = None) -> logging.LogRecord:
    made = record()
    try:
        raise error from cause
    except Exception as caught:
        made.exc_info = (type(caught), caught, caught.__traceback__)
    return made


def test_json_record_is_one_line_with_the_extras() -> None:
    line = JsonFormatter("dimse-0").format(record(calling="CT1", reason="二\n行"))
    assert "\n" not in line
    read = json.loads(line)
    assert read["event"] == "association refused"
    assert (read["level"], read["role"], read["calling"], read["reason"]) == ("warning", "dimse-0", "CT1", "二\n行")


def test_text_record_is_one_line_whatever_a_peer_sends() -> None:
    line = TextFormatter("web-0").format(record(path='/a b="\n'))
    assert "\n" not in line
    assert line.endswith(r'path="/a b=\"\n"')
    assert 'event="association refused"' in line


@pytest.mark.parametrize("formatter", [JsonFormatter("r"), TextFormatter("r")])
def test_message_of_a_foreign_exception_is_left_out(formatter: logging.Formatter) -> None:
    line = formatter.format(failure(ValueError("ZHANG^SAN 000123"), KeyError("ZHANG^SAN")))
    assert "ZHANG" not in line
    assert "ValueError" in line
    assert "KeyError" in line
    assert "test_logs.py" in line


def test_message_of_our_own_error_is_kept() -> None:
    line = JsonFormatter("r").format(failure(PacsdError(Fault.FULL, "no room left"), OSError(28, "secret path")))
    first, second = json.loads(line)["error"]
    assert (first["fault"], first["message"]) == ("full", "no room left")
    assert second["errno"] == 28
    assert "secret" not in line
