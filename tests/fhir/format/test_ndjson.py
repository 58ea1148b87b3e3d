"""Lines of bulk data are read one by one, whatever stands in them."""

import pytest

from fhir.format import ndjson
from pacsd.faults import Fault


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_lines_are_read_however_they_are_cut(size: int) -> None:
    body = b'{"a":1}\n\r\n{"b":\n[]\n  {"c":3}\r\n' + b" " * 90 + b'{"d":4}\n{"e":5}'
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    told = [(line.number, line.resource, line.error and line.error.fault)
            for line in ndjson.read(chunks, max_line_bytes=50)]
    assert told == [(1, {"a": 1}, None), (3, None, Fault.MALFORMED), (4, None, Fault.MALFORMED),
                    (5, {"c": 3}, None), (6, None, Fault.TOO_MUCH), (7, {"e": 5}, None)]


def test_a_line_without_end_is_not_kept() -> None:
    told = list(ndjson.read((b"x" * 100 for _ in range(10_000)), max_line_bytes=1_000))
    assert [(line.number, line.error and line.error.fault) for line in told] == [(1, Fault.TOO_MUCH)]
