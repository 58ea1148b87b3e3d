"""Rejecting instances (IHE RAD IOCM 4.66), taking it back, and purging: set-based, repeatable, remembered for good.

A rejection hides instances and keeps their bytes; a purge takes the bytes away too. Facts name every instance, so that
what arrives later is not touched when they are replayed.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pacsd.archive.journal import Fact, FactKind, Journal
from pacsd.archive.sidecar import SidecarIndex
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import PackRow, SeriesContent
from pacsd.index.rejections import Saying

Named = Mapping[str, Sequence[str]]      # Series Instance UID -> SOP Instance UIDs


@dataclass(frozen=True, slots=True)
class Overtaken:
    """An instance that is shown though it was awaited to be hidden: it came at the moment when its note did."""

    organisation: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    saying: Saying


class RejectionIndex(Protocol):
    """Where rejections take effect; organisations by code. Each call may be made twice."""

    def series_of(self, organisation: str, study_instance_uid: str) -> list[SeriesContent]:
        """Every series of a study, with hidden instances."""

    def reject(self, organisation: str, study_instance_uid: str, named: Named, saying: Saying) -> None:
        """Hide instances and keep them from coming back."""

    def mark_note(self, organisation: str, study: str, series: str, sop: str, code: str) -> None:
        """Hide a rejection note, if it is there."""

    def notes_among(self, organisation: str, sops: Sequence[str]) -> set[str]:
        """Those of some instances that are rejection notes."""

    def overtaken(self, *, limit: int) -> list[Overtaken]:
        """Instances that are shown though they were awaited to be hidden."""

    def hold(self, organisation: str, study_instance_uid: str, reason: str, at: datetime) -> None:
        """Keep a study from being deleted."""

    def release(self, organisation: str, study_instance_uid: str) -> None:
        """Let it be deleted again."""

    def is_held(self, organisation: str, study_instance_uid: str) -> bool:
        """Whether a study is on legal hold."""

    def settled(self, organisation: str, study_instance_uid: str) -> AbstractContextManager[None]:
        """Within it nobody else decides whether a study is held or deleted."""

    def restore(self, organisation: str, study_instance_uid: str, named: Named) -> None:
        """Show rejected instances again."""

    def purge(self, organisation: str, study_instance_uid: str, named: Named, received_before: datetime) -> None:
        """Forget instances that arrived before; loose ones become garbage, packed ones leave at the next merge."""


class Rejections:
    """Rejects, restores and purges: journal first, then index."""

    def __init__(
        self, journal: Journal, index: RejectionIndex, sidecar: Callable[[PackRow], SidecarIndex]
    ) -> None:
        self._journal = journal
        self._index = index
        self._sidecar = sidecar

    def reject(
        self,
        organisation: str,
        study_instance_uid: str,
        series_instance_uid: str | None = None,
        sop_instance_uids: Sequence[str] | None = None,
        *,
        code: str,
        reason: str = "",
    ) -> int:
        """Reject a study, a series or some instances of an organisation, for a reason (a KOS title's code).

        How many are rejected by this call; those rejected before stay so. Rejection notes are left out. Raises
        PacsdError NOT_FOUND if it names nothing that is there, CONFLICT if only notes.
        """
        named = self._named(organisation, study_instance_uid, series_instance_uid, sop_instance_uids)
        named = self._without_notes(organisation, named)
        if sop_instance_uids and set(sop_instance_uids) <= self._index.notes_among(organisation, sop_instance_uids):
            raise PacsdError(Fault.CONFLICT, "a rejection note cannot be rejected; restore what it rejects instead")
        more = {"reason": reason} if reason else {}
        return self._say(FactKind.REJECT, organisation, study_instance_uid, named, code=code, **more)

    def restore(
        self,
        organisation: str,
        study_instance_uid: str,
        series_instance_uid: str | None = None,
        sop_instance_uids: Sequence[str] | None = None,
        *,
        reason: str = "",
    ) -> int:
        """Take a rejection back; notes stay hidden. Raises PacsdError NOT_FOUND."""
        named = self._named(
            organisation, study_instance_uid, series_instance_uid, sop_instance_uids, rejected=True
        )
        more = {"reason": reason} if reason else {}
        shown = self._without_notes(organisation, named)
        return self._say(FactKind.RESTORE, organisation, study_instance_uid, shown, **more)

    def let_come(self, organisation: str, study_instance_uid: str, series: str, sops: Sequence[str]) -> int:
        """Instances that are awaited to be hidden, or were purged after they were rejected, may come again."""
        return self._say(FactKind.RESTORE, organisation, study_instance_uid, {series: sorted(sops)})

    def purge(
        self,
        organisation: str,
        study_instance_uid: str,
        series_instance_uid: str | None = None,
        sop_instance_uids: Sequence[str] | None = None,
    ) -> int:
        """Delete for good, rejected or not. Raises PacsdError NOT_FOUND, CONFLICT for a study on legal hold."""
        with self._index.settled(organisation, study_instance_uid):
            if self._index.is_held(organisation, study_instance_uid):
                raise PacsdError(Fault.CONFLICT, "the study is on legal hold")
            named = self._named(
                organisation, study_instance_uid, series_instance_uid, sop_instance_uids, rejected=None
            )
            return self._say(FactKind.PURGE, organisation, study_instance_uid, named)

    def hold(self, organisation: str, study_instance_uid: str, *, reason: str) -> None:
        """Put a study on legal hold, be it here yet or not: nothing of it is deleted; once more, for another reason."""
        self._say_of_study(FactKind.HOLD, organisation, study_instance_uid, reason)

    def release(self, organisation: str, study_instance_uid: str, *, reason: str) -> None:
        """End a legal hold. Raises PacsdError NOT_FOUND if there is none."""
        if not self._index.is_held(organisation, study_instance_uid):
            raise PacsdError(Fault.NOT_FOUND, "the study is not on hold")
        self._say_of_study(FactKind.RELEASE, organisation, study_instance_uid, reason)

    def settle_overtaken(self, *, limit: int = 1000) -> bool:
        """Hide what a note and its instances, arriving at once, left to be seen; whether there was any.

        What the note said stands in the journal; nothing is said anew.
        """
        found = self._index.overtaken(limit=limit)
        for one in found:
            named = {one.series_instance_uid: [one.sop_instance_uid]}
            self._index.reject(one.organisation, one.study_instance_uid, named, one.saying)
        return bool(found)

    def apply(self, fact: Fact) -> None:
        """Let a fact take effect, maybe again."""
        body: Mapping[str, Any] = fact.body
        whose = body["organisation"], body["study"], body["series"]
        if fact.kind is FactKind.REJECT:
            self._index.reject(*whose, saying_of(body))
        elif fact.kind is FactKind.RESTORE:
            self._index.restore(*whose)
        else:
            self._index.purge(*whose, fact.at)

    def apply_note(self, fact: Fact) -> None:
        """Let it take effect again that an instance is a rejection note."""
        body: Mapping[str, Any] = fact.body
        self._index.mark_note(body["organisation"], body["study"], body["series"], body["sop"], body["code"])

    def apply_hold(self, fact: Fact) -> None:
        """Let a hold, or its end, take effect, maybe again."""
        body: Mapping[str, Any] = fact.body
        if fact.kind is FactKind.HOLD:
            self._index.hold(body["organisation"], body["study"], body["reason"], fact.at)
        else:
            self._index.release(body["organisation"], body["study"])

    @property
    def appliers(self) -> dict[FactKind, Callable[[Fact], None]]:
        """How the facts of this module take effect again, after a crash or in a rebuild."""
        return {
            FactKind.REJECT: self.apply,
            FactKind.RESTORE: self.apply,
            FactKind.PURGE: self.apply,
            FactKind.REJECTION_NOTE: self.apply_note,
            FactKind.HOLD: self.apply_hold,
            FactKind.RELEASE: self.apply_hold,
        }

    def _say_of_study(self, kind: FactKind, organisation: str, study: str, reason: str) -> None:
        with self._index.settled(organisation, study):
            body = {"fact": kind.value, "organisation": organisation, "study": study, "reason": reason}
            self.apply_hold(self._journal.append(body))

    def _without_notes(self, organisation: str, named: Named) -> Named:
        notes = self._index.notes_among(organisation, [sop for sops in named.values() for sop in sops])
        left = {series: [sop for sop in sops if sop not in notes] for series, sops in named.items()}
        return {series: sops for series, sops in left.items() if sops}

    def _say(self, kind: FactKind, organisation: str, study: str, named: Named, **more: str) -> int:
        if named:
            body = {"fact": kind.value, "organisation": organisation, "study": study, "series": named, **more}
            self.apply(self._journal.append(body))
        return sum(map(len, named.values()))

    def _named(
        self,
        organisation: str,
        study: str,
        series: str | None,
        sops: Sequence[str] | None,
        *,
        rejected: bool | None = False,
    ) -> Named:
        """The instances meant, by series; those that are rejected already, those that are not, or both (None)."""
        named: dict[str, list[str]] = {}
        there = False
        for content in self._index.series_of(organisation, study):
            if series is not None and content.series_instance_uid != series:
                continue
            meant = self._instances(content)
            if sops is not None:
                meant &= set(sops)
            there = there or bool(meant)
            if rejected is not None:
                meant = meant & content.rejected if rejected else meant - content.rejected
            if meant:
                named[content.series_instance_uid] = sorted(meant)
        if not there:
            raise PacsdError(Fault.NOT_FOUND, "no such study, series or instance")
        return named

    def _instances(self, content: SeriesContent) -> set[str]:
        packed = {entry.sop_instance_uid for pack in content.packs for entry in self._sidecar(pack)}
        return (packed - content.replaced) | {one.sop_instance_uid for one in content.loose}


def saying_of(body: Mapping[str, Any]) -> Saying:
    """Why a fact rejects what it names."""
    return Saying(body["code"], body.get("note", ""), body.get("reason", ""), bool(body.get("awaited")))
