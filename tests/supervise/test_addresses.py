"""Ports and exposure are looked at before anything listens."""

import logging
import socket

import pytest

from config.settings import Settings
from pacsd.faults import Fault, PacsdError
from pacsd.supervise.addresses import refuse_taken_ports, warn_of_exposure


def listening() -> socket.socket:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


def test_port_of_another_program_is_refused_although_it_would_share() -> None:
    with listening() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PacsdError) as refusal:
            refuse_taken_ports(Settings(http_port=0, dicom_port=port, mllp_port=0))
        assert refusal.value.fault is Fault.CONFLICT
        assert str(port) in refusal.value.message


def test_port_of_a_role_that_does_not_run_here_is_not_looked_at() -> None:
    with listening() as taken:
        refuse_taken_ports(Settings(http_port=0, dicom_port=taken.getsockname()[1], roles=("web", "worker")))


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(PacsdError) as refusal:
        refuse_taken_ports(Settings(host="192.0.2.1"))
    assert refusal.value.fault is Fault.UNSUPPORTED


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_warning(host: str, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_exposure(host)
    assert caplog.records == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "pacs.example"])
def test_anything_else_is_warned_about(host: str, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_exposure(host)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
