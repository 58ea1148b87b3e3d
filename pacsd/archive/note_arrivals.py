"""Rejection notes take effect as they arrive (IHE RAD-66): said in the journal, then done, and only then stored.

A note is acknowledged when it is kept and all that it names is hidden. Whatever ends a process on the way, the note is
in the spool: repair admits it once more, and everything here may be done twice.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pacsd.archive.journal import Fact, FactKind, Journal
from pacsd.archive.pack_file import PieceReader
from pacsd.archive.reject import Rejections
from pacsd.archive.rejection_note import KEY_OBJECT_SELECTION, References, RejectionNote, read_note
from pacsd.blobs.port import BlobStore
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Arrival, Outcome, Stored
from pacsd.index.rejection_notes import Standing

log = logging.getLogger("pacsd.archive")


class Admitting(Protocol):
    """Where durable objects become visible: archive.arrivals.Arrivals."""

    def admit(
        self, arrival: Arrival, durable: Callable[[], None] | None = None, *, again: bool = False
    ) -> Stored: ...
    def admit_all(self, arrivals: Sequence[Arrival], durable: Callable[[], None]) -> list[Stored | PacsdError]: ...


class NoteIndex(Protocol):
    """What the index is asked and told of notes; organisations by code."""

    def standing(self, organisation: str, sop: str) -> Standing:
        """What is known of a UID."""

    def await_note(self, organisation: str, sop: str, code: str) -> None:
        """A note is about to be stored, and will be hidden as soon as it is."""

    def notes_among(self, organisation: str, sops: list[str]) -> set[str]:
        """Those of some instances that are rejection notes."""

    def where(self, organisation: str, sops: list[str]) -> dict[str, dict[str, list[str]]]:
        """Of some instances those that the organisation keeps, by Study and Series Instance UID."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A note that arrived, and whose it is."""

    organisation: str
    arrival: Arrival
    note: RejectionNote


