"""The suite of UPS by DIMSE: our server passes, and every check sees through a server that lies."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from config.settings import RemoteAESettings
from conformance.__main__ import main
from conformance.judging import Outcome
from conformance.ups import peer as peer_module
from conformance.ups import subscription
from conformance.ups.checks import CHECKS, TRANSACTIONS
from conformance.ups.peer import Answer, Event, Peer, Receiver
from conformance.ups.suite import run
from tests.dimse.steps import serving
from tests.dimse.test_ups_event import reporting
from tests.server import free_port
from tests.workflow.conftest import Office, office, worklist_database

__all__ = ["office", "worklist_database"]

TITLE = "HEARS"


@contextmanager
def served(office: Office) -> Iterator[tuple[int, int]]:
    """A server that knows the receiver; its port, and the receiver's."""
    remote = RemoteAESettings(TITLE, "127.0.0.1", free_port(), "east")
    with serving(office, remote) as server, reporting(office, remote):
        yield server.port, remote.port


def test_ids_are_unique_and_every_check_names_transaction_and_clause() -> None:
    ids = [check.id for check in CHECKS]
    assert len(ids) == len(set(ids)) >= 75
    assert {one.number for one in TRANSACTIONS} == {*(f"RAD-{number}" for number in range(80, 89)), ""}
    assert all(check.reference and check.title for check in CHECKS)


def test_our_server_passes_by_the_command(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "SETTLED_S", 0.5)
    with served(office) as (port, receiver):
        status = main(["ups", "--host", "127.0.0.1", "--port", str(port), "--receiver", f"{TITLE}:{receiver}",
                       "--json", str(tmp_path / "out.json"), "--quiet"])  # fmt: skip
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert {one["id"]: one["message"] for one in found["checks"] if one["outcome"] != "pass"} == {}
    assert status == 0 and found["totals"]["pass"] == len(CHECKS)
    assert "Claim UPS Workitem RAD-82" in capsys.readouterr().out


