"""Records reach a repository in their order, and none is missed while it is away."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.settings import AuditRepositorySettings
from ihe_profiles.atna.delivery import Delivery
from ihe_profiles.atna.repository import Repository
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import pool
from pacsd.index.organisations import register
from tests.audit.house import House, access
from tests.clients import missing, require
from tests.ihe_profiles.atna.receivers import Receiver, certificate
from tests.server import free_port


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    connections = pool(database, max_size=4)
    register(connections, [("east", "East", "EAST")])
    yield House(connections, tmp_path)
    connections.close()


def record(house: House, first: int, last: int) -> None:
    trail = house.trail()
    for n in range(first, last):
        trail.write(access(user=f"user{n:03d}"))
    trail.close()
    house.load()


@pytest.fixture
def delivery(house: House) -> Iterator[Callable[[int, Path], Delivery]]:
    """Makes deliveries to a port whose certificate is known."""
    made = []

    def make(port: int, cert: Path) -> Delivery:
        settings = AuditRepositorySettings(name="central", host="127.0.0.1", port=port, ca_file=cert)
        made.append(Delivery("central", house.events, Repository(settings, timeout_s=5.0), source_id="PACSD"))
        return made[-1]

    yield make
    for one in made:
        one.close()


def users(messages: list[bytes]) -> list[int]:
    return [int(found[1]) for one in messages if (found := re.search(rb'UserID="user(\d+)"', one))]


def test_a_repository_that_was_away_gets_all_of_it_in_order(
    house: House, tmp_path: Path, delivery: Callable[[int, Path], Delivery]
) -> None:
    cert, key = certificate(tmp_path)
    receiver = Receiver(cert, key)
    sending = delivery(receiver.port, cert)
    sending.run()                                        # a new one gets what is recorded from now on
    record(house, 0, 5)
    sending.run()
    assert users(receiver.wait_for(5)) == list(range(5))
    receiver.close()
    record(house, 5, 30)
    for _ in range(3):
        with pytest.raises(PacsdError) as away:
            sending.run()
        assert away.value.fault is Fault.UNAVAILABLE
    again = Receiver(cert, key, receiver.port)
    while sending.run():
        pass
    got = users(again.wait_for(25))
    assert got == sorted(got) and set(got) >= set(range(5, 30))
    sending.run()                                        # now it is sure: another process goes on behind it
    other = delivery(receiver.port, cert)
    record(house, 30, 32)
    other.run()
    assert users(again.wait_for(len(got) + 2))[-2:] == [30, 31]
    again.close()


def test_one_that_others_vouch_for_is_not_trusted(
    house: House, tmp_path: Path, delivery: Callable[[int, Path], Delivery]
) -> None:
    cert, key = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    stranger, _ = certificate(tmp_path / "other")
    receiver = Receiver(cert, key)
    sending = delivery(receiver.port, stranger)
    with pytest.raises(PacsdError):
        sending.run()
    assert receiver.messages == []
    receiver.close()


RSYSLOG = """
global(workDirectory="{folder}" maxMessageSize="512k" DefaultNetstreamDriver="gtls"
  DefaultNetstreamDriverCAFile="{cert}" DefaultNetstreamDriverCertFile="{cert}" DefaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
template(name="whole" type="string" string="%rawmsg%\\n")
input(type="imtcp" port="{port}" address="127.0.0.1")
action(type="omfile" file="{folder}/received" template="whole")
"""


def test_rsyslog_takes_them_over_tls(
    house: House, tmp_path: Path, delivery: Callable[[int, Path], Delivery]
) -> None:
    require("rsyslogd")
    if not list(Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so")):
        missing("needs rsyslogd with gtls")
    cert, key = certificate(tmp_path)
    port = free_port()
    config = tmp_path / "rsyslog.conf"
    config.write_text(RSYSLOG.format(folder=tmp_path, cert=cert, key=key, port=port))
    with subprocess.Popen(
        ["rsyslogd", "-n", "-f", str(config), "-i", str(tmp_path / "pid")], stderr=subprocess.DEVNULL
    ) as process:
        try:
            sending = delivery(port, cert)
            sent(sending)
            record(house, 0, 300)
            while sending.run():
                pass
        finally:
            process.terminate()                          # it writes what it has before it ends
    lines = (tmp_path / "received").read_bytes().splitlines()
    assert users(lines) == list(range(300))
    assert all(one.startswith(b"<85>1 2026-11-30T12:00:00.000000Z") and one.endswith(b"</AuditMessage>")
               for one in lines)  # fmt: skip


def sent(sending: Delivery, tries: int = 500) -> None:
    """Try until the receiver listens."""
    for _ in range(tries):
        try:
            sending.run()
            return
        except PacsdError:
            subprocess.run(["sleep", "0.02"], check=True)
    raise AssertionError("nobody listens")