class NoteArrivals:
    """Admits arrivals; of Key Object Selections it looks first whether they reject."""

    def __init__(
        self,
        arrivals: Admitting,
        blobs: BlobStore,
        journal: Journal,
        index: NoteIndex,
        rejections: Rejections,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._arrivals = arrivals
        self._blobs = blobs
        self._journal = journal
        self._index = index
        self._rejections = rejections
        self._now = now

    def admit(
        self, arrival: Arrival, durable: Callable[[], None] | None = None, *, again: bool = False
    ) -> Stored:
        """As Arrivals.admit; raises also MALFORMED and TOO_MUCH, for a note that cannot take effect."""
        if arrival.sop_class_uid != KEY_OBJECT_SELECTION:
            return self._arrivals.admit(arrival, durable, again=again)
        if durable is not None:
            durable()
        note = self._read(arrival)
        if note is None:
            return self._arrivals.admit(arrival, again=again)
        return self._admit_note(_Said(_owner(arrival), arrival, note), again=again)

    def admit_all(self, arrivals: Sequence[Arrival], durable: Callable[[], None]) -> list[Stored | PacsdError]:
        """As Arrivals.admit_all: the others together, then the Key Object Selections one by one."""
        others = [one for one in arrivals if one.sop_class_uid != KEY_OBJECT_SELECTION]
        if len(others) == len(arrivals):
            return self._arrivals.admit_all(arrivals, durable)
        try:
            durable()
        except PacsdError as error:
            return [error] * len(arrivals)
        answers = iter(self._arrivals.admit_all(others, _done) if others else ())
        return [
            self._answered(one) if one.sop_class_uid == KEY_OBJECT_SELECTION else next(answers) for one in arrivals
        ]

    def _answered(self, arrival: Arrival) -> Stored | PacsdError:
        try:
            return self.admit(arrival)
        except PacsdError as error:
            return error

    def _read(self, arrival: Arrival) -> RejectionNote | None:
        try:
            with self._blobs.open(arrival.extent.key) as blob:
                return read_note(
                    PieceReader(blob, arrival.extent), offset_bytes=arrival.dataset_offset_bytes,
                    length_bytes=arrival.extent.length_bytes - arrival.dataset_offset_bytes,
                    transfer_syntax_uid=arrival.transfer_syntax_uid,
                )  # fmt: skip
        except PacsdError as error:
            if error.fault in (Fault.MALFORMED, Fault.TOO_MUCH):
                self._blobs.delete([arrival.extent.key])
            raise

    def _admit_note(self, said: _Said, *, again: bool) -> Stored:
        sop = said.arrival.sop_instance_uid
        before = self._index.standing(said.organisation, sop)
        if before.kept_in or before.state not in (None, "awaited"):
            stored = self._arrivals.admit(said.arrival, again=again)
            if not before.note and stored.outcome in (Outcome.DUPLICATE, Outcome.STORED):
                self._take_effect(said)          # kept since before notes were understood
            return stored
        self._index.await_note(said.organisation, sop, said.note.code)
        self._take_effect(said)
        return self._arrivals.admit(said.arrival, again=again)

    def _take_effect(self, said: _Said) -> None:
        kept, absent = self._named(said)
        facts = [_reject_fact(said, study, below) for study, below in _together(kept, absent).items()]
        at, marked = self._now(), _note_fact(said)
        try:
            self._journal.append_all([(fact, at) for fact in (marked, *facts)])
        except PacsdError as error:
            if error.fault is Fault.FULL:        # nothing was said: the sender should come again
                self._blobs.delete([said.arrival.extent.key])
            raise
        for body in facts:
            self._rejections.apply(_fact(body, at))
        for study, below in self._index.where(said.organisation, _sops(absent)).items():     # they came meanwhile
            self._rejections.apply(_fact(_reject_fact(said, study, below), at))
        self._rejections.apply_note(_fact(marked, at))
        log.info(
            "a rejection note took effect",
            extra={"sop": said.arrival.sop_instance_uid, "code": said.note.code, "studies": len(facts)},
        )

    def _named(self, said: _Said) -> tuple[References, References]:
        """What a note names, without itself and other notes: where it is kept; and what is not, as the note has it."""
        every = _sops(said.note.references)
        notes = self._index.notes_among(said.organisation, every) | {said.arrival.sop_instance_uid}
        if notes.intersection(every):
            log.warning("a note names rejection notes, which stay", extra={"sop": said.arrival.sop_instance_uid})
        kept = self._index.where(said.organisation, [sop for sop in every if sop not in notes])
        known = notes.union(_sops(kept))
        absent = {
            study: {series: left for series, sops in below.items() if (left := sorted(set(sops) - known))}
            for study, below in said.note.references.items()
        }
        return kept, {study: below for study, below in absent.items() if below}


def _sops(references: References) -> list[str]:
    return sorted({sop for below in references.values() for sops in below.values() for sop in sops})


def _together(kept: References, absent: References) -> References:
    return {
        study: {
            series: sorted({*kept.get(study, {}).get(series, ()), *absent.get(study, {}).get(series, ())})
            for series in {**kept.get(study, {}), **absent.get(study, {})}
        }
        for study in {**kept, **absent}
    }


def _note_fact(said: _Said) -> dict[str, Any]:
    return {
        "fact": FactKind.REJECTION_NOTE.value, "organisation": said.organisation, "code": said.note.code,
        "study": said.arrival.study_instance_uid, "series": said.arrival.series_instance_uid,
        "sop": said.arrival.sop_instance_uid,
    }  # fmt: skip


def _reject_fact(said: _Said, study: str, below: Mapping[str, list[str]]) -> dict[str, Any]:
    return {
        "fact": FactKind.REJECT.value, "organisation": said.organisation, "study": study, "series": below,
        "code": said.note.code, "note": said.arrival.sop_instance_uid, "awaited": True,
    }  # fmt: skip


def _done() -> None:
    """They are durable already."""


def _owner(arrival: Arrival) -> str:
    return arrival.extent.key.split("/")[1]                  # spool/<organisation>/…


def _fact(body: Mapping[str, Any], at: datetime) -> Fact:
    return Fact("", FactKind(body["fact"]), at, body)
