"""The suite for MPPS and storage commitment: ours passes, and whoever lies is caught by every required check."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, AllStoragePresentationContexts, evt

from conformance.__main__ import main
from conformance.exams.command import CHECKS
from conformance.exams.modality import MPPS, MPPS_RETRIEVE, PUSH_MODEL, Modality
from conformance.exams.suite import Result, run_all
from conformance.judging import Level, Outcome, chosen
from pacsd.archive.commitment import Commitments
from pacsd.archive.commitment import Result as Committed
from tests.archive.house import House, opened
from tests.conftest import Postgres
from tests.dimse.department import Ward, remote
from tests.server import free_port


@contextmanager
def ours(house: House, commitments: type[Commitments] = Commitments) -> Iterator[Modality]:
    """Our edge with a notifier, and the suite before it."""
    ward = Ward(house)
    made = commitments(house.pool, house.blobs, house.sidecars)
    ward.commitments = made
    object.__setattr__(ward.department, "commitments", made)
    listen = free_port()
    ward.directory.remotes["MODALITY"] = remote(listen, title="MODALITY")
    stop = threading.Event()
    thread = threading.Thread(target=ward.notifier.run, args=(stop,))
    thread.start()
    try:
        with ward.serving() as server:
            modality = Modality("PACSD", "127.0.0.1", server.port, listen_port=listen)
            with modality.listening():
                yield modality
    finally:
        stop.set()
        thread.join(20)


@pytest.fixture(scope="module")
def house(postgres: Postgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    name, dsn = postgres.create(template=migrated_template)
    with opened(dsn, tmp_path_factory.mktemp("blobs")) as house:
        yield house
    postgres.drop(name)


class YesMan(Commitments):
    """Says of everything that it is safe."""

    def decide(self, pk: int) -> Committed:
        result = super().decide(pk)
        return Committed(result.transaction_uid, (*result.committed, *(one[:2] for one in result.failed)), ())


@contextmanager
def parrot(status: int) -> Iterator[Modality]:
    """A server that answers everything alike, and reports nothing."""
    ae = AE("PARROT")
    for one in (MPPS, MPPS_RETRIEVE, PUSH_MODEL):
        ae.add_supported_context(one)
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax)

    def answer(_: Any) -> Any:
        return status, None

    handlers: Any = [(one, answer) for one in (evt.EVT_N_CREATE, evt.EVT_N_SET, evt.EVT_N_GET, evt.EVT_N_ACTION)]
    handlers.append((evt.EVT_C_STORE, lambda _: 0))
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield Modality("PARROT", "127.0.0.1", server.server_address[1], listen_port=free_port(), result_s=0.1)
    finally:
        server.shutdown()


def outcomes(results: list[Result]) -> dict[str, tuple[Outcome, str]]:
    return {one.check.id: (one.outcome, one.message) for one in results}


def test_ours_passes_everything(house: House) -> None:
    with ours(house) as modality:
        results = list(run_all(CHECKS, modality))
    assert {one: what for one, what in outcomes(results).items() if what[0] is not Outcome.PASS} == {}
    assert len(results) == len(CHECKS) == 40


def test_every_required_check_catches_a_liar(house: House) -> None:
    caught: set[str] = set()
    for status in (0x0000, 0x0110):
        with parrot(status) as modality:
            found = run_all(CHECKS, modality)
            caught |= {one.check.id for one in found if one.outcome is Outcome.FAIL}
    with ours(house, YesMan) as modality:
        found = run_all(chosen(CHECKS, ["commitment.result"]), modality)
        caught |= {one.check.id for one in found if one.outcome is Outcome.FAIL}
    assert {one.id for one in CHECKS if one.level is Level.REQUIRED} - caught == set()
    assert {"mpps.get", "commitment.result.many"} <= caught


def test_who_is_not_configured_to_listen_is_not_tested(house: House) -> None:
    with ours(house) as modality:
        [result] = run_all(chosen(CHECKS, ["commitment.result.released"]), replace(modality, listen_port=0))
    assert result.outcome is Outcome.NOT_TESTED


def test_the_command_prints_and_writes(house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ours(house) as modality:
        peer = f"PACSD@127.0.0.1:{modality.port}"
        assert main(["exams", "--peer", peer, "--only", "mpps.set", "--json", str(tmp_path / "out.json")]) == 0
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert found["totals"]["pass"] == len(chosen(CHECKS, ["mpps.set"])) and not found["totals"]["fail"]
    assert "RAD-7" in capsys.readouterr().out
    assert main(["exams", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(CHECKS)
    assert main(["exams", "--peer", "nonsense"]) == 2
    assert main(["exams", "--peer", peer, "--only", "no.such"]) == 2
    with parrot(0x0110) as modality:
        assert main(["exams", "--peer", f"PARROT@127.0.0.1:{modality.port}", "--only", "mpps.create"]) == 1
