"""What is recorded of each operation: one declared table for all interfaces (PS3.15 A.5.3, IHE BALP)."""

from collections.abc import Mapping
from dataclasses import dataclass

from pacsd.access.operations import Operation
from pacsd.audit.codes import Action, Event


@dataclass(frozen=True, slots=True)
class Audited:
    """The event of an operation. `counted`: the same of the same agent is recorded once in a while, and counted.

    `asked`: that it was asked is the event, whatever comes of it (PS3.15 A.5.3.10), so that it is recorded while it is
    done; a failure is recorded besides.
    """

    event: Event
    action: Action
    counted: bool = False
    asked: bool = False


AUDITED: Mapping[Operation, Audited | None] = {      # None: nobody's data, and not recorded
    Operation.DESCRIBE: None,
    Operation.MEASURE: None,
    Operation.USE_TERMINOLOGY: None,
    Operation.SEARCH_STUDIES: Audited(Event.QUERY, Action.EXECUTE, counted=True, asked=True),
    Operation.VIEW_STUDIES: Audited(Event.TRANSFERRED, Action.READ, counted=True),
    Operation.RETRIEVE_STUDIES: Audited(Event.TRANSFERRED, Action.READ, counted=True),
    Operation.STORE_STUDIES: Audited(Event.TRANSFERRED, Action.CREATE),
    Operation.COMMIT_STORAGE: Audited(Event.ACCESSED, Action.READ),
    Operation.READ_WORKITEMS: Audited(Event.QUERY, Action.EXECUTE, counted=True),
    Operation.WRITE_WORKITEMS: Audited(Event.PROCEDURE_RECORD, Action.UPDATE),
    Operation.WATCH_WORKITEMS: Audited(Event.PROCEDURE_RECORD, Action.READ),
    Operation.READ_WORKLIST: Audited(Event.QUERY, Action.EXECUTE),
    Operation.PERFORM_STEPS: Audited(Event.PROCEDURE_RECORD, Action.UPDATE),
    Operation.READ_NON_PATIENT: Audited(Event.TRANSFERRED, Action.READ, counted=True),
    Operation.STORE_NON_PATIENT: Audited(Event.TRANSFERRED, Action.CREATE),
    Operation.READ_RESOURCES: Audited(Event.REST, Action.READ),
    Operation.WRITE_RESOURCES: Audited(Event.REST, Action.UPDATE),
    Operation.READ_REGISTER: Audited(Event.REST, Action.READ),
    Operation.WRITE_REGISTER: Audited(Event.REST, Action.UPDATE),
    Operation.BATCH: Audited(Event.REST, Action.EXECUTE),
    Operation.COUNT: Audited(Event.REST, Action.EXECUTE),
    Operation.EXPORT: Audited(Event.EXPORT, Action.READ),
    Operation.IMPORT: Audited(Event.IMPORT, Action.CREATE),
    Operation.QUERY_IDENTITY: Audited(Event.QUERY, Action.EXECUTE),
    Operation.FEED_MESSAGES: Audited(Event.PATIENT_RECORD, Action.UPDATE),
    Operation.READ_AUDIT: Audited(Event.AUDIT_LOG_USED, Action.READ),
    Operation.FEED_AUDIT: None,          # what is fed is the record
    Operation.SHARE: Audited(Event.SECURITY_ALERT, Action.EXECUTE),
    Operation.BREAK_GLASS: Audited(Event.SECURITY_ALERT, Action.EXECUTE),
    Operation.MAKE_LINKS: Audited(Event.SECURITY_ALERT, Action.EXECUTE),
    Operation.MANAGE_LINKS: Audited(Event.SECURITY_ALERT, Action.EXECUTE),
    Operation.CLOSE_FILMS: Audited(Event.SECURITY_ALERT, Action.EXECUTE),
    Operation.OPEN_LINK: None,           # pacsd.links records it itself: the path holds the secret
}
