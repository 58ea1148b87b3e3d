"""Ports and exposure are looked at before anything listens."""

import socket

import pytest

from config.settings import DimseSettings, Settings
from pacsd.faults import Fault, PacsdError
from pacsd.supervise.addresses import refuse_taken_ports


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
        dimse = DimseSettings(plain_networks=("192.0.2.0/24",))
        refuse_taken_ports(Settings(host="192.0.2.1", roles=("dimse",), dimse=dimse))
    assert refusal.value.fault is Fault.UNSUPPORTED
