"""Whom the command line talks to, and associations with them."""

import argparse
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom.ae import ApplicationEntity as AE
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.status import code_to_category

from config import checks
from config.settings import Settings
from pacsd.access.peer_certificate import of_session
from pacsd.access.tls import TlsContexts
from pacsd.faults import Fault, PacsdError

NAMED = re.compile(r"(?P<title>[^@]+)@(?P<host>\[[^]]+\]|[^:]+):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class Peer:
    """Where an AE listens."""

    title: str
    host: str
    port: int
    tls: bool = False
    certificate: str = ""                # by which it is known inside TLS; its host's name when empty

    def __str__(self) -> str:
        return f"{self.title}@{self.host}:{self.port}"


def peer_of(text: str, settings: Settings) -> Peer:
    """TITLE@HOST:PORT, or the title of a remote AE of the settings. Raises PacsdError NOT_FOUND."""
    for remote in settings.remote_aes:
        if remote.title == text:
            return Peer(remote.title, remote.host, remote.port, remote.tls, remote.certificate)
    match = NAMED.fullmatch(text)
    if match is None or checks.ae_title(match["title"]) is not None:
        known = ", ".join(remote.title for remote in settings.remote_aes) or "none"
        raise PacsdError(
            Fault.NOT_FOUND, f"{text} is neither TITLE@HOST:PORT nor a remote AE of the settings ({known})"
        )
    return Peer(match["title"], match["host"].strip("[]"), int(match["port"]))


@contextmanager
def association(
    options: argparse.Namespace, settings: Settings, contexts: Sequence[PresentationContext]
) -> Iterator[Association]:
    """An association with the peer that the options name. Raises PacsdError UNAVAILABLE or REFUSED."""
    peer = peer_of(options.peer, settings)
    ae = AE(ae_title=settings.ae_title)
    ae.acse_timeout = ae.dimse_timeout = ae.connection_timeout = options.timeout_s
    ae.network_timeout = max(60.0, options.timeout_s)
    made = ae.associate(
        peer.host, peer.port, contexts=list(contexts), ae_title=peer.title, tls_args=_tls_of(peer, settings)
    )
    if not made.is_established:
        raise _not_established(peer, made)
    try:
        _check_certificate(peer, made)
        yield made
    finally:
        if made.is_established:
            made.release()


def _tls_of(peer: Peer, settings: Settings) -> tuple[ssl.SSLContext, str] | None:
    if not peer.tls:
        return None
    return TlsContexts(settings.security.tls).client(check_name=not peer.certificate), peer.host


def _check_certificate(peer: Peer, made: Association) -> None:
    """That of a peer which is known by it. Raises PacsdError REFUSED before anything was said but who calls."""
    if not (peer.tls and peer.certificate):
        return
    connection = made.dul.socket.socket if made.dul.socket is not None else None
    shown = of_session(connection) if isinstance(connection, ssl.SSLSocket) else None
    if shown is None or not shown.answers_to(peer.certificate):
        made.abort()
        raise PacsdError(Fault.REFUSED, f"{peer} shows another certificate than the one it is known by")


def _not_established(peer: Peer, made: Association) -> PacsdError:
    answer = made.acceptor.primitive
    if made.is_rejected and answer is not None:
        return PacsdError(Fault.REFUSED, f"{peer} refused the association: {answer.reason_str}")
    return PacsdError(Fault.UNAVAILABLE, f"{peer} does not answer")


def describe(status: Dataset) -> str:
    """A DIMSE status for people: code, category, and the peer's Error Comment (PS3.7 C)."""
    if "Status" not in status:
        return "no answer in time, or the association was lost"
    return words(int(status.Status), status.get("ErrorComment") or "")


def words(code: int, comment: str) -> str:
    """The same of a code and its comment, which may be empty."""
    return f"0x{code:04X} {category(code)}" + (f" ({comment})" if comment else "")


def category(code: int) -> str:
    """Of a status: Success, Warning, Failure, … (PS3.7 C)."""
    return code_to_category(code)


def is_success(status: Dataset) -> bool:
    """Whether the peer did it, perhaps with a warning (PS3.7 C.1)."""
    return "Status" in status and category(int(status.Status)) in ("Success", "Warning")
