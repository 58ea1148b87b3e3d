"""What is recorded of commands that read or change patients' data: before they begin, but for those that cannot yet."""

import argparse
import getpass
from collections.abc import Mapping
from dataclasses import dataclass

from config.settings import Settings
from pacsd.audit.codes import DESTINATION_ROLE, SOURCE_ROLE, Action, Code, Event, Kind
from pacsd.audit.message import Agent, AuditMessage, AuditObject, patient
from pacsd.audit.services import source
from pacsd.audit.trail import now

_SYSTEM = "urn:pacsd:command"


@dataclass(frozen=True, slots=True)
class Recorded:
    """The event of a command. `afterwards`: its data directory must be empty when it begins."""

    event: Event
    action: Action
    afterwards: bool = False


COMMANDS: Mapping[str, Recorded | None] = {          # None: nobody's data is shown or changed
    "serve": None, "claims": None, "check": None, "rebuild": None, "echo": None, "terminology": None, "viewer": None,
    "sbom": None, "certs": None,
    "users": Recorded(Event.SECURITY_ALERT, Action.UPDATE),          # who may do what is changed, or looked at
    "clients": Recorded(Event.SECURITY_ALERT, Action.UPDATE),
    "export": Recorded(Event.EXPORT, Action.READ),
    "audit": Recorded(Event.AUDIT_LOG_USED, Action.READ),
    "import": Recorded(Event.IMPORT, Action.CREATE),
    "purge": Recorded(Event.STUDY_DELETED, Action.DELETE),
    "retention": Recorded(Event.STUDY_DELETED, Action.DELETE),
    "backup": Recorded(Event.EXPORT, Action.READ),
    "restore": Recorded(Event.IMPORT, Action.CREATE, afterwards=True),
    "reject": Recorded(Event.ACCESSED, Action.UPDATE),
    "unreject": Recorded(Event.ACCESSED, Action.UPDATE),
    "rejections": Recorded(Event.ACCESSED, Action.READ),
    "hold": Recorded(Event.ACCESSED, Action.UPDATE),
    "release": Recorded(Event.ACCESSED, Action.UPDATE),
    "holds": Recorded(Event.ACCESSED, Action.READ),
    "send": Recorded(Event.EXPORT, Action.READ),
    "find": Recorded(Event.QUERY, Action.EXECUTE),
    "move": Recorded(Event.EXPORT, Action.READ),
    "hl7": Recorded(Event.PATIENT_RECORD, Action.EXECUTE),
    "identity": Recorded(Event.PATIENT_RECORD, Action.EXECUTE),
    "report": Recorded(Event.ACCESSED, Action.READ),
    "link": Recorded(Event.SECURITY_ALERT, Action.UPDATE),           # what is opened to whom
}  # fmt: skip


def message_of(options: argparse.Namespace, settings: Settings) -> AuditMessage | None:
    """What is recorded of a command; None for one of which nothing is."""
    recorded = COMMANDS.get(options.command)
    if recorded is None:
        return None
    organisation = getattr(options, "organisation", None) or settings.organisations[0].code
    action = getattr(options, "action", None)
    name = f"{options.command} {action}" if isinstance(action, str) else options.command
    agents = (
        Agent(_user(), requestor=True, organisation=organisation, role=SOURCE_ROLE),
        Agent(source(settings), role=DESTINATION_ROLE),
    )
    return AuditMessage(recorded.event, recorded.action, now(), types=(Code(name.replace(" ", "-"), _SYSTEM, name),),
                        agents=agents, objects=tuple(_objects(options)))  # fmt: skip


def _objects(options: argparse.Namespace) -> list[AuditObject]:
    found = []
    if isinstance(number := getattr(options, "patient", None), list):
        found.append(patient(*number))
    if study := getattr(options, "study", None):
        found.append(AuditObject(Kind.STUDY, study))
    found += [AuditObject(Kind.STUDY, one) for one in getattr(options, "studies", ())]
    if folder := getattr(options, "folder", None):
        found.append(AuditObject(Kind.URI, str(folder)))
    keys = getattr(options, "keys", None)
    if keys and isinstance(keys, list):
        found.append(AuditObject(Kind.QUERY, "", query="\n".join(keys).encode()))
    if peer := getattr(options, "peer", None):
        found.append(AuditObject(Kind.NODE, peer))
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):          # a number without a name
        return "unknown"
