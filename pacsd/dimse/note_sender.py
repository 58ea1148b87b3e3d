"""Rejection notes of ours on their way to other systems: Storage as SCU (IHE RAD-66, PS3.4 B.2)."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from config.settings import Settings
from pacsd.archive.rejection_note import KEY_OBJECT_SELECTION
from pacsd.archive.rejection_note_writing import EXPLICIT_LITTLE_ENDIAN, WrittenNote
from pacsd.archive.retrieve import FileRange
from pacsd.dimse.association import Timeouts
from pacsd.dimse.dialling import Dialling, Remote
from pacsd.dimse.requestor import Proposal, Requestor
from pacsd.dimse.sending import proposed_syntaxes
from pacsd.dimse.violations import AssociationEnded
from pacsd.faults import Fault, PacsdError

log = logging.getLogger("pacsd.dimse")

_SUCCESS, _WARNINGS = 0x0000, range(0xB000, 0xC000)      # PS3.4 Table B.2-1


@dataclass(frozen=True, slots=True)
class _InMemory:
    """A data set that stands in no file."""

    data: bytes

    @property
    def size_bytes(self) -> int | None:
        return len(self.data)

    @property
    def file_range(self) -> FileRange | None:
        return None

    def chunks(self, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        return (self.data[at : at + chunk_bytes] for at in range(0, len(self.data), chunk_bytes))


class NoteSender:
    """Sends notes to remote AEs of the settings, under our own title of the organisation that says them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._dial = Dialling(settings.security.tls)

    def __call__(self, title: str, organisation: str, note: WrittenNote) -> None:
        """Return when the AE has stored the note. Raises PacsdError UNAVAILABLE, REFUSED, UNSUPPORTED, NOT_FOUND."""
        dimse = self._settings.dimse
        requestor = Requestor(
            self._calling(organisation),
            timeouts=Timeouts(artim_s=dimse.artim_timeout_s, idle_s=dimse.idle_timeout_s),
            connect_timeout_s=dimse.connect_timeout_s,
            dial=self._dial,
        )
        proposals = [Proposal(KEY_OBJECT_SELECTION, one) for one in proposed_syntaxes(EXPLICIT_LITTLE_ENDIAN)]
        try:
            with requestor.connect(self._remote(title, organisation), proposals) as outgoing:
                answer = outgoing.store(
                    _InMemory(note.dataset), sop_class_uid=KEY_OBJECT_SELECTION,
                    sop_instance_uid=note.sop_instance_uid, transfer_syntax_uid=EXPLICIT_LITTLE_ENDIAN,
                )  # fmt: skip
        except AssociationEnded as error:
            raise PacsdError(Fault.UNAVAILABLE, f"{title} went away: {error}") from error
        if answer.status != _SUCCESS and answer.status not in _WARNINGS:
            raise PacsdError(Fault.REFUSED, f"{title} did not take the note: 0x{answer.status:04X} {answer.comment}")
        log.info("a rejection note was sent", extra={"sop": note.sop_instance_uid, "receiver": title})

    def _calling(self, organisation: str) -> str:
        own = [one.title for one in self._settings.own_aes if one.organisation == organisation]
        return own[0] if own else self._settings.ae_title

    def _remote(self, title: str, organisation: str) -> Remote:
        known = [one for one in self._settings.remote_aes if one.title == title]
        own = [one for one in known if one.organisation == organisation]
        if not known:
            raise PacsdError(Fault.NOT_FOUND, f"no AE {title} is configured")
        return (own or known)[0]
