"""Whom the command line talks to, and associations with them."""

import argparse
import re
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
from pacsd.faults import Fault, PacsdError

NAMED = re.compile(r"(?P<title>[^@]+)@(?P<host>\[[^]]+\]|[^:]+):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class Peer:
    """Where an AE listens."""

    title: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.title}@{self.host}:{self.port}"


def peer_of(text: str, settings: Settings) -> Peer:
    """TITLE@HOST:PORT, or the title of a remote AE of the settings. Raises PacsdError NOT_FOUND."""
    for remote in settings.remote_aes:
        if remote.title == text:
            return Peer(remote.title, remote.host, remote.port)
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
    made = ae.associate(peer.host, peer.port, contexts=list(contexts), ae_title=peer.title)
    if not made.is_established:
        raise _not_established(peer, made)
    try:
        yield made
    finally:
        if made.is_established:
            made.release()


def _not_established(peer: Peer, made: Association) -> PacsdError:
    answer = made.acceptor.primitive
    if made.is_rejected and answer is not None:
        return PacsdError(Fault.REFUSED, f"{peer} refused the association: {answer.reason_str}")
    return PacsdError(Fault.UNAVAILABLE, f"{peer} does not answer")


def describe(status: Dataset) -> str:
    """A DIMSE status for people: code, category, and the peer's Error Comment (PS3.7 C)."""
    if "Status" not in status:
        return "no answer in time, or the association was lost"
    code = int(status.Status)
    comment = f" ({status.ErrorComment})" if status.get("ErrorComment") else ""
    return f"0x{code:04X} {code_to_category(code)}{comment}"


def is_success(status: Dataset) -> bool:
    """Whether the peer did it, perhaps with a warning (PS3.7 C.1)."""
    return "Status" in status and code_to_category(int(status.Status)) in ("Success", "Warning")
