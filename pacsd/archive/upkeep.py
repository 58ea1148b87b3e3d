"""What keeps the archive in order: the worker's chores, and the commands check, rebuild, backup and restore."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path

from config.settings import Settings
from pacsd.access.directory import Directory
from pacsd.archive import backup as backups
from pacsd.archive.alternate import Recoder, forget_lost
from pacsd.archive.catch_up import CatchUp
from pacsd.archive.check import Check
from pacsd.archive.collect import Collector
from pacsd.archive.export import Export
from pacsd.archive.journal import Fact, FactKind
from pacsd.archive.merge import Merger
from pacsd.archive.non_patient import upkeep as non_patient
from pacsd.archive.non_patient.any_ingest import AnyIngest
from pacsd.archive.orphans import Orphans
from pacsd.archive.overlay import Overlays
from pacsd.archive.pack import Owner, Packer
from pacsd.archive.rebuild import Rebuild, Rebuilt
from pacsd.archive.register import appliers as register_appliers
from pacsd.archive.reject import Rejections
from pacsd.archive.repair import Repair
from pacsd.archive.retention import Expired, Kept, Retention, SendNote, unreachable
from pacsd.archive.services import Archive
from pacsd.archive.thin import Thinner
from pacsd.archive.truth import Truth
from pacsd.archive.worker import Chore
from pacsd.blobs.append_log import AppendFolder
from pacsd.faults import Fault, PacsdError
from pacsd.index import caught_up, holds, outbox
from pacsd.index.alternates import Alternates
from pacsd.index.alternates import Rule as AlternateRule
from pacsd.index.completion import complete_studies, pass_over
from pacsd.index.holds import Hold
from pacsd.index.inventory import Inventory
from pacsd.index.packs import Packs
from pacsd.index.rejections import Rejection, listed
from pacsd.index.retention import Rule

log = logging.getLogger("pacsd.archive")
Progress = Callable[[int, int | None], None]             # done so far, and of how many where that is known
Appliers = Mapping[FactKind, Callable[[Fact], None]]     # how facts of other rooms take effect
_NONE: Appliers = {}
_EVENTS_S, _EVENTS_AT_ONCE = 30 * 86_400.0, 10_000       # how long events are kept that every consumer has read
_NEWS_S = 86_400.0                       # a study that was quiet for longer is not told of as complete after a rebuild
_OVERLAP = timedelta(hours=3)            # of what is caught up with and what was before
_NEVER_CAUGHT_UP = timedelta(days=7)     # so far back, where it is not known


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a stored object, or something that could not be brought back."""

    key: str
    problem: str


def truth(_settings: Settings, archive: Archive) -> Truth:
    """The index as facts and rebuilds speak to it."""
    return archive.truth


def overlays(settings: Settings, archive: Archive) -> Overlays:
    """Where corrections of patients and studies are stated."""
    return Overlays(archive.journal, truth(settings, archive))


def rejections(_settings: Settings, archive: Archive) -> Rejections:
    """Where instances are rejected, restored and purged."""
    return archive.rejections


def settle(settings: Settings, archive: Archive, *, also_apply: Appliers = _NONE) -> None:
    """Make true what was acknowledged or said before a crash; a worker does this before it counts as ready."""
    _repair(settings, archive, Inventory(archive.pool)).run()
    try:
        _catch_up(settings, archive, also_apply)
    except PacsdError as error:          # a fact that cannot be read: the chore goes on asking, the worker works
        log.error("the journal could not be caught up with", extra={"fault": error.fault.value})


def retention(settings: Settings, archive: Archive, send_note: SendNote) -> Retention:
    """What deletes studies that were kept long enough by the rules of the settings."""
    key = archive.directory.organisation_key
    rules = [
        Kept(
            Rule(
                one.keep_days, key(one.organisation) if one.organisation else None, one.modality, one.since,
                one.minors_until_age,
            ),
            one.notes_to,
        )
        for one in settings.retention
    ]  # fmt: skip
    return Retention(
        archive.pool, archive.truth, archive.rejections, archive.sidecars, send_note, rules=rules,
        codes=archive.directory.codes,
    )  # fmt: skip


