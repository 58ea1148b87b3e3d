"""What may be asked, and how far each role reaches with it: one declared table for all interfaces.

Every route, interaction, DIMSE service and message names its `Operation`. What stands in no row is allowed to nobody.
"""

from collections.abc import Mapping
from enum import Enum, IntEnum
from functools import lru_cache

from pacsd.access.principal import HELD, Role


class Operation(Enum):
    """What somebody asks for, whatever the interface. The value is the word of logs, metrics and audit records."""

    DESCRIBE = "describe"                # what this server does: capabilities, health, pages without data
    MEASURE = "measure"                  # numbers about the service
    SEARCH_STUDIES = "search-studies"    # QIDO-RS, C-FIND
    VIEW_STUDIES = "view-studies"        # metadata, frames, bulk data, rendered: what a viewer asks for
    RETRIEVE_STUDIES = "retrieve-studies"        # whole instances: WADO, C-MOVE, C-GET
    STORE_STUDIES = "store-studies"      # STOW-RS, C-STORE: rejection notes too
    COMMIT_STORAGE = "commit-storage"
    READ_WORKITEMS = "read-workitems"
    WRITE_WORKITEMS = "write-workitems"
    WATCH_WORKITEMS = "watch-workitems"  # subscriptions, and the channel of their events
    READ_WORKLIST = "read-worklist"      # the modality worklist
    PERFORM_STEPS = "perform-steps"      # MPPS
    READ_NON_PATIENT = "read-non-patient"
    STORE_NON_PATIENT = "store-non-patient"
    READ_RESOURCES = "read-resources"    # FHIR: read, vread, history, search and what else only reads
    WRITE_RESOURCES = "write-resources"  # FHIR: create, update, patch, delete
    READ_REGISTER = "read-register"      # FHIR: organisations, and the AEs that may call and be called
    WRITE_REGISTER = "write-register"
    BATCH = "batch"                      # FHIR: each entry is an operation of its own
    USE_TERMINOLOGY = "use-terminology"  # FHIR: codes, of no patient
    COUNT = "count"                      # FHIR: measures, numbers of patients and exams
    EXPORT = "export"                    # FHIR: everything at once
    IMPORT = "import"
    QUERY_IDENTITY = "query-identity"    # PIX and PDQ, $match
    FEED_MESSAGES = "feed-messages"      # HL7 v2: what changes something
    READ_AUDIT = "read-audit"
    FEED_AUDIT = "feed-audit"
    SHARE = "share"                      # open a study or patient to others, and close it again
    BREAK_GLASS = "break-glass"
    MAKE_LINKS = "make-links"            # share links to what somebody sees
    MANAGE_LINKS = "manage-links"        # list and end them
    CLOSE_FILMS = "close-films"          # keep links from showing a study, and let them again
    OPEN_LINK = "open-link"              # with its token, and its PIN


class Reach(IntEnum):
    """How far an operation goes; of several roles the widest counts."""

    NEVER = 0
    PROJECT = 1                          # studies of a research project, de-identified
    SELF = 2                             # what is about the asker, and released
    OWN = 3                              # what is of the own organisation, and of those that opened theirs as a whole
    SHARED = 4                           # that, and what a grant, a consent or a broken glass opens


OPEN = frozenset({Operation.DESCRIBE, Operation.OPEN_LINK})      # to everybody, known or not
NAMED = frozenset({                      # of somebody who is known, whatever a listener trusts
    Operation.SHARE, Operation.BREAK_GLASS, Operation.MAKE_LINKS, Operation.MANAGE_LINKS, Operation.CLOSE_FILMS,
})  # fmt: skip

_SELF, _OWN, _SHARED = Reach.SELF, Reach.OWN, Reach.SHARED
_READERS = {Role.RADIOLOGIST: _SHARED, Role.CLINICIAN: _SHARED, Role.TECHNOLOGIST: _OWN, Role.SYSTEM: _SHARED,
            Role.PATIENT: _SELF}  # fmt: skip
_SEERS = {**_READERS, Role.RESEARCHER: Reach.PROJECT}
_VIEWERS = {**_SEERS, Role.LINK: _SELF}
_COPIERS = {**_SEERS, Role.LINK_COPY: _SELF}
_LINKERS = {Role.RADIOLOGIST: _OWN, Role.CLINICIAN: _OWN, Role.SYSTEM: _OWN, Role.PATIENT: _SELF}
_WORKERS = {Role.RADIOLOGIST: _OWN, Role.TECHNOLOGIST: _OWN, Role.SYSTEM: _OWN}
_STAFF = {**_WORKERS, Role.CLINICIAN: _OWN}
_DEVICES = {Role.TECHNOLOGIST: _OWN, Role.SYSTEM: _OWN}

REACH: Mapping[Operation, Mapping[Role, Reach]] = {
    Operation.DESCRIBE: dict.fromkeys(Role, _SHARED),
    Operation.MEASURE: {Role.ADMINISTRATOR: _OWN, Role.SYSTEM: _OWN},
    Operation.SEARCH_STUDIES: _VIEWERS,
    Operation.VIEW_STUDIES: _VIEWERS,
    Operation.RETRIEVE_STUDIES: _COPIERS,
    Operation.STORE_STUDIES: _WORKERS,
    Operation.COMMIT_STORAGE: _WORKERS,
    Operation.READ_WORKITEMS: _STAFF,
    Operation.WRITE_WORKITEMS: _WORKERS,
    Operation.WATCH_WORKITEMS: _WORKERS,
    Operation.READ_WORKLIST: _WORKERS,
    Operation.PERFORM_STEPS: _DEVICES,
    Operation.READ_NON_PATIENT: _STAFF,
    Operation.STORE_NON_PATIENT: _WORKERS,
    Operation.READ_RESOURCES: _READERS,
    Operation.WRITE_RESOURCES: _STAFF,
    Operation.READ_REGISTER: {**_READERS, Role.ADMINISTRATOR: _OWN},
    Operation.WRITE_REGISTER: {Role.ADMINISTRATOR: _OWN},
    Operation.BATCH: dict.fromkeys(HELD, _SHARED),
    Operation.USE_TERMINOLOGY: dict.fromkeys(HELD - {Role.AUDITOR}, _OWN),
    Operation.COUNT: {**_STAFF, Role.ADMINISTRATOR: _OWN},
    Operation.EXPORT: {Role.SYSTEM: _SHARED},
    Operation.IMPORT: {Role.SYSTEM: _OWN},
    Operation.QUERY_IDENTITY: _STAFF,
    Operation.FEED_MESSAGES: {Role.SYSTEM: _OWN},
    Operation.READ_AUDIT: {Role.AUDITOR: _OWN},
    Operation.FEED_AUDIT: {Role.SYSTEM: _OWN},
    Operation.SHARE: {Role.ADMINISTRATOR: _OWN},
    Operation.BREAK_GLASS: {Role.RADIOLOGIST: _SHARED, Role.CLINICIAN: _SHARED},
    Operation.MAKE_LINKS: _LINKERS,
    Operation.MANAGE_LINKS: {**_LINKERS, Role.ADMINISTRATOR: _OWN},
    Operation.CLOSE_FILMS: {Role.ADMINISTRATOR: _OWN, Role.SYSTEM: _OWN},
    Operation.OPEN_LINK: dict.fromkeys(Role, _SHARED),
}


@lru_cache(maxsize=4096)
def reach(operation: Operation, roles: frozenset[Role]) -> Reach:
    """How far somebody of these roles goes."""
    row = REACH[operation]
    return max((row.get(role, Reach.NEVER) for role in roles), default=Reach.NEVER)
