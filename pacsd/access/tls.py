"""TLS contexts of servers and clients: BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12).

TLS 1.3, and 1.2 with the suites that RFC 9325 4.2 recommends; nothing older, no renegotiation (RFC 9325 3.5), no
compression (3.3). A context is made anew when one of its files has changed, which is looked at before a handshake and
once a second at most: connections that run keep theirs. Files that cannot be used leave the former context in place.
"""

import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.listening import openings
from config.settings import Settings, TlsSettings
from pacsd.access.secrets import refuse_open, secret_of
from pacsd.faults import Fault, PacsdError

log = logging.getLogger("pacsd.tls")

SUITES_OF_1_2 = (                        # RFC 9325 4.2, and ChaCha20 (RFC 7905) for machines without AES in hardware
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
)  # fmt: skip
_SECURITY_LEVEL = "@SECLEVEL=2"          # OpenSSL: keys of 112 bits of strength, RSA 2048, and no SHA-1 (RFC 9325 4.5)
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CLIENTS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_LOOK_EVERY_S = 1.0

Signature = tuple[tuple[int, int, int], ...]


@dataclass(slots=True)
class _Kept:
    """A context with what its files were like."""

    context: ssl.SSLContext
    signature: Signature
    looked_at: float


class TlsContexts:
    """The contexts of one process, each made when it is first asked for. May be used by any thread."""

    def __init__(self, settings: TlsSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._clock = clock
        self._kept: dict[object, _Kept] = {}
        self._lock = threading.Lock()

    def server(self, clients: str = "none", *, protocols: Sequence[str] = ()) -> ssl.SSLContext:
        """For a handshake as server now; `clients`: none, optional, required. `protocols`: ALPN (RFC 7301).

        Raises PacsdError INVALID where the files have never been usable.
        """
        return self._current(("server", clients, *protocols), lambda: server_context(self.settings, clients, protocols))

    def client(self, *, check_name: bool = True) -> ssl.SSLContext:
        """For a handshake as client now, with our certificate where we have one; raises as `server`.

        Without `check_name` the caller compares the certificate with the one it expects.
        """
        return self._current(("client", check_name), lambda: client_context(self.settings, check_name=check_name))

    def _current(self, key: object, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        with self._lock:
            kept, now = self._kept.get(key), self._clock()
            if kept is not None and now - kept.looked_at < _LOOK_EVERY_S:
                return kept.context
            signature = _signature(self.settings)
            if kept is None:
                kept = self._kept[key] = _Kept(make(), signature, now)
            elif signature != kept.signature:
                self._renew(kept, make, signature)
            kept.looked_at = now
            return kept.context

    def _renew(self, kept: _Kept, make: Callable[[], ssl.SSLContext], signature: Signature) -> None:
        try:
            kept.context, kept.signature = make(), signature
        except PacsdError as error:
            log.warning("changed TLS files cannot be used, the former ones stay", extra={"cause": error.message})
            return
        log.info("TLS files were read again")


def check_files(settings: Settings) -> None:
    """Look at the files of listeners and callers before anything begins. Raises SettingsError, PacsdError INVALID."""
    tls = settings.security.tls
    for one in openings(settings):
        if one.is_secure:
            server_context(tls, one.clients)
    if any(one.tls for one in settings.remote_aes) or any(one.tls for one in settings.hl7_destinations):
        client_context(tls)


def server_context(settings: TlsSettings, clients: str = "none", protocols: Sequence[str] = ()) -> ssl.SSLContext:
    """A server's context. Raises PacsdError INVALID, which names the file that cannot be used."""
    context = _server_of(settings, settings.certificate, settings.key, clients, protocols)
    by_name = [
        (one.name, _server_of(settings, one.certificate, one.key, clients, protocols)) for one in settings.names
    ]
    if by_name:
        context.sni_callback = _chooser(context, by_name)
    return context


def client_context(settings: TlsSettings, *, check_name: bool = True) -> ssl.SSLContext:
    """A client's context. Raises PacsdError INVALID, which names the file that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, settings)
    context.check_hostname = check_name
    if settings.authorities is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    _trust(context, settings)
    if settings.certificate is not None:
        _identify(context, settings.certificate, settings.key, settings.key_passphrase)
    return context


def _server_of(
    settings: TlsSettings, certificate: Path | None, key: Path | None, clients: str, protocols: Sequence[str]
) -> ssl.SSLContext:
    if certificate is None:
        raise PacsdError(Fault.INVALID, "security.tls.certificate is not set")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, settings)
    context.verify_mode = _CLIENTS[clients]
    if clients != "none":                # one resumed by a ticket would not be looked up in the lists again
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        _trust(context, settings)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    _identify(context, certificate, key, settings.key_passphrase)
    return context


def _harden(context: ssl.SSLContext, settings: TlsSettings) -> None:
    context.minimum_version = _VERSIONS[settings.minimum_version]
    context.set_ciphers(":".join((*SUITES_OF_1_2, _SECURITY_LEVEL)))
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE


def _trust(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if settings.authorities is not None:
        _load(settings.authorities, lambda: context.load_verify_locations(cafile=settings.authorities))
    if settings.revocations is not None:
        _load(settings.revocations, lambda: context.load_verify_locations(cafile=settings.revocations))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _identify(context: ssl.SSLContext, certificate: Path, key: Path | None, passphrase: str) -> None:
    if key is not None:
        refuse_open(key)
    password = secret_of(passphrase) if passphrase else ""           # empty: OpenSSL asks nobody at the terminal
    _load(certificate, lambda: context.load_cert_chain(certificate, key, password=password))


def _load(file: Path, load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise PacsdError(Fault.INVALID, f"{file} cannot be used: {error.reason or 'no PEM'}") from error
    except OSError as error:
        raise PacsdError(Fault.INVALID, f"{file} cannot be read: {error.strerror}") from error


Chooser = Callable[[ssl.SSLObject, "str | None", ssl.SSLContext], None]


def _chooser(first: ssl.SSLContext, others: Sequence[tuple[str, ssl.SSLContext]]) -> Chooser:
    """The certificate for the name that a client asks for (RFC 6066 3); the first one where none has it."""
    by_name = {name.lower(): context for name, context in others}

    def choose(session: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        wanted = (name or "").lower()
        session.context = by_name.get(wanted) or by_name.get(f"*.{wanted.partition('.')[2]}") or first

    return choose


def _signature(settings: TlsSettings) -> Signature:
    named = [(one.certificate, one.key) for one in settings.names]
    files = (settings.certificate, settings.key, settings.authorities, settings.revocations, *sum(named, ()))
    return tuple(_state(file) for file in files if file is not None)


def _state(file: Path) -> tuple[int, int, int]:
    try:
        state = os.stat(file)
    except OSError:
        return (0, 0, 0)
    return (state.st_mtime_ns, state.st_size, state.st_ino)