def test_without_a_receiver_events_are_not_tested(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(office) as server:
        arguments = ["ups", "--host", "127.0.0.1", "--port", str(server.port)]
        assert main([*arguments, "--only", "notify.initial,create.scheduled"]) == 0
        printed = capsys.readouterr().out
        assert "no --receiver is given" in printed and "pass           create.scheduled" in printed
        assert main([*arguments, "--called", "NOBODY", "--only", "create"]) == 2
    assert main(["ups", "--only", "create"]) == 2 and main(["ups", "--host", "x", "--only", "nothing"]) == 2
    assert main(["ups", "--list"]) == 0


Lie = Callable[[Answer], Answer]


def always(status: int) -> Lie:
    return lambda answer: Answer(status, answer.comment, answer.dataset)


def never_refuses(answer: Answer) -> Answer:
    return Answer(0, "", answer.dataset) if answer.status >> 8 not in (0xFF,) and answer.status else answer


def never_warns(answer: Answer) -> Answer:
    return Answer(0, "", answer.dataset) if answer.status >> 12 == 0xB else answer


def refuses_alike(answer: Answer) -> Answer:
    """0110 for every failure."""
    failed = answer.status >> 12 in (0xA, 0xC) or answer.status >> 8 in (1, 2)
    return Answer(0x0110, "", answer.dataset) if failed else answer


def changed(change: Callable[[Dataset], None]) -> Lie:
    def lie(answer: Answer) -> Answer:
        if answer.dataset is not None:
            change(answer.dataset)
        return answer

    return lie


def says_completed(found: Dataset) -> None:
    if "ProcedureStepState" in found:
        found.ProcedureStepState = "COMPLETED"


def empties(found: Dataset) -> None:
    for element in list(found):
        element.value = None if element.VR != "SQ" else Sequence([])


def adds(found: Dataset) -> None:
    found.TransactionUID = "1.2.3"
    found.MedicalAlerts = "none"


def mixes_up(found: Dataset) -> None:
    """Another instance, and of another class."""
    if "SOPInstanceUID" in found:
        found.SOPInstanceUID = "1.2.3"
    if "SOPClassUID" in found:
        found.SOPClassUID = "1.2.840.10008.5.1.4.34.6.3"


def doubles(found: Dataset) -> None:
    for element in found:
        if element.VR == "SQ":
            element.value = Sequence([*element.value, *element.value, Dataset()])


def loses(found: Dataset) -> None:
    """What makes a step worth reading."""
    for keyword in ("PatientID", "ScheduledWorkitemCodeSequence"):
        if keyword in found:
            del found[keyword]


class Liar(Peer):
    """Hears other answers than were given."""

    lie: Lie = staticmethod(lambda answer: answer)
    found: Callable[[list[Answer]], list[Answer]] = staticmethod(lambda answers: answers)

    def _heard(self, status: Dataset, dataset: Dataset | None) -> Answer:
        return self.lie(super()._heard(status, dataset))

    def find(self, *arguments: Any, **named: Any) -> Iterator[Answer]:
        yield from self.found(list(super().find(*arguments, **named)))


LIES: Mapping[str, Lie] = {
    "never refuses": never_refuses,
    "never warns": never_warns,
    "refuses alike": refuses_alike,
    "says completed": changed(says_completed),
    "empties": changed(empties),
    "adds": changed(adds),
    "mixes up": changed(mixes_up),
    "doubles": changed(doubles),
    "keeps it to itself": lambda answer: Answer(answer.status, answer.comment),
    "loses": changed(loses),
}
# what only says that something is a success
BLUNT = {"subscribe.one", "subscribe.lock", "create.success"}
FINDS: Mapping[str, Callable[[list[Answer]], list[Answer]]] = {
    "nothing": lambda answers: answers[-1:],
    "something else": lambda answers: [Answer(0xFF00, "", Dataset()), *answers],
}
HEARSAY: Mapping[str, Callable[[Event], list[Event]]] = {
    "tells otherwise": lambda event: [Event(event.uid, event.kind % 5 + 1, Dataset(), "1.2.3", "1.2.3")],
    "tells twice": lambda event: [event, event],
    "tells nothing": lambda event: [],
}


class Gossip(Receiver):
    """Passes events on as it likes."""

    pass_on: Callable[[Event], list[Event]] = staticmethod(lambda event: [event])

    def of(self, uid: str, count: int, *, timeout_s: float | None = None) -> list[Event]:
        found = super().of(uid, count, timeout_s=timeout_s)
        return [told for event in found for told in self.pass_on(event)]


# what no lie about answers or events can touch: the association itself, and answers that are free in the standard
CANNOT_LIE_ABOUT = {"query.cancel"}


def test_every_check_sees_through_a_lie(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "PATIENCE_S", 1.5)
    monkeypatch.setattr(subscription, "SETTLED_S", 0.3)
    left = {check.id: check for check in CHECKS}
    with served(office) as (port, receiver_port):
        receiver = Gossip(TITLE, receiver_port)
        receiver.start()
        peer = Liar("127.0.0.1", port, called="PACSD", calling="LIED TO", receiver=receiver)

        def catch(liar: object, name: str, lie: object, *, among: tuple[str, ...] = ("",)) -> None:
            truth = getattr(type(liar), name)
            setattr(liar, name, lie)
            for one in [check for check in left.values() if check.id.startswith(among)]:
                if run(one, peer).outcome is Outcome.FAIL:
                    del left[one.id]
            setattr(liar, name, truth)

        for pass_on in HEARSAY.values():
            catch(receiver, "pass_on", pass_on, among=("subscribe.", "notify.", "cancel."))
        for lie in LIES.values():
            catch(peer, "lie", lie)
        for found in FINDS.values():
            catch(peer, "found", found)
        assert set(left) <= CANNOT_LIE_ABOUT | BLUNT
        catch(peer, "lie", always(0x0110))
        peer.close()
        receiver.stop()
    assert set(left) <= CANNOT_LIE_ABOUT