def _owners(directory: Directory) -> Mapping[int, Owner]:
    def made() -> Mapping[int, Owner]:
        known = directory.known()
        return {known.keys[one.code]: Owner(one.code, one.assigning_authority) for one in known.organisations.values()}

    return directory.followed(made)


def _packing(settings: Settings, archive: Archive, packs: Packs) -> tuple[Packer, Merger]:
    storage, owners = settings.storage, _owners(archive.directory)
    packer = Packer(
        archive.blobs,
        packs,
        owners=owners,
        character_set_of=archive.directory.character_set,
        quiet_s=storage.quiet_s,
        max_pack_bytes=storage.max_pack_bytes,
        grace_s=storage.grace_s,
    )
    merger = Merger(
        archive.blobs,
        packs,
        archive.sidecars,
        owners=owners,
        quiet_s=storage.quiet_s,
        max_pack_bytes=storage.max_pack_bytes,
        grace_s=storage.grace_s,
    )
    return packer, merger


def _recoder(settings: Settings, archive: Archive, alternates: Alternates) -> Recoder:
    return Recoder(
        archive.blobs,
        alternates,
        archive.sidecars,
        archive.spool.scratch,
        rules=_alternate_rules(settings, archive),
        owners=_owners(archive.directory),
    )


def _thinner(settings: Settings, archive: Archive, alternates: Alternates) -> Thinner:
    return Thinner(
        archive.blobs,
        alternates,
        archive.sidecars,
        thin=_alternate_rules(settings, archive, keep=("htj2k",)),
        whole=_alternate_rules(settings, archive, keep=("original",)),
    )


def _alternate_rules(
    settings: Settings, archive: Archive, *, keep: Sequence[str] = ("original", "htj2k")
) -> list[AlternateRule]:
    key_of = archive.directory.organisation_key
    return [
        AlternateRule(key_of(one.organisation) if one.organisation else None, one.modality)
        for one in settings.htj2k if one.keep in keep
    ]


def chores(
    settings: Settings,
    archive: Archive,
    *,
    worker: str = "",
    also_apply: Appliers = _NONE,
    send_note: SendNote = unreachable,
) -> tuple[Chore, ...]:
    """What a worker does, each in its own rhythm. What a former worker of its name had claimed is free again."""
    storage = settings.storage
    packs, inventory = Packs(archive.pool, worker=worker), Inventory(archive.pool)
    packs.release_all()
    packer, merger = _packing(settings, archive, packs)
    alternates = Alternates(archive.pool, worker=worker)
    recoder = _recoder(settings, archive, alternates)
    collector = Collector(
        archive.blobs,
        inventory,
        Orphans(archive.blobs, inventory, archive.sidecars, archive.journal),
        sweeps=(archive.spool.remove_empty_buckets, archive.files.clear_parts),
    )
    expired = Expired(
        archive.pool, archive.rejections, codes=archive.directory.codes, after_s=storage.delete_expired_s
    )
    repair = _repair(settings, archive, inventory)
    often_s = max(0.2, min(5.0, storage.quiet_s / 4))
    return (
        Chore("repair", 3600.0, lambda: _repaired(repair)),
        Chore("catch up", 3600.0, lambda: _catch_up(settings, archive, also_apply)),
        Chore("hide what came beside its note", 5.0, archive.rejections.settle_overtaken),
        Chore("repair after a restart", 2.0, _Restarts(inventory, repair).run),
        Chore("pack", often_s, packer.run),
        Chore("merge", often_s, merger.run),
        Chore("recode", often_s * 4, recoder.run),
        Chore("make thin", often_s * 4, _thinner(settings, archive, alternates).run),
        Chore("lost alternates", 86_400.0, lambda: _lost_forgotten(archive, inventory, alternates, storage.grace_s)),
        Chore("collect", max(0.2, min(10.0, storage.grace_s / 4)), collector.run),
        Chore("reuse segments", often_s, lambda: archive.spool.reuse_segments() > 0),
        Chore("sweep", 600.0, collector.sweep),
        Chore("complete", often_s, lambda: complete_studies(archive.pool, quiet_s=storage.quiet_s) > 0),
        Chore("retention", 3600.0, retention(settings, archive, send_note).run),
        Chore("delete expired", max(1.0, min(3600.0, storage.delete_expired_s / 4)), expired.run),
        Chore("partitions", 86_400.0, partial(_made, inventory)),
        Chore("forget events", 3600.0, partial(_events_forgotten, archive)),
        Chore("forget commitments", 600.0, partial(archive.commitments.forget, keep_s=settings.notifications.keep_s)),
    )


