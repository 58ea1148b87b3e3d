"""Deleting what was kept long enough: by rule, and by notes that say so (IHE RAD-66 4.66.4.4).

A study goes when every rule that applies to it has run out, and it is not on hold. Where a rule names AEs, each has to
take a rejection note first; the same note once more if a process ended in between. Then it is purged as by hand: said
in the journal, then done. Nothing else is kept of this work: what is due follows from the index.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from pacsd.archive.reject import Rejections
from pacsd.archive.rejection_note import RETENTION
from pacsd.archive.rejection_note_writing import Referenced, WrittenNote, write_note
from pacsd.archive.sidecar import SidecarIndex
from pacsd.archive.truth import Truth
from pacsd.faults import Fault, PacsdError
from pacsd.index import retention as rows
from pacsd.index.connect import Pool
from pacsd.index.records import PackRow
from pacsd.index.retention import Due, Rule

log = logging.getLogger("pacsd.archive")

PAGE = 200
SendNote = Callable[[str, str, WrittenNote], None]       # AE title, organisation; raises PacsdError


def unreachable(title: str, _organisation: str, _note: WrittenNote) -> None:
    """Where no edge sends notes: what would have to be told of does not go."""
    raise PacsdError(Fault.UNSUPPORTED, f"there is no way to {title} from here")


@dataclass(frozen=True, slots=True)
class Kept:
    """A rule, and who is to be told before a study goes by it."""

    rule: Rule
    notes_to: tuple[str, ...] = ()


class Retention:
    """Finds studies that are due, a page at a time, and lets them go."""

    def __init__(
        self,
        pool: Pool,
        truth: Truth,
        rejections: Rejections,
        sidecar: Callable[[PackRow], SidecarIndex],
        send_note: SendNote,
        *,
        rules: Sequence[Kept],
        codes: Mapping[int, str],
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._pool = pool
        self._truth = truth
        self._rejections = rejections
        self._sidecar = sidecar
        self._send_note = send_note
        self._rules = rules
        self._codes = codes
        self._today = today
        self._after = 0

    def due(self) -> Iterator[Due]:
        """All that would go, and is left alone."""
        after = 0
        while page := self._page(after):
            yield from page
            after = page[-1].pk

    def run(self) -> bool:
        """Let a page of studies go; whether there is another page. One that cannot go waits for the next round."""
        page = self._page(self._after)
        for study in page:
            try:
                self.let_go(study)
            except PacsdError as error:
                log.warning(
                    "a study that was kept long enough was not deleted",
                    extra={"study": study.study_instance_uid, "fault": error.fault.value, "reason": error.message},
                )
        self._after = page[-1].pk if len(page) == PAGE else 0
        return len(page) == PAGE

    def let_go(self, study: Due) -> int:
        """Tell who is to be told, then delete; how many instances. Raises PacsdError, and the study stays."""
        code = self._codes[study.organisation]
        told = dict.fromkeys(title for n in study.rules for title in self._rules[n].notes_to)
        if told:
            note = self._note(study, code)
            for title in told:
                self._send_note(title, code, note)
        if not rows.due(self._pool, self._only_rules(), today=self._today(), limit=1, only=study.pk):
            raise PacsdError(Fault.CONFLICT, "the study is not due any more")
        done = self._rejections.purge(code, study.study_instance_uid)
        log.info("a study was kept long enough", extra={"study": study.study_instance_uid, "instances": done})
        return done

    def _page(self, after: int) -> list[Due]:
        found = rows.due(self._pool, self._only_rules(), today=self._today(), after=after, limit=PAGE)
        return [one for one in found if one.organisation in self._codes]

    def _only_rules(self) -> list[Rule]:
        return [one.rule for one in self._rules]

    def _note(self, study: Due, code: str) -> WrittenNote:
        attributes: dict[str, Any] = orjson.loads("{" + ",".join(study.members) + "}")
        attributes["0020000D"] = {"vr": "UI", "Value": [study.study_instance_uid]}
        named = list(self._referenced(code, study.study_instance_uid))
        return write_note(RETENTION, attributes, named, organisation=code, on=study.expired_on)

    def _referenced(self, code: str, study_instance_uid: str) -> Iterator[Referenced]:
        for content in self._truth.series_of(code, study_instance_uid):
            for pack in content.packs:
                for entry in self._sidecar(pack):
                    if entry.sop_instance_uid not in content.replaced:
                        yield Referenced(content.series_instance_uid, entry.sop_class_uid, entry.sop_instance_uid)
            for one in content.loose:
                yield Referenced(content.series_instance_uid, one.sop_class_uid, one.sop_instance_uid)


class Expired:
    """Deletes what notes said was kept long enough, some time after they did."""

    def __init__(
        self,
        pool: Pool,
        rejections: Rejections,
        *,
        codes: Mapping[int, str],
        after_s: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._rejections = rejections
        self._codes = codes
        self._after_s = after_s
        self._now = now

    def run(self) -> bool:
        """Some series; whether there may be more."""
        before = self._now() - timedelta(seconds=self._after_s)
        found = rows.expired(self._pool, before=before, limit=PAGE)
        for organisation, study, series, sops in found:
            if organisation in self._codes:
                try:
                    self._rejections.purge(self._codes[organisation], study, series, sops)
                except PacsdError as error:
                    if error.fault not in (Fault.CONFLICT, Fault.NOT_FOUND):     # put on hold, or purged by hand
                        raise
        return len(found) == PAGE
