"""Reports put together over one index and one archive, as every process opens them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from config.settings import Settings
from pacsd.access.directory import Directory
from pacsd.archive.journal import Fact, FactKind
from pacsd.archive.services import Archive
from pacsd.archive.upkeep import rejections
from pacsd.events.outbox import Consumer
from pacsd.index import reports as rows
from pacsd.reports.check import Check
from pacsd.reports.contents import Contents
from pacsd.reports.objects import TOPICS, Objects
from pacsd.reports.reports import Report, Reports, appliers
from pacsd.reports.sections import SECTIONS
from pacsd.reports.wording import worded

_LOOK_S = 1.0                            # between two looks for what happened
_YOUNG_S = 8 * 86_400.0                  # a blob may be older than the version it is kept in, but not by that
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Reporting:
    """Everything that upkeep works on, and what others may ask."""

    reports: Reports
    check: Check
    rebuilt_by: dict[FactKind, Callable[[Fact], None]]
    repaired_by: dict[FactKind, Callable[[Fact], None]]
    chores: tuple[tuple[str, float, Callable[[], bool]], ...]


class Shelf:
    """Reports as a command reads them: for whoever an organisation may see."""

    def __init__(self, reports: Reports, directory: Directory) -> None:
        self._reports = reports
        self._directory = directory

    def listed(self, organisation: str, *, limit: int) -> Sequence[rows.ReportRow]:
        """Those that changed last."""
        return self._reports.listed(self._directory.scope(organisation), limit=limit)

    def of_study(self, organisation: str, study_instance_uid: str) -> Sequence[Report]:
        """Those about a study."""
        return self._reports.of_study(self._directory.scope(organisation), study_instance_uid)

    def words(self, report: Report) -> Sequence[str]:
        """How one reads, in lines, under the headings of its sections."""
        state, lines = report.counting, []
        observations = state.content.observations if state is not None else ()
        for section in SECTIONS:
            said = [worded(one) for one in observations if one.section == section.name]
            if any(said):
                lines += [f"{section.heading.meaning}:", *"\n".join(said).split("\n")]
        return lines


def open_reports(settings: Settings, archive: Archive) -> Reporting:
    """The reports of the settings."""
    directory: Directory = archive.directory
    contents = Contents(archive.blobs)
    reports = Reports(archive.pool, contents, directory.codes)
    chores = [("sweep reports", 86_400.0, partial(_sweep, settings, archive, contents))]
    if settings.reports.objects:
        objects = Objects(
            archive.pool, reports, contents, archive.ingest, rejections(settings, archive), directory, settings.reports,
            organisations=directory.followed(partial(_names, directory)),
            ae_title=settings.ae_title,
        )  # fmt: skip
        consumer = Consumer(archive.pool, "objects of reports", objects.handle, topics=TOPICS)
        chores.append(("objects of reports", _LOOK_S, partial(_looked, consumer)))
    return Reporting(
        reports, Check(archive.pool, contents), appliers(archive.pool, contents, directory.keys, tell=False),
        appliers(archive.pool, contents, directory.keys, tell=True), tuple(chores),
    )  # fmt: skip


def _names(directory: Directory) -> Mapping[int, tuple[str, str]]:
    """Codes and names of organisations, by key."""
    known = directory.known()
    return {known.keys[one.code]: (one.code, one.name) for one in known.organisations.values()}


def _looked(consumer: Consumer) -> bool:
    return consumer.run(limit=_BATCH) > 0


def _sweep(settings: Settings, archive: Archive, contents: Contents) -> bool:
    """Blobs whose transaction did not come about."""
    for batch in contents.old_keys(older_than_s=_YOUNG_S):
        rows.throw_unknown(archive.pool, batch, grace_s=settings.storage.grace_s)
    return False
