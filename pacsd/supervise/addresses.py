"""What is looked at before the roles listen."""

import errno
import socket

from config.listening import openings
from config.settings import Settings
from pacsd.faults import Fault, PacsdError


def refuse_taken_ports(settings: Settings) -> None:
    """Our processes share a port (SO_REUSEPORT), and so could another pacsd's by mistake, each getting a part.

    Raises SettingsError where to listen would be unsafe, PacsdError CONFLICT where somebody listens, UNSUPPORTED where
    the address is none of this machine's or the port is not for us.
    """
    for opening in openings(settings):
        if opening.port != 0:
            _try(opening.host, opening.port)


def _try(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        fault = Fault.CONFLICT if taken else Fault.UNSUPPORTED
        reason = "another program listens there" if taken else error.strerror
        raise PacsdError(fault, f"cannot listen on {host} port {port}: {reason}") from error
