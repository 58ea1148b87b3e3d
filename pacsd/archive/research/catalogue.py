"""What searches of a project answer of its studies and series, told by what is made of them.

A study is told by the first instance of each series that the policy lets through, with pixels or without; a series of
which it lets none through of the first few is not there. Counts are of such series, as they are stored.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import orjson

import pacsd
from pacsd.access.scope import Scope
from pacsd.archive.research.contents import ResearchContents, Stored
from pacsd.archive.retrieve import Selection
from pacsd.archive.search import Criterion, Match, Query, Search
from pacsd.blobs.cache import Cache
from pacsd.codec import attributes
from pacsd.codec.header import Header
from pacsd.faults import Fault, PacsdError
from pacsd.index.rows import answer

BUDGET_S = 20.0                          # of one search: what was told by then is kept for the next
_TRIED = 8                               # instances of a series
_KEPT_BYTES = 32 << 20                   # of one process and project
_MANY = 500                              # studies asked for at once


@dataclass(frozen=True, slots=True)
class SeriesEntry:
    """A series as it is told: texts as index.rows has them."""

    pk: int
    series_instance_uid: str
    attributes: str
    more: str
    modality: str
    sop_class_uid: str
    instances: int


@dataclass(frozen=True, slots=True)
class StudyEntry:
    """A study as it is told, and its series."""

    pk: int
    study_instance_uid: str
    study_date: str
    attributes: str
    more: str
    series: tuple[SeriesEntry, ...]

    def encoded(self) -> bytes:
        """As it is kept."""
        return orjson.dumps(self)

    @classmethod
    def decoded(cls, data: bytes) -> "StudyEntry":
        """What was kept."""
        told = orjson.loads(data)
        return cls(**{**told, "series": tuple(SeriesEntry(**one) for one in told["series"])})


class Catalogue:
    """The studies of one project."""

    def __init__(
        self, contents: ResearchContents, search: Search, cache: Cache, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._contents, self._search, self._cache, self._clock = contents, search, cache, clock
        self._kept: OrderedDict[str, tuple[int, StudyEntry]] = OrderedDict()
        self._kept_bytes = 0
        self._lock = Lock()

    def studies(self, scope: Scope, wanted: Callable[[str], bool]) -> list[StudyEntry]:
        """Those that are wanted by their UIDs, the newest first by the dates that they show.

        Raises PacsdError UNAVAILABLE where telling of them takes longer than a search may.
        """
        project, until = self._contents.project, self._clock() + BUDGET_S
        originals = [original for new, original in project.listed.studies().items() if wanted(new)]
        found = []
        for match in self._visible(project.scope(scope), originals):
            entry = self._entry(scope, match, until)
            if entry.series:
                found.append(entry)
        return sorted(found, key=lambda one: (one.study_date, one.study_instance_uid), reverse=True)

    def _visible(self, scope: Scope, originals: Sequence[str]) -> Iterator[Match]:
        """Those that are there to be made."""
        for at in range(0, len(originals), _MANY):
            uids = "\\".join(originals[at : at + _MANY])
            yield from self._search(Query("study", (Criterion("0020000D", uids),), include_all=True), scope)

    def _entry(self, scope: Scope, match: Match, until: float) -> StudyEntry:
        key = self._key(match)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][1]
        if self._cache.use(key):
            data = self._cache.blobs.read(key)
        else:
            if self._clock() > until:
                raise PacsdError(Fault.UNAVAILABLE, "the project's studies are being de-identified; ask again")
            data = self._told(scope, match).encoded()
            self._cache.keep(key, (data,))
        entry = StudyEntry.decoded(data)
        self._keep(key, len(data), entry)
        return entry

    def _key(self, match: Match) -> str:
        """By what the index says of the study: it changes with every arrival, rejection and correction; and by the
        release, as the next one may take more away."""
        making = self._contents.project.making
        said = repr((pacsd.__version__, making.policy, match.study, match.study_instance_uid, match.attributes,
                     match.more, match.counts, match.modalities))  # fmt: skip
        return f"told/{making.project.seal('study', said.encode('utf-8', 'replace')).hex()}"

    def _told(self, scope: Scope, match: Match) -> StudyEntry:
        project = self._contents.project
        new = project.uid(match.study_instance_uid)
        above: dict[str, Any] = {}
        series = []
        for one in self._contents.of(scope, Selection((new,))):
            header = self._header(one)
            if header is not None:
                above = above or {**attributes.patient(header), **attributes.study(header)}
                series.append(_series(one, header, project.uid(one.content.series_instance_uid)))
        told = answer("study", above)
        return StudyEntry(match.study, new, _first(above, "00080020"), told.attributes, told.more, tuple(series))

    def _header(self, one: Stored) -> Header | None:
        headers = (self._contents.made.header(ref) for ref in one.refs[:_TRIED])
        return next((header for header in headers if header is not None), None)

    def _keep(self, key: str, size: int, entry: StudyEntry) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = size, entry
                self._kept_bytes += size
            while self._kept_bytes > _KEPT_BYTES and len(self._kept) > 1:
                self._kept_bytes -= self._kept.popitem(last=False)[1][0]


def _series(one: Stored, header: Header, uid: str) -> SeriesEntry:
    own = attributes.series(header)
    told = answer("series", own)
    return SeriesEntry(
        one.content.series, uid, told.attributes, told.more, _first(own, "00080060"), header.text(0x00080016),
        len(one.refs),
    )


def _first(found: Mapping[str, Any], tag: str) -> str:
    return str(next(iter(found.get(tag, {}).get("Value", ())), ""))
