"""The audit trail of a process, as every edge and command opens it."""

from collections.abc import Callable, Sequence

from config.settings import Settings
from pacsd.access.secrets import secret_in
from pacsd.audit.anchors import Anchors
from pacsd.audit.codes import APPLICATION_ROLE, APPLICATION_START, APPLICATION_STOP, Action, Code, Event
from pacsd.audit.loading import EVERY_S, Loading
from pacsd.audit.message import Agent, AuditMessage
from pacsd.audit.trail import Recorder, Trail, Unrecorded, now
from pacsd.audit.verify import Verify
from pacsd.blobs.append_log import AppendFolder
from pacsd.blobs.port import BlobStore
from pacsd.faults import Fault, PacsdError
from pacsd.index.audit_events import AuditEvents
from pacsd.index.connect import Pool

KEY_BYTES = 32                           # at least, of the key of anchors
FOLDER = "audit"                         # in the data directory
_RESERVE_PART = 16                       # records may use what objects must leave free, but for this part of it


def folder(settings: Settings) -> AppendFolder:
    """Where records are."""
    reserve = settings.storage.reserve_bytes // _RESERVE_PART
    return AppendFolder(settings.data_dir.absolute() / FOLDER, reserve_bytes=reserve)


def source(settings: Settings) -> str:
    """As whom this server records (Audit Source ID)."""
    return settings.audit.source or settings.ae_title


def open_trail(settings: Settings) -> Trail | Unrecorded:
    """The recorder of this process, after its fork; close it when the process ends."""
    if not settings.audit.record:
        return Unrecorded()
    audit = settings.audit
    return Trail(folder(settings), segment_bytes=audit.segment_bytes, repeat_s=audit.repeat_s)


def anchor_key(settings: Settings) -> bytes | None:
    """The secret that signs anchors. Raises PacsdError INVALID where it cannot be read, for a short one and for one
    that everybody on the machine may read."""
    path = settings.audit.anchor_key
    if path is None:
        return None
    key = secret_in(path)
    if len(key) < KEY_BYTES:
        raise PacsdError(Fault.INVALID, f"audit.anchor_key holds less than {KEY_BYTES} bytes")
    return key


def chores(
    settings: Settings, blobs: BlobStore, pool: Pool, *, short: Callable[[], bool] = lambda: False
) -> Sequence[tuple[str, float, Callable[[], bool]]]:
    """What the worker does about records; `short`: whether processors are."""
    events = AuditEvents(pool)
    anchors = Anchors(blobs, events, key=anchor_key(settings))
    loading = reading(settings, events, short=short)
    return (("read what was recorded", EVERY_S, loading.turn), ("anchor it", settings.audit.anchor_s, anchors.run))


def reload_records(settings: Settings, pool: Pool) -> None:
    """Read all records into an index that was made anew.

    How far repositories had them, the former index knew: each of them gets all of it again, and none lacks anything.
    """
    events = AuditEvents(pool)
    for one in settings.audit_repositories:
        events.delivered(one.name)
    _load(settings, events)


def reading(settings: Settings, events: AuditEvents, *, short: Callable[[], bool] = lambda: False) -> Loading:
    """What reads records into the index, whose numbers repositories are served by."""
    return Loading(folder(settings), events, lasting=bool(settings.audit_repositories), short=short)


def _load(settings: Settings, events: AuditEvents) -> None:
    loading = reading(settings, events)
    while loading.run():
        pass


def verification(settings: Settings, blobs: BlobStore, pool: Pool) -> Verify:
    """What `pacsd audit verify` does, after what waits was read into the index."""
    events = AuditEvents(pool)
    _load(settings, events)
    return Verify(folder(settings), blobs, events, key=anchor_key(settings))


def started(recorder: Recorder, settings: Settings, role: str) -> None:
    """Record that a process serves (PS3.15 A.5.3.1). Raises PacsdError UNAVAILABLE."""
    recorder.write(_activity(settings, role, APPLICATION_START))


def stopped(recorder: Recorder, settings: Settings, role: str) -> None:
    """Record that it does not any more. Raises PacsdError UNAVAILABLE."""
    recorder.write(_activity(settings, role, APPLICATION_STOP))


def _activity(settings: Settings, role: str, kind: Code) -> AuditMessage:
    agent = Agent(source(settings), name=role, address=settings.host, role=APPLICATION_ROLE)
    return AuditMessage(Event.APPLICATION_ACTIVITY, Action.EXECUTE, now(), types=(kind,), agents=(agent,))
