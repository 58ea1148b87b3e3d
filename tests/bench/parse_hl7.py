"""`python -m tests.bench.parse_hl7 SIDE COUNT`: messages a second that a parser reads five values of; printed.

Side `python-hl7` is run with its package on the path; it has the name of a package of ours, so never in one process.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable

from tests.bench.mllp import adt

Read = Callable[[bytes], tuple[str, ...]]


def ours() -> Read:
    """hl7.message of this checkout."""
    from hl7.message import parse

    def read(raw: bytes) -> tuple[str, ...]:
        message = parse(raw)
        return tuple(message.value(path) for path in ("MSH-10", "PID-3.1", "PID-5.1", "PID-7", "PID-8"))

    return read


def python_hl7() -> Read:
    """The package `hl7` of PyPI, on text that somebody else decoded."""
    import hl7

    def read(raw: bytes) -> tuple[str, ...]:
        message = hl7.parse(raw.decode())                      # type: ignore[attr-defined]
        pid = message.segment("PID")
        msh = message.segment("MSH")
        return (str(msh[10]), str(pid[3][0][0]), str(pid[5][0][0]), str(pid[7]), str(pid[8]))

    return read


SIDES = {"pacsd": ours, "python-hl7": python_hl7}


def main(side: str, count: int) -> None:
    """Read, check what was read, and print the rate."""
    read = SIDES[side]()
    messages = list(adt(itertools.islice(itertools.count(1), count), event="A08", patients=count))
    first = read(messages[0])
    if first != ("1", "P0000001", "张", "19010101", "F"):
        raise SystemExit(f"read {first}")
    began = time.perf_counter()
    for one in messages:
        read(one)
    print(count / (time.perf_counter() - began))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
