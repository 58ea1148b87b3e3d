"""What is looked at before the roles listen."""

import errno
import logging
import socket
from ipaddress import ip_address

from config.settings import Settings
from pacsd.faults import Fault, PacsdError

log = logging.getLogger("pacsd.supervise")


def warn_of_exposure(host: str) -> None:
    """There is no authentication yet: whoever reaches the ports reads and writes."""
    if not _is_loopback(host):
        log.warning(
            "listening beyond this machine, and nothing asks who is there: everybody who reaches these ports "
            "can read and store images; bind to 127.0.0.1 or put a firewall in front",
            extra={"host": host},
        )


def refuse_taken_ports(settings: Settings) -> None:
    """Our processes share a port (SO_REUSEPORT), and so could another pacsd's by mistake, each getting a part.

    Raises PacsdError CONFLICT where somebody listens, UNSUPPORTED where the address is none of this machine's
    or the port is not for us.
    """
    ports = (("web", settings.http_port), ("dimse", settings.dicom_port), ("hl7", settings.mllp_port))
    for role, port in ports:
        if role in settings.roles and port != 0:
            _try(settings.host, port)


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


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
