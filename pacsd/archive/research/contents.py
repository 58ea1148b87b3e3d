"""Where the instances of a project's studies are, in the shape in which the index says it of stored ones."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from pacsd.access.scope import Scope
from pacsd.archive.research.made import Made
from pacsd.archive.research.project import ResearchProject
from pacsd.archive.retrieve import Contents, InstanceRef, Retrieve, Selection
from pacsd.archive.sidecar import SidecarIndex
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import LooseInstance, PackRow, SeriesContent

BUDGET_S = 60.0                          # of one request


@dataclass(frozen=True, slots=True)
class Stored:
    """What an object of a project is made of: a series, and those of its instances that are wanted."""

    content: SeriesContent
    refs: tuple[InstanceRef, ...]


@dataclass(frozen=True, slots=True)
class ResearchContents:
    """archive.retrieve.Contents over made instances: UIDs come in and go out as the project has them."""

    project: ResearchProject
    stored: Contents
    retrieve: Retrieve
    made: Made

    def __call__(self, scope: Scope, selection: Selection) -> list[SeriesContent]:
        """The series of a selection that names a study, each instance made by now.

        Raises PacsdError UNAVAILABLE where making them takes longer than a request may; what is made is kept.
        """
        found, until = [], time.monotonic() + BUDGET_S
        for one in self.of(scope, selection):
            loose = tuple(made for ref in one.refs if (made := self._made(ref, until)) is not None)
            if loose:
                content = one.content
                found.append(SeriesContent(
                    content.series, content.study, content.organisation,
                    self.project.uid(content.study_instance_uid), self.project.uid(content.series_instance_uid),
                    (), loose,
                ))  # fmt: skip
        return found

    def of(self, scope: Scope, selection: Selection) -> Iterator[Stored]:
        """What is stored of it, of what the project is open to."""
        series, instances = frozenset(selection.series_instance_uids), frozenset(selection.sop_instance_uids)
        for study in selection.study_instance_uids:
            original = self.project.original(study)
            if original is None:
                continue
            narrow = self._narrow(original, selection)
            wanted = frozenset(narrow.sop_instance_uids)
            for content in self.stored(self.project.scope(scope), narrow):
                if not series or self.project.uid(content.series_instance_uid) in series:
                    yield Stored(content, tuple(
                        ref for ref in self.retrieve.of_series(content, wanted)
                        if not instances or self.project.uid(ref.sop_instance_uid) in instances
                    ))  # fmt: skip

    def _narrow(self, original: str, selection: Selection) -> Selection:
        """The selection by the names that are stored, where all of them are known; else the whole study."""
        known = self.project.uid.stored_as
        series = tuple(map(known, selection.series_instance_uids))
        instances = tuple(map(known, selection.sop_instance_uids))
        if None in series or None in instances:
            return Selection((original,))
        return Selection((original,), tuple(filter(None, series)), tuple(filter(None, instances)))

    def _made(self, ref: InstanceRef, until: float) -> LooseInstance | None:
        if time.monotonic() > until:
            raise PacsdError(Fault.UNAVAILABLE, "what is asked for is being de-identified; ask again")
        return self.made(ref)


def no_packs(pack: PackRow) -> SidecarIndex:
    """Made instances are in no packs."""
    raise LookupError(pack.key)