class Upkeep:
    """The archive opened for one command."""

    def __init__(
        self,
        settings: Settings,
        archive: Archive,
        *,
        also_rebuild: Iterable[Callable[[], object]] = (),
        also_check: Iterable[Callable[[], Iterator[tuple[str, str]]]] = (),
        also_apply: Appliers = _NONE,
        send_note: SendNote = unreachable,
        records: AppendFolder | None = None,
    ) -> None:
        self._settings = settings
        self._archive = archive
        self._records = records                              # of accesses, which go into backups
        self._send_note = send_note
        self._inventory = Inventory(archive.pool)
        self._also_rebuild = tuple(also_rebuild)             # what other rooms have on record among the blobs
        self._also_check = tuple(also_check)                 # the same: keys, and what is wrong with them
        self._also_apply = also_apply

    @property
    def ingest(self) -> AnyIngest:
        """Where imported files go."""
        return AnyIngest(self._archive.ingest, self._archive.non_patient.ingest)

    @property
    def directory(self) -> Directory:
        """On whose behalf."""
        return self._archive.directory

    @property
    def export(self) -> Export:
        """What goes out of the house."""
        return Export(self._archive.retrieve, self._archive.blobs)

    def check(self, progress: Progress) -> Iterator[Finding]:
        """Compare every blob with the index, checksums included."""
        read = 0

        def said(size_bytes: int) -> None:
            nonlocal read
            read += 1
            progress(read, None)

        archive = self._archive
        orphans = Orphans(archive.blobs, self._inventory, archive.sidecars, archive.journal)
        checked = Check(archive.blobs, self._inventory, archive.journal, orphans).run(said)
        for found in chain(checked, non_patient.check(archive.blobs, archive.pool)):
            if not found.harmless:
                what = f"{found.trouble.value}: {found.detail}" if found.detail else found.trouble.value
                yield Finding(found.key, f"{found.sop_instance_uid} {what}".strip())
        for also in self._also_check:
            yield from (Finding(key, problem) for key, problem in also())

    def rebuild(self, progress: Progress) -> Iterator[Finding]:
        """Make the index anew from blobs and journal; the database must be empty. What could not be read is found."""
        if self._inventory.holds_studies():
            raise PacsdError(Fault.CONFLICT, "the index is not empty; rebuild fills an empty one")
        settings, archive = self._settings, self._archive
        where = truth(settings, archive)
        done = Rebuild(
            archive.blobs,
            where,
            archive.journal,
            _appliers(settings, archive, self._also_apply),
            organisations=archive.directory.keys,
            character_set_of=archive.directory.character_set,
            grace_s=settings.storage.grace_s,
        ).run(lambda so_far: progress(so_far.instances, None))
        pass_over(archive.pool, quiet_s=_NEWS_S)
        progress(done.instances, done.instances)
        for found in non_patient.Rebuild(
            archive.blobs, archive.pool, archive.directory.keys, archive.directory.character_set
        ).run():
            yield Finding(found.key, found.detail)
        for rebuild in self._also_rebuild:
            rebuild()
        yield from _refused(done)

    def purge(
        self, organisation: str, study_instance_uid: str, series: str | None = None, sops: Sequence[str] | None = None
    ) -> int:
        """Delete a study, a series or instances of an organisation for good; how many.

        The journal remembers it, so neither a rebuild nor a restart brings them back. Raises PacsdError NOT_FOUND.
        """
        return rejections(self._settings, self._archive).purge(organisation, study_instance_uid, series, sops)

    @property
    def rejections(self) -> Rejections:
        """Where instances are rejected and restored, and studies put on hold."""
        return self._archive.rejections

    @property
    def retention(self) -> Retention:
        """What deletes studies that were kept long enough."""
        return retention(self._settings, self._archive, self._send_note)

    def rejected(self, organisation: str, study_instance_uid: str | None, limit: int) -> list[Rejection]:
        """The newest rejections of an organisation, or of one of its studies."""
        key = self._archive.directory.organisation_key(organisation)
        return listed(self._archive.pool, key, study_instance_uid=study_instance_uid, limit=limit)

    def holds(self, organisation: str) -> list[Hold]:
        """The studies of an organisation that are on legal hold."""
        return holds.listed(self._archive.pool, self._archive.directory.organisation_key(organisation))

    def purge_non_patient(self, organisation: str, sop_instance_uid: str) -> None:
        """Delete an instance that belongs to no patient for good. Raises PacsdError NOT_FOUND."""
        archive = self._archive
        archive.non_patient.purge(archive.directory.organisation_key(organisation), sop_instance_uid)

    def backup(self, folder: Path, progress: Progress) -> Iterator[Finding]:
        """Copy blobs, journal and records of accesses there; a second time only what is new."""
        for problem in backups.backup(self._archive.blobs, folder, progress, records=self._records):
            yield Finding(problem.key, problem.problem)

    def restore(self, folder: Path, progress: Progress) -> Iterator[Finding]:
        """Bring a backup back into an empty data directory, index included."""
        if self._inventory.holds_studies():
            raise PacsdError(Fault.CONFLICT, "the index is not empty; restore into an empty data directory")
        for problem in backups.restore(self._archive.blobs, folder, progress, records=self._records):
            yield Finding(problem.key, problem.problem)
        yield from self.rebuild(progress)


