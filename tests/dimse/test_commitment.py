"""Storage commitment with a foreign modality: results on the same association and on one of ours."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.archive.house import opened
from tests.dimse.department import (
    MPPS,
    PATIENCE_S,
    PUSH,
    WELL_KNOWN,
    Heard,
    Ward,
    asked,
    listening,
    may,
    modality,
    references,
    remote,
)
from tests.dimse.fakes import Server
from tests.server import free_port
from tests.synthetic import study

WORLD = study(79)


@pytest.fixture
def ward(database: str, tmp_path: Path) -> Iterator[Ward]:
    with opened(database, tmp_path / "blobs") as house:
        yield Ward(house)


@pytest.fixture
def server(ward: Ward) -> Iterator[Server]:
    with ward.serving() as server:
        yield server


def sops(*numbers: int) -> list[str]:
    return [WORLD.sop_instance_uid(1, number) for number in numbers]


def action(scu: object, dataset: Dataset, *, instance: str = WELL_KNOWN, kind: int = 1) -> Dataset:
    status: Dataset = scu.send_n_action(dataset, kind, PUSH, instance)[0]  # type: ignore[attr-defined]
    return status


def settled(ward: Ward, *states: str) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while ward.states() != list(states) and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    return ward.states() == list(states)


def test_the_result_comes_on_the_same_association_to_who_waits(ward: Ward, server: Server) -> None:
    sop_class = ward.receive(WORLD, 1, 2)
    ward.house.pack_all()
    ward.receive(WORLD, 3)
    ward.directory.remotes["CT1"] = remote(free_port())
    heard = Heard()
    with modality(server.port, PUSH, on_event=heard.on_event) as scu:
        transaction = generate_uid()
        wanted = [(sop_class, uid) for uid in sops(1, 2, 3)]
        assert action(scu, asked(transaction, wanted)).Status == 0
        assert heard.came.wait(PATIENCE_S)
        assert settled(ward, "delivered")
    [(kind, information)] = heard.events
    assert (kind, information.TransactionUID, information.RetrieveAETitle) == (1, transaction, "PACSD")
    assert references(information.ReferencedSOPSequence) == wanted
    assert "FailedSOPSequence" not in information


def test_failures_come_with_their_reasons(ward: Ward, server: Server) -> None:
    sop_class = ward.receive(WORLD, 1, 2)
    heard = Heard()
    wrong = "1.2.840.10008.5.1.4.1.1.4" if not sop_class.endswith("1.1.4") else "1.2.840.10008.5.1.4.1.1.2"
    one, two, absent = sops(1, 2, 3)
    with modality(server.port, PUSH, on_event=heard.on_event) as scu:
        first, again = generate_uid(), asked("1.2.3.77", [(sop_class, one)])
        assert action(scu, asked(first, [(sop_class, one), (wrong, two), (sop_class, absent)])).Status == 0
        assert settled(ward, "delivered")
        for n in (2, 3):
            assert action(scu, again).Status == 0
            assert settled(ward, *["delivered"] * n)
    kind, information = heard.events[0]
    assert kind == 2
    assert references(information.ReferencedSOPSequence) == [(sop_class, one)]
    failed = [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in information.FailedSOPSequence]
    assert failed == [(two, 0x0119), (absent, 0x0112)]
    assert [kind for kind, _ in heard.events[1:]] == [1, 2]
    information = heard.events[2][1]
    assert "ReferencedSOPSequence" not in information
    assert [item.FailureReason for item in information.FailedSOPSequence] == [0x0131]


def test_the_result_comes_on_an_association_of_ours_to_who_left(ward: Ward, server: Server) -> None:
    sop_class = ward.receive(WORLD, 1)
    heard = Heard()
    with listening(heard, free_port()) as told:
        ward.directory.remotes["CT1"] = remote(told.port)
        with modality(server.port, PUSH) as scu:
            assert action(scu, asked("1.2.3.1", [(sop_class, sops(1)[0])])).Status == 0
        while not ward.notifier.turn():
            ward.go(1)
    assert ward.states() == ["delivered"]
    [(kind, information)] = heard.events
    assert (kind, information.TransactionUID) == (1, "1.2.3.1")


def test_an_ae_may_want_results_on_associations_of_ours_alone(ward: Ward, server: Server) -> None:
    sop_class = ward.receive(WORLD, 1)
    port = free_port()
    ward.directory.remotes["CT1"] = remote(port, commitment_on_same_association=False)
    same, other = Heard(), Heard()
    with listening(other, port), modality(server.port, PUSH, on_event=same.on_event) as scu:
        assert action(scu, asked("1.2.3.1", [(sop_class, sops(1)[0])])).Status == 0
        assert settled(ward, "waiting")
        while not ward.notifier.turn():
            threading.Event().wait(0.02)
    assert (len(same.events), len(other.events)) == (0, 1)


def test_who_does_not_take_the_event_here_gets_it_there(ward: Ward, server: Server) -> None:
    sop_class = ward.receive(WORLD, 1)
    port = free_port()
    ward.directory.remotes["CT1"] = remote(port)
    refusing, taking = Heard(status=0x0110), Heard()
    with listening(taking, port), modality(server.port, PUSH, on_event=refusing.on_event) as scu:
        assert action(scu, asked("1.2.3.1", [(sop_class, sops(1)[0])])).Status == 0
        assert refusing.came.wait(PATIENCE_S)
        while not ward.notifier.turn():
            threading.Event().wait(0.02)
        assert settled(ward, "delivered")
    assert len(taking.events) == 1


def test_a_receiver_that_is_dead_for_an_hour_gets_everything_in_order(ward: Ward, server: Server) -> None:
    sop_class = ward.receive(WORLD, 1)
    port = free_port()
    ward.directory.remotes["CT1"] = remote(port, commitment_on_same_association=False)
    transactions = [f"1.2.3.{n}" for n in range(5)]
    for transaction in transactions:
        with modality(server.port, PUSH) as scu:
            assert action(scu, asked(transaction, [(sop_class, sops(1)[0])])).Status == 0
    turns = 0
    began = ward.now
    while (ward.now - began).total_seconds() < 3600:
        turns += ward.notifier.turn()
        ward.go(15)
    assert 10 < turns < 30, "pauses grow, and what waits makes no more attempts"
    assert set(ward.states()) == {"waiting"}
    heard = Heard()
    with listening(heard, port):
        ward.go(300)
        assert ward.notifier.turn()
    assert [information.TransactionUID for _, information in heard.events] == transactions
    assert set(ward.states()) == {"delivered"}


def test_one_ae_that_is_away_holds_up_no_other(ward: Ward, server: Server) -> None:
    sop_class = ward.receive(WORLD, 1)
    heard, port = Heard(), free_port()
    ward.directory.remotes["CT1"] = remote(free_port(), commitment_on_same_association=False)
    ward.directory.remotes["CT2"] = remote(port, title="CT2", commitment_on_same_association=False)
    with listening(heard, port, title="CT2"):
        for title in ("CT1", "CT2"):
            with modality(server.port, PUSH, calling=title) as scu:
                assert action(scu, asked("1.2.3.1", [(sop_class, sops(1)[0])])).Status == 0
        ward.go(10)
        while ward.notifier.turn():
            pass
    assert len(heard.events) == 1
    assert ward.states() == ["waiting", "delivered"]


def test_what_was_told_by_a_process_that_died_is_told_again(ward: Ward, server: Server) -> None:
    sop_class = ward.receive(WORLD, 1)
    heard = Heard()
    with listening(heard, free_port()) as ward.directory.remotes["CT1"]:
        with modality(server.port, PUSH) as scu:
            assert action(scu, asked("1.2.3.1", [(sop_class, sops(1)[0])])).Status == 0
        ward.go(10)
        assert ward.queue.due(holder="one that dies")
        assert not ward.notifier.turn()
        ward.queue.release()
        assert ward.notifier.turn()
    assert ward.states() == ["delivered"]


def test_a_result_that_cannot_be_found_out_holds_up_no_other(ward: Ward, server: Server) -> None:
    sop_class = ward.receive(WORLD, 1)
    heard = Heard()
    with listening(heard, free_port()) as ward.directory.remotes["CT1"]:
        for transaction in ("1.2.3.1", "1.2.3.2"):
            with modality(server.port, PUSH) as scu:
                assert action(scu, asked(transaction, [(sop_class, sops(1)[0])])).Status == 0
        with ward.house.pool.connection() as connection:
            connection.execute("update commitment set request = '[[1]]' where transaction_uid = '1.2.3.1'")
        ward.go(10)
        assert ward.notifier.turn()
    assert ward.states() == ["waiting", "delivered"]
    assert [information.TransactionUID for _, information in heard.events] == ["1.2.3.2"]


@pytest.mark.parametrize("status", [0x0112, 0x0124, 0xC000])
def test_what_an_ae_refuses_for_good_is_set_aside(ward: Ward, server: Server, status: int) -> None:
    sop_class = ward.receive(WORLD, 1)
    heard = Heard(status=status)
    with listening(heard, free_port()) as ward.directory.remotes["CT1"]:
        with modality(server.port, PUSH) as scu:
            assert action(scu, asked("1.2.3.1", [(sop_class, sops(1)[0])])).Status == 0
        ward.go(10)
        while ward.notifier.turn():
            ward.go(10)
    assert (len(heard.events), ward.states()) == (1, ["refused"])


def test_what_cannot_be_asked_is_refused_at_once(ward: Ward, server: Server) -> None:
    with modality(server.port, PUSH) as scu:
        good = [("1.2.840.10008.5.1.4.1.1.2", "1.2.3")]
        assert action(scu, asked("1.2.3.1", good), instance="1.2.3").Status == 0x0112
        assert action(scu, asked("1.2.3.1", good), kind=2).Status == 0x0123
        assert action(scu, asked("", good)).Status == 0x0115
        assert action(scu, asked("1.2.3.1", [])).Status == 0x0115
        assert action(scu, asked("1.2.3.1", [("1.2", "../x")])).Status == 0x0115
        without = asked("1.2.3.1", good)
        del without.ReferencedSOPSequence
        assert action(scu, without).Status == 0x0114
    assert ward.states() == []


def test_who_may_not_ask_gets_no_context(ward: Ward, server: Server) -> None:
    may(ward, "VIEWER", "mpps")
    with modality(server.port, MPPS, PUSH, calling="VIEWER") as scu:
        assert [str(one.abstract_syntax) for one in scu.rejected_contexts] == [PUSH]


def test_ten_thousand_instances_on_one_association(ward: Ward, server: Server) -> None:
    sop_class = ward.receive(WORLD, *range(1, 201))
    ward.house.pack_all()
    heard = Heard()
    wanted = [(sop_class, WORLD.sop_instance_uid(1, n)) for n in range(1, 10_001)]
    with modality(server.port, PUSH, on_event=heard.on_event) as scu:
        began = time.monotonic()
        assert action(scu, asked("1.2.3.1", wanted)).Status == 0
        assert heard.came.wait(PATIENCE_S)
        took_s = time.monotonic() - began
        assert settled(ward, "delivered")
    assert took_s < 15.0
    information = heard.events[0][1]
    assert references(information.ReferencedSOPSequence) == wanted[:200]
    assert len(information.FailedSOPSequence) == 9_800
