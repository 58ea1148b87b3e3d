"""Handshakes with a port that speaks TLS: what it agrees to, and what it refuses."""

import socket
import ssl
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from conformance.judging import Failed, NotTested

TIMEOUT_S = 10.0


class Agreed(NamedTuple):
    """What a handshake ended with."""

    version: str
    suite: str
    compression: str | None


@dataclass(frozen=True, slots=True)
class Port:
    """One that speaks TLS. `mutual`: it has to ask for a certificate; `certificate` and `key` are such as it takes."""

    host: str
    port: int
    authorities: Path | None = None
    mutual: bool = False
    certificate: Path | None = None
    key: Path | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def context(self) -> ssl.SSLContext:
        """A client's, which trusts the authorities that the suite was given, and shows a certificate if it has one."""
        made = ssl.create_default_context(cafile=self.authorities)
        if self.certificate is not None:
            made.load_cert_chain(self.certificate, self.key)
        return made

    def plain(self) -> socket.socket:
        """A connection without TLS. Raises Failed where nobody listens."""
        try:
            return socket.create_connection((self.host, self.port), timeout=TIMEOUT_S)
        except OSError as error:
            raise Failed(f"{self}: expected a connection, got {error}") from error

    def connected(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        """A connection after its handshake. Raises OSError where the server refuses."""
        raw = self.plain()
        try:
            return context.wrap_socket(raw, server_hostname=self.host)
        except BaseException:
            raw.close()
            raise

    def agreed(self, context: ssl.SSLContext) -> Agreed:
        """What a handshake ends with. Raises OSError where the server refuses."""
        with self.connected(context) as connection:
            cipher = connection.cipher()
            return Agreed(connection.version() or "", cipher[0] if cipher else "", connection.compression())


def older(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """One that speaks this version alone, however old. Raises NotTested where this machine's OpenSSL cannot."""
    try:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = version
            context.minimum_version = version
    except (ssl.SSLError, ValueError) as error:
        raise NotTested(f"this machine does not speak {version.name}") from error
    return context


def with_suites(context: ssl.SSLContext, suites: str) -> ssl.SSLContext | None:
    """One that offers these suites of TLS 1.2 alone; None where this machine's OpenSSL has none of them."""
    try:
        context.set_ciphers(f"{suites}:@SECLEVEL=0")
    except ssl.SSLError:
        return None
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
