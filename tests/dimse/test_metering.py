"""What /metrics tells of the DIMSE processes."""

from pathlib import Path

from pacsd.dimse.associate import AssociateReject
from pacsd.dimse.metering import Meter, Meters
from pacsd.dimse.pdu import RELEASE_RQ
from pacsd.faults import Fault, PacsdError
from pacsd.supervise.metrics import Metrics, render
from tests.dimse.fakes import FakeDirectory, running
from tests.dimse.test_acceptor import data, status, store_command, until
from tests.dimse.test_retrieve import filled, get, move, receiver, wanted
from tests.dimse.wire import Raw, request


def lines(folder: Path) -> dict[str, float]:
    samples = (line.rpartition(" ") for line in render(folder).splitlines() if not line.startswith("#"))
    return {name.removeprefix("pacsd_dimse_"): float(value) for name, _, value in samples}


def test_associations_objects_bytes_and_statuses_are_counted(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path / "one")
    with running(metrics=metrics, directory=FakeDirectory(refuse=frozenset(("BANNED",)))) as server:
        with Raw(server.port) as raw:
            raw.associate()
            raw.send(store_command("1.2.3") + data(b"12345678"))
            assert status(raw) == 0
            server.archive.failure = PacsdError(Fault.FULL, "no room")
            raw.send(store_command("1.2.4") + data(b"12345678"))
            assert status(raw) == 0xA700
            until(lambda: lines(tmp_path)["associations_open"] == 1)
            raw.send(RELEASE_RQ)
            raw.pdu()
        with Raw(server.port) as raw:
            assert isinstance(raw.associate(request(calling="BANNED")), AssociateReject)
        until(lambda: server.acceptor.running == 0)
    counted = lines(tmp_path)
    assert counted["associations_open"] == 0 and counted["associations_total"] == 1
    assert counted['associations_rejected_total{answer="1/1/3"}'] == 1
    assert counted["stored_objects_total"] == 1 and counted["stored_bytes_total"] == 8
    assert counted['operations_total{operation="C-STORE",status="0000"}'] == 1
    assert counted['operations_total{operation="C-STORE",status="A700"}'] == 1
    assert counted['operation_seconds_count{operation="C-STORE"}'] == 2
    assert counted['operation_seconds_bucket{operation="C-STORE",le="+Inf"}'] == 2


def test_an_operation_that_its_association_does_not_survive_has_no_status(tmp_path: Path) -> None:
    with running(metrics=Metrics(tmp_path / "one")) as server:
        with Raw(server.port) as raw:
            raw.associate()
            raw.send(store_command() + data(bytes(100))[:50])
        until(lambda: server.acceptor.running == 0)
    assert lines(tmp_path)['operations_total{operation="C-STORE",status="none"}'] == 1


def test_sent_objects_are_counted_by_move_and_get(tmp_path: Path) -> None:
    archive = filled(4)
    size = sum(map(len, archive.datasets.values()))
    with receiver() as (remote, _):
        directory = FakeDirectory(remotes={"RECEIVER": remote})
        with running(archive=archive, directory=directory, metrics=Metrics(tmp_path / "one")) as server:
            move(server, wanted())
            until(lambda: lines(tmp_path)["sent_objects_total"] == 4)
            get(server, wanted())
            until(lambda: server.acceptor.running == 0)
    counted = lines(tmp_path)
    assert counted["sent_objects_total"] == 8 and counted["sent_bytes_total"] == 2 * size
    assert counted['operations_total{operation="C-GET",status="0000"}'] == 1


def test_numbers_are_handed_over_once(tmp_path: Path) -> None:
    meter = Meter(Meters(Metrics(tmp_path / "one")))
    meter.stored(5)
    meter.hand_over()
    meter.hand_over()
    assert lines(tmp_path)["stored_bytes_total"] == 5
