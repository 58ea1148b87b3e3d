"""The workflow put together over one index and one blob store, as every process opens it."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from config.settings import RemoteAESettings, Settings
from pacsd.access.directory import Directory
from pacsd.blobs.port import BlobStore
from pacsd.events.outbox import Consumer
from pacsd.index import performed_steps as step_rows
from pacsd.index import subscribers
from pacsd.index import workitems as rows
from pacsd.index.connect import Pool, pool
from pacsd.workflow import reports, step_facts
from pacsd.workflow.availability import TOPICS, Availability, Missing, Notified
from pacsd.workflow.channels import Channels
from pacsd.workflow.check import Check
from pacsd.workflow.notifications import Notifications
from pacsd.workflow.performed_steps import PerformedSteps, Progress, nobody_schedules
from pacsd.workflow.rebuild import Rebuild
from pacsd.workflow.records import Records
from pacsd.workflow.search import Search
from pacsd.workflow.subscriptions import Subscriptions
from pacsd.workflow.workitems import Workitems

KEEP_GONE_S = 366 * 86_400.0             # how long a deleted workitem is told from one that never was
_YOUNG_S = 3600.0                        # a record may be older than its transaction, but not by that
_CONSUMER = "availability"
_HANDLING_S = 10.0                       # longer than handling an event may take: a few rows


@dataclass(frozen=True, slots=True)
class Workflow:
    """Everything an edge may ask, and what upkeep works on."""

    workitems: Workitems
    search: Search
    subscriptions: Subscriptions
    channels: Channels
    performed_steps: PerformedSteps
    notifications: Notifications
    rebuild: Rebuild
    check: Check
    chores: tuple[tuple[str, float, Callable[[], bool]], ...]


Saying = Callable[[Sequence[tuple[Mapping[str, object], datetime]]], None]
"""Keeps facts in the journal, each with when it was said: all or none."""


def nothing_said(_facts: Sequence[tuple[Mapping[str, object], datetime]]) -> None:
    """For a house without a journal."""


def nothing_missing(*_: object) -> tuple[()]:
    """For a house without an archive."""
    return ()


def open_workflow(
    settings: Settings,
    index: Pool,
    blobs: BlobStore,
    directory: Directory,
    *,
    missing: Missing = nothing_missing,
    progress: Progress = nobody_schedules,
    say: Saying = nothing_said,
) -> Workflow:
    """The workflow of the settings; the pool and the blobs are the archive's.

    `missing` tells which instances never came, `progress` tells scheduled steps that they are performed, `say` keeps
    facts.
    """
    records = Records(blobs, directory.codes)
    grace_s = settings.storage.grace_s
    label = settings.worklist.default_label
    notifications = _notifications(settings, index)
    notified = directory.followed(partial(_notified, settings, directory))
    availability = Availability(index, missing, notified, give_up_s=settings.notifications.give_up_s)
    telling = Consumer(index, _CONSUMER, availability.handle, topics=TOPICS, lease_s=_HANDLING_S)
    return Workflow(
        workitems=Workitems(index, records, own_title=settings.ae_title, worklist_label=label, grace_s=grace_s),
        search=Search(index),
        subscriptions=Subscriptions(index, records, grace_s=grace_s),
        channels=Channels(index),
        performed_steps=PerformedSteps(index, records, grace_s=grace_s, progress=progress),
        notifications=notifications,
        check=Check(index, records),
        rebuild=Rebuild(index, records, directory.keys, directory.scope, progress=progress),
        chores=(
            ("delete finished workitems", 60.0, partial(_delete_finished, settings, index)),
            ("forget old reports", 600.0, partial(_forget, settings, index)),
            ("sweep the worklist's records", 86_400.0, partial(_sweep, settings, index, records)),
            ("look for the instances of completed steps", 1.0, availability.run),
            ("queue availability notifications", 1.0, lambda: telling.run() > 0),
            ("delete performed steps", 600.0, partial(_delete_performed, settings, index, records, say)),
            ("forget notifications", 600.0, partial(notifications.forget, keep_s=settings.notifications.keep_s)),
        ),
    )


def announce_restart(dsn: str) -> None:
    """Have every subscriber told that the server begins anew (PS3.4 CC.2.4.3)."""
    index = pool(dsn, max_size=1)
    try:
        subscribers.report_restart(index, reports.restarted())
    finally:
        index.close()


def release_notifications(settings: Settings, dsn: str) -> None:
    """What this server had claimed to tell, before it ended, waits again."""
    index = pool(dsn, max_size=1)
    try:
        _notifications(settings, index).release()
    finally:
        index.close()


def _notifications(settings: Settings, index: Pool) -> Notifications:
    node = f"{platform.node()} {settings.data_dir.absolute()}"
    return Notifications(index, give_up_s=settings.notifications.give_up_s, node=node)


def _delete_finished(settings: Settings, index: Pool) -> bool:
    keep_s, grace_s = settings.worklist.keep_finished_s, settings.storage.grace_s
    return rows.delete_finished(index, keep_s=keep_s, grace_s=grace_s) > 0


def _delete_performed(settings: Settings, index: Pool, records: Records, say: Saying) -> bool:
    """Some of those kept long enough; how far their scheduled steps have come is still to be known."""
    now = datetime.now(UTC)

    def keep(steps: Sequence[step_rows.PerformedStep]) -> None:
        say([(step_facts.fact_of(records.code(one.organisation), one), now) for one in steps])

    before = now - timedelta(seconds=settings.worklist.keep_performed_s)
    return step_rows.delete_old(index, keep, before=before, grace_s=settings.storage.grace_s) > 0


def _notified(settings: Settings, directory: Directory) -> Mapping[int, Sequence[Notified]]:
    """Who is told of each organisation's instances, and as which AE title of ours that belongs to it."""
    notified: dict[int, list[Notified]] = {}
    for remote in directory.remotes():
        if remote.availability:
            one = Notified(remote.title, _own_title(settings, remote))
            notified.setdefault(directory.keys[remote.organisation], []).append(one)
    return notified


def _own_title(settings: Settings, remote: RemoteAESettings) -> str:
    own = [one.title for one in settings.own_aes if one.organisation == remote.organisation]
    return own[0] if own else settings.ae_title


def _forget(settings: Settings, index: Pool) -> bool:
    rows.forget_gone(index, keep_s=KEEP_GONE_S)
    keep_s, grace_s = settings.worklist.keep_reports_s, settings.storage.grace_s
    return subscribers.forget(index, keep_reports_s=keep_s, grace_s=grace_s) > 0


def _sweep(settings: Settings, index: Pool, records: Records) -> bool:
    """Records whose transaction did not come about."""
    for batch in records.old_keys(older_than_s=_YOUNG_S):
        if unknown := rows.unknown_records(index, batch):
            rows.throw_unknown(index, unknown, grace_s=settings.storage.grace_s)
    return False
