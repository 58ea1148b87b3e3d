"""Connections to remote AEs, in plain text or in TLS as their settings say (PS3.15 B.12)."""

import socket
from collections.abc import Callable
from typing import Protocol

from config.settings import RemoteAESettings, TlsSettings
from pacsd.access.secure_connection import dialled
from pacsd.access.tls import TlsContexts
from pacsd.faults import Fault, PacsdError


class Remote(Protocol):
    """Where a peer is; the settings of a remote AE are one."""

    @property
    def title(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


Dial = Callable[[Remote, float], socket.socket]
"""Opens a connection within so many seconds. Raises OSError, PacsdError."""


def plain(remote: Remote, timeout_s: float) -> socket.socket:
    """Without TLS; to an AE that is to be reached by TLS never."""
    if isinstance(remote, RemoteAESettings) and remote.tls:
        raise PacsdError(Fault.UNSUPPORTED, f"{remote.title} is to be reached by TLS, which is not set up here")
    return socket.create_connection((remote.host, remote.port), timeout=timeout_s)


class Dialling:
    """Opens connections as the AEs' settings say."""

    def __init__(self, settings: TlsSettings) -> None:
        self._contexts = TlsContexts(settings)

    def __call__(self, remote: Remote, timeout_s: float) -> socket.socket:
        """The connection, its handshake over. Raises OSError, PacsdError INVALID where TLS is not set up rightly."""
        if not isinstance(remote, RemoteAESettings) or not remote.tls:
            return plain(remote, timeout_s)
        return dialled(
            self._contexts, remote.host, remote.port, certificate=remote.certificate, timeout_s=timeout_s
        )
