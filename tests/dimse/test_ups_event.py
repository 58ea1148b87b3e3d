"""Event reports on associations this server opens: to whom, in which order, and what becomes of those not taken."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE

from config.settings import DimseSettings, RemoteAESettings, SecuritySettings, TlsSettings
from pacsd.access.directory import Directory
from pacsd.dimse.metering import Meters
from pacsd.dimse.ups_event import Reporter, connecting, targets
from pacsd.workflow import channels as channels_module
from pacsd.workflow.reports import GLOBAL
from pacsd.workflow.services import announce_restart
from pacsd.workflow.states import State
from tests.certificates import Authority
from tests.dimse.steps import Listener, new_uid
from tests.server import free_port
from tests.workflow.conftest import Office
from tests.workflow.steps import attribute, code, performed, progress, step

LOCK = "1.2.3"


class Station:
    """A reporter over the office, for the AEs it is given."""

    def __init__(self, office: Office, *remotes: RemoteAESettings, tls: TlsSettings | None = None) -> None:
        self.office = office
        settings = replace(
            office.settings, remote_aes=remotes, dimse=DimseSettings(artim_timeout_s=3.0, connect_timeout_s=3.0),
            security=SecuritySettings(tls=tls or TlsSettings()),
        )  # fmt: skip
        directory = Directory(settings, {"east": office.peer.organisation, "group": office.reader.organisation})
        self.stop = threading.Event()
        known = targets(directory)
        self.targets = [one for mine in known.values() for one in mine.values()]
        self.reporter = Reporter(
            office.workflow.channels, known, connecting(settings, directory, Meters()), stop=self.stop
        )

    def tell(self, number: int = 0) -> bool:
        return self.reporter.tell(self.targets[number])


@contextmanager
def reporting(office: Office, *remotes: RemoteAESettings) -> Iterator[Station]:
    station = Station(office, *remotes)
    thread = threading.Thread(target=station.reporter.run, daemon=True)
    thread.start()
    try:
        yield station
    finally:
        station.stop.set()
        thread.join(20)
    assert not thread.is_alive()


def until(condition: Callable[[], Any], *, within_s: float = 20.0) -> None:
    """Poll with a deadline."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def made(office: Office, **changes: Any) -> str:
    uid = new_uid()
    office.workitems.create(office.peer, uid, step(**changes))
    return uid


