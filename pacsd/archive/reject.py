"""Rejecting instances (IHE RAD IOCM 4.66), taking it back, and purging: set-based, repeatable, remembered for good.

A rejection hides instances and keeps their bytes; a purge takes the bytes away too. Facts name every instance, so that
what arrives later is not touched when they are replayed.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from pacsd.archive.journal import Fact, FactKind, Journal
from pacsd.archive.sidecar import SidecarIndex
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import PackRow, SeriesContent

Named = Mapping[str, Sequence[str]]      # Series Instance UID -> SOP Instance UIDs


class RejectionIndex(Protocol):
    """Where rejections take effect; organisations by code. Each call may be made twice."""

    def series_of(self, organisation: str, study_instance_uid: str) -> list[SeriesContent]:
        """Every series of a study, with hidden instances."""

    def reject(self, organisation: str, study_instance_uid: str, named: Named, code: str) -> None:
        """Hide instances and keep them from coming back."""

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
    ) -> int:
        """Reject a study, a series or some instances of an organisation, for a reason (a KOS title's code).

        How many are rejected by this call; those rejected before stay so. Raises PacsdError NOT_FOUND if it names
        nothing that is there.
        """
        named = self._named(organisation, study_instance_uid, series_instance_uid, sop_instance_uids)
        return self._say(FactKind.REJECT, organisation, study_instance_uid, named, code=code)

    def restore(
        self,
        organisation: str,
        study_instance_uid: str,
        series_instance_uid: str | None = None,
        sop_instance_uids: Sequence[str] | None = None,
    ) -> int:
        """Take a rejection back. Raises PacsdError NOT_FOUND."""
        named = self._named(
            organisation, study_instance_uid, series_instance_uid, sop_instance_uids, rejected=True
        )
        return self._say(FactKind.RESTORE, organisation, study_instance_uid, named)

    def purge(
        self,
        organisation: str,
        study_instance_uid: str,
        series_instance_uid: str | None = None,
        sop_instance_uids: Sequence[str] | None = None,
    ) -> int:
        """Delete for good, rejected or not. Raises PacsdError NOT_FOUND."""
        named = self._named(
            organisation, study_instance_uid, series_instance_uid, sop_instance_uids, rejected=None
        )
        return self._say(FactKind.PURGE, organisation, study_instance_uid, named)

    def apply(self, fact: Fact) -> None:
        """Let a fact take effect, maybe again."""
        body: Mapping[str, Any] = fact.body
        whose = body["organisation"], body["study"], body["series"]
        if fact.kind is FactKind.REJECT:
            self._index.reject(*whose, body["code"])
        elif fact.kind is FactKind.RESTORE:
            self._index.restore(*whose)
        else:
            self._index.purge(*whose, fact.at)

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
