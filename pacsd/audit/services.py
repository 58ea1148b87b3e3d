"""The audit trail of a process, as every edge and command opens it."""

from config.settings import Settings
from pacsd.audit.codes import APPLICATION_ROLE, APPLICATION_START, APPLICATION_STOP, Action, Code, Event
from pacsd.audit.message import Agent, AuditMessage
from pacsd.audit.trail import Recorder, Trail, Unrecorded, now
from pacsd.blobs.append_log import AppendFolder

FOLDER = "audit"                         # in the data directory
_RESERVE_PART = 8                        # records may use what objects must leave free, but for this part of it


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


def started(recorder: Recorder, settings: Settings, role: str) -> None:
    """Record that a process serves (PS3.15 A.5.3.1). Raises PacsdError UNAVAILABLE."""
    recorder.write(_activity(settings, role, APPLICATION_START))


def stopped(recorder: Recorder, settings: Settings, role: str) -> None:
    """Record that it does not any more. Raises PacsdError UNAVAILABLE."""
    recorder.write(_activity(settings, role, APPLICATION_STOP))


def _activity(settings: Settings, role: str, kind: Code) -> AuditMessage:
    agent = Agent(source(settings), name=role, address=settings.host, role=APPLICATION_ROLE)
    return AuditMessage(Event.APPLICATION_ACTIVITY, Action.EXECUTE, now(), types=(kind,), agents=(agent,))