def claim(office: Office, uid: str) -> None:
    office.workitems.change_state(office.peer, uid, State.IN_PROGRESS, transaction_uid=LOCK)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a test's length."""
    monkeypatch.setattr(channels_module, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(channels_module, "LONGEST_PAUSE_S", 0.2)


def test_a_subscriber_hears_everything_in_order_on_one_association(office: Office) -> None:
    uid = made(office)
    with Listener() as listener, reporting(office, listener.remote):
        office.subscriptions.subscribe(office.peer, "WATCHER", uid, lock=False)
        claim(office, uid)
        for percent in range(1, 8):
            office.workitems.update(office.peer, uid, progress(percent), transaction_uid=LOCK)
        office.workitems.update(office.peer, uid, {"00404025": attribute("SQ", code("B"))}, transaction_uid=LOCK)
        office.workitems.update(office.peer, uid, performed(), transaction_uid=LOCK)
        office.workitems.change_state(office.peer, uid, State.COMPLETED, transaction_uid=LOCK)
        until(lambda: office.rows("select from report") == [])
    assert listener.told() == [
        (uid, 1, "SCHEDULED"), (uid, 1, "IN PROGRESS"), *[(uid, 3, None)] * 7, (uid, 5, None), (uid, 1, "COMPLETED")
    ]  # fmt: skip
    percents = [what.ProcedureStepProgressInformationSequence[0].ProcedureStepProgress
                for _, kind, what in listener.heard if kind == 3]  # fmt: skip
    assert percents == list(range(1, 8))
    assert listener.heard[9][2].ScheduledStationNameCodeSequence[0].CodeValue == "B"
    assert listener.heard[0][2].InputReadinessState == "READY"
    assert listener.associations[0][0] == "PACSD" and len(listener.associations) <= 3


def test_reports_wait_for_a_subscriber_that_is_away(office: Office, quick: None) -> None:
    port = free_port()
    remote = RemoteAESettings("WATCHER", "127.0.0.1", port, "east")
    office.subscriptions.subscribe_worklist(office.peer, "WATCHER", GLOBAL, lock=False)
    with reporting(office, remote):
        uids = [made(office) for _ in range(3)]
        until(lambda: office.rows("select failures from subscriber")[0][0] > 2)
        for uid in uids:
            claim(office, uid)
        with Listener(port=port) as listener:
            until(lambda: office.rows("select from report") == [])
    states = [(uid, state) for uid, kind, state in listener.told() if kind == 1]
    assert states == [*[(uid, "SCHEDULED") for uid in uids], *[(uid, "IN PROGRESS") for uid in uids]]
    assert office.rows("select failures, due_at <= now(), channel from subscriber") == [(0, True, None)]


def test_a_subscriber_inside_tls_hears_it_there_and_a_stranger_in_its_place_nothing(
    office: Office, tmp_path: Path, quick: None
) -> None:
    authority = Authority(tmp_path / "ca")
    ours, theirs = authority.make("pacs"), authority.make("watcher")
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(theirs.certificate, theirs.key)
    inside.load_verify_locations(authority.certificate)
    inside.verify_mode = ssl.CERT_REQUIRED
    uid = made(office)
    office.subscriptions.subscribe(office.peer, "WATCHER", uid, lock=False)
    with Listener(inside=inside) as listener:
        tls = authority.settings(ours)
        bound = replace(listener.remote, certificate=theirs.thumbprint)
        stranger = replace(listener.remote, certificate=ours.thumbprint)
        assert not Station(office, stranger, tls=tls).tell() and listener.told() == []
        until(lambda: Station(office, bound, tls=tls).tell())
    assert listener.told() == [(uid, 1, "SCHEDULED")]


def test_what_the_peer_cannot_take_now_comes_again_before_all_else(office: Office, quick: None) -> None:
    uid = made(office)
    office.subscriptions.subscribe(office.peer, "WATCHER", uid, lock=False)
    claim(office, uid)
    with Listener(statuses=(0x0000, 0x0213, 0x0110)) as listener:
        station = Station(office, listener.remote)
        assert not station.tell()
        assert listener.told() == [(uid, 1, "SCHEDULED")]
        until(lambda: station.tell())
    assert listener.told() == [(uid, 1, "SCHEDULED"), (uid, 1, "IN PROGRESS")]


def test_an_answer_that_will_never_be_another_settles_a_report(office: Office) -> None:
    uid = made(office)
    office.subscriptions.subscribe(office.peer, "WATCHER", uid, lock=False)
    claim(office, uid)
    with Listener(statuses=(0x0113,)) as listener:
        assert Station(office, listener.remote).tell()
    assert listener.told() == [(uid, 1, "IN PROGRESS")] and office.rows("select from report") == []


def test_a_peer_that_goes_away_in_the_middle_hears_the_rest_later(office: Office, quick: None) -> None:
    uids = [made(office) for _ in range(6)]
    office.subscriptions.subscribe_worklist(office.peer, "WATCHER", GLOBAL, lock=True)
    with Listener() as listener:
        heard = listener.heard

        class Cut(list[Any]):
            def append(self, one: Any) -> None:
                super().append(one)
                if len(self) == 3:
                    for association in listener._server.active_associations:
                        association.abort()

        listener.heard = Cut(heard)
        station = Station(office, listener.remote)
        assert not station.tell()
        until(lambda: station.tell())
    told = [uid for uid, _, _ in listener.heard]
    assert sorted(set(told), key=told.index) == uids and len(told) <= 7      # at least once, and in order


def test_pauses_grow_and_end_with_success(office: Office) -> None:
    uid = made(office)
    office.subscriptions.subscribe(office.peer, "WATCHER", uid, lock=False)
    station = Station(office, RemoteAESettings("WATCHER", "127.0.0.1", free_port(), "east"))
    pauses = []
    for _ in range(11):
        assert not station.tell() and not station.tell()             # the second time it is not even tried
        [[failures, pause_s]] = office.rows("select failures, extract(epoch from due_at - now()) from subscriber")
        pauses.append(round(float(str(pause_s))))
        assert failures == len(pauses)
        office.rows("update subscriber set due_at = now() returning 1")
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_subscriber_with_an_open_channel_by_web_hears_nothing_here(office: Office) -> None:
    uid = made(office)
    channels = office.workflow.channels
    channel = channels.open(office.peer, "WATCHER")
    office.subscriptions.subscribe(office.peer, "WATCHER", uid, lock=False)
    with Listener() as listener:
        station = Station(office, listener.remote)
        assert channels.due(office.peer, ["WATCHER"]) == [] and not station.tell()
        channels.close(channel)
        assert channels.due(office.peer, ["WATCHER"]) == ["WATCHER"] and station.tell()
    assert listener.told() == [(uid, 1, "SCHEDULED")]


def test_a_channel_that_a_crash_left_open_is_nobodys_after_a_while(office: Office) -> None:
    uid = made(office)
    channels = office.workflow.channels
    channel = channels.open(office.peer, "WATCHER")
    office.subscriptions.subscribe(office.peer, "WATCHER", uid, lock=False)
    office.rows("update subscriber set channel_until = now() + interval '5 s' returning 1")
    channels.stirred([channel])                  # as an open one is looked after
    [[left_s]] = office.rows("select extract(epoch from channel_until - now()) from subscriber")
    assert float(str(left_s)) > 50
    office.rows("update subscriber set channel_until = now() - interval '1 s' returning 1")
    with Listener() as listener:
        assert Station(office, listener.remote).tell()
    assert listener.told() == [(uid, 1, "SCHEDULED")] and channels.take(channel) is None


def test_a_channel_opened_by_web_takes_over(office: Office) -> None:
    uids = [made(office) for _ in range(4)]
    office.subscriptions.subscribe_worklist(office.peer, "WATCHER", GLOBAL, lock=True)
    channels = office.workflow.channels
    with Listener() as listener:

        class Opens(list[Any]):
            def append(self, one: Any) -> None:
                super().append(one)
                if len(self) == 1:
                    channels.open(office.peer, "WATCHER")

        listener.heard = Opens()
        Station(office, listener.remote).tell()
    assert listener.told()[0] == (uids[0], 1, "SCHEDULED")
    assert office.rows("select channel is null from subscriber") == [(False,)]


def test_a_server_that_stops_leaves_the_rest_and_an_unclaimed_channel(office: Office) -> None:
    uids = [made(office) for _ in range(4)]
    office.subscriptions.subscribe_worklist(office.peer, "WATCHER", GLOBAL, lock=True)
    with Listener() as listener:
        station = Station(office, listener.remote)

        class Stops(list[Any]):
            def append(self, one: Any) -> None:
                super().append(one)
                station.stop.set()

        listener.heard = Stops()
        station.tell()
        assert listener.told() == [(uids[0], 1, "SCHEDULED")] and len(office.rows("select from report")) == 3
        assert office.rows("select channel, failures from subscriber") == [(None, 0)]
        station.reporter._turn(station.targets[0])
        assert len(listener.told()) == 1
        listener.heard = []
        assert Station(office, listener.remote).tell()
        assert [uid for uid, _, _ in listener.told()] == uids[1:]


def test_two_processes_tell_a_subscriber_once(office: Office) -> None:
    office.subscriptions.subscribe_worklist(office.peer, "WATCHER", GLOBAL, lock=False)
    with Listener() as listener, reporting(office, listener.remote), reporting(office, listener.remote):
        uids = [made(office) for _ in range(30)]
        until(lambda: office.rows("select from report") == [])
    assert [uid for uid, kind, _ in listener.told() if kind == 1] == uids


def test_one_that_hangs_holds_up_no_other(office: Office) -> None:
    uid = made(office)
    hangs = threading.Event()
    with Listener("SLOW") as slow, Listener() as listener:

        class Hangs(list[Any]):
            def append(self, one: Any) -> None:
                hangs.wait(20)

        slow.heard = Hangs()
        for title in ("SLOW", "WATCHER"):
            office.subscriptions.subscribe(office.peer, title, uid, lock=False)
        with reporting(office, slow.remote, listener.remote):
            until(lambda: listener.told() == [(uid, 1, "SCHEDULED")])
            hangs.set()


def test_an_ae_that_takes_no_events_pauses(office: Office) -> None:
    uid = made(office)
    office.subscriptions.subscribe(office.peer, "WATCHER", uid, lock=False)
    ae = AE("WATCHER")
    ae.add_supported_context("1.2.840.10008.1.1")
    server = ae.start_server(("127.0.0.1", 0), block=False)
    assert server is not None
    try:
        station = Station(office, RemoteAESettings("WATCHER", "127.0.0.1", server.server_address[1], "east"))
        assert not station.tell()
    finally:
        server.shutdown()
    assert office.rows("select failures from subscriber") == [(1,)] and len(office.rows("select from report")) == 1


def test_reports_of_what_an_organisation_reads_no_more_do_not_keep_it_busy(office: Office) -> None:
    uid = made(office)
    office.subscriptions.subscribe(office.reader, "VIEWER", uid, lock=False)
    assert office.workflow.channels.due(office.reader, ["VIEWER"]) == ["VIEWER"]
    narrowed = replace(office.reader, scope=replace(office.reader.scope, organisations=(office.reader.organisation,)))
    assert office.workflow.channels.due(narrowed, ["VIEWER"]) == []


def test_a_restart_is_told(office: Office) -> None:
    office.subscriptions.subscribe_worklist(office.peer, "WATCHER", GLOBAL, lock=False)
    announce_restart(office.dsn)
    with Listener() as listener:
        assert Station(office, listener.remote).tell()
    [(uid, kind, what)] = listener.heard
    assert (uid, kind) == (GLOBAL, 4)
    assert (what.SCPStatus, what.SubscriptionListStatus, what.UnifiedProcedureStepListStatus) == (
        "RESTARTED", "WARM START", "WARM START"
    )  # fmt: skip