class _Restarts:
    """PostgreSQL came back: what its last moments did not write is indexed again."""

    def __init__(self, inventory: Inventory, repair: Repair) -> None:
        self._inventory = inventory
        self._repair = repair
        self._started: object = None

    def run(self) -> bool:
        started = self._inventory.started_at()
        if self._started is not None and started != self._started:
            self._repair.run()
        self._started = started
        return False


def _repair(settings: Settings, archive: Archive, inventory: Inventory) -> Repair:
    return Repair(
        archive.blobs,
        inventory,
        partial(archive.arrivals.admit, again=True),
        organisations=archive.directory.keys,
        character_set_of=archive.directory.character_set,
    )


def _catch_up(settings: Settings, archive: Archive, also_apply: Appliers) -> bool:
    """What was said since the last time, and somewhat before: clocks differ, and what was said then was on its way."""
    began, known = datetime.now(UTC), caught_up.reached(archive.pool)
    since = known - _OVERLAP if known else began - _NEVER_CAUGHT_UP
    CatchUp(archive.journal, _appliers(settings, archive, also_apply)).run(since)
    caught_up.reach(archive.pool, began)
    return False


def _repaired(repair: Repair) -> bool:
    repair.run()
    return False


def _lost_forgotten(archive: Archive, inventory: Inventory, alternates: Alternates, grace_s: float) -> bool:
    forget_lost(archive.blobs, inventory.packs(), partial(alternates.forget, grace_s=grace_s))
    return False


def _events_forgotten(archive: Archive) -> bool:
    return outbox.prune(archive.pool, older_than_s=_EVENTS_S, limit=_EVENTS_AT_ONCE) == _EVENTS_AT_ONCE


def _made(inventory: Inventory) -> bool:
    inventory.make_partitions()
    return False


def _appliers(settings: Settings, archive: Archive, also: Appliers) -> Appliers:
    said, hidden = overlays(settings, archive), rejections(settings, archive)
    return {
        FactKind.PATIENT_OVERLAY: said.apply,
        FactKind.STUDY_OVERLAY: said.apply,
        **hidden.appliers,
        **register_appliers(archive.pool, settings, archive.register.refresh),
        **also,
    }


def _refused(done: Rebuilt) -> Iterator[Finding]:
    if done.refused:
        yield Finding("blobs", f"{done.refused} could not be brought back; the log names them")
