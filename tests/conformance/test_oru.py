"""The suite for results: ours passes it, and one that always says the same does not."""

import argparse
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.oru import command
from conformance.oru.checks import CHECKS
from hl7.listener import Limits, Listener
from hl7.ports import Caller
from tests.server import Server


def run(port: int, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.main(parser.parse_args(["--mllp", f"127.0.0.1:{port}", "--timeout", "10", *arguments]))


def test_every_check_is_named_once() -> None:
    assert len({one.id for one in CHECKS}) == len(CHECKS) == 20


def test_ours_does_all_that_is_asked(running_server: Server, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    status = run(running_server.mllp_port, "--json", str(file))
    outcomes = {one["id"]: (one["outcome"], one["message"]) for one in json.loads(file.read_text())}
    assert {found for found in outcomes.items() if found[1][0] != "pass"} == set() and status == command.DONE
    assert len(outcomes) == len(CHECKS)


class Parrot:
    """Says the same to everybody."""

    def __init__(self, code: str) -> None:
        self._code = code

    def receive(self, raw: bytes, caller: Caller) -> list[bytes]:
        fields = raw.split(b"|")
        control_id = fields[9] if len(fields) > 9 else b""
        return [b"MSH|^~\\&|A|B|CONFORMANCE|SUITE|2026||ACK|1|P|2.5.1\rMSA|%b|%b\r" % (self._code.encode(), control_id)]

    def too_long(self, beginning: bytes, limit_bytes: int) -> list[bytes]:
        return []


@contextmanager
def parrot(code: str) -> Iterator[int]:
    listener = Listener(Parrot(code), host="127.0.0.1", port=0, limits=Limits())
    threading.Thread(target=listener.serve, daemon=True).start()
    try:
        yield listener.port
    finally:
        listener.close()
        listener.drain(1.0)


@pytest.mark.parametrize(("code", "caught"), [("AA", "missing.PID"), ("AE", "accept.v251")])
def test_one_that_always_says_the_same_is_found_out(code: str, caught: str, capsys: pytest.CaptureFixture[str]) -> None:
    with parrot(code) as port:
        assert run(port) == command.FAILURES
    lines = capsys.readouterr().out.splitlines()
    (line,) = [one for one in lines if f"oru.{caught} " in one]
    assert line.startswith("fail")


def test_what_cannot_be_run_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with parrot("AA") as port:
        pass
    assert run(port) == command.NOT_RUN
    assert run(port, "--only", "nothing") == command.NOT_RUN
    assert run(port, "--list") == command.DONE and "RAD-28" in capsys.readouterr().out
