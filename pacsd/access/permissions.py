"""What the scopes of a token leave of what roles allow (SMART App Launch 2.2): they narrow, and never widen.

A scope with a search (`user/Observation.rs?category=…`) gives nothing here: what it would leave out is not left out.
Scopes of the context `patient` count where the access is that to one patient, and for reading alone: what is written is
held to no patient, and other operations are about all of an organisation.
"""

from collections.abc import Mapping
from dataclasses import replace

from pacsd.access.operations import Operation
from pacsd.access.principal import Principal
from pacsd.access.smart_scopes import smart_scopes

ALL = "*"                                # every type of resource
OF_ONE_PATIENT = frozenset({             # outside of FHIR
    Operation.SEARCH_STUDIES, Operation.VIEW_STUDIES, Operation.RETRIEVE_STUDIES,
})  # fmt: skip
_READING = frozenset("rs")

# the resources, and the interactions with them, that an operation outside of FHIR stands for
NEEDED: Mapping[Operation, tuple[str, str]] = {
    Operation.SEARCH_STUDIES: ("ImagingStudy", "s"), Operation.VIEW_STUDIES: ("ImagingStudy", "r"),
    Operation.RETRIEVE_STUDIES: ("ImagingStudy", "r"),
    Operation.STORE_STUDIES: ("ImagingStudy", "c"), Operation.COMMIT_STORAGE: ("ImagingStudy", "r"),
    Operation.READ_WORKITEMS: ("Task", "rs"), Operation.WRITE_WORKITEMS: ("Task", "cu"),
    Operation.WATCH_WORKITEMS: ("Task", "rs"), Operation.READ_WORKLIST: ("ServiceRequest", "rs"),
    Operation.PERFORM_STEPS: ("Procedure", "cu"), Operation.READ_NON_PATIENT: (ALL, "rs"),
    Operation.STORE_NON_PATIENT: (ALL, "c"), Operation.COUNT: ("MeasureReport", "s"), Operation.EXPORT: (ALL, "rs"),
    Operation.IMPORT: (ALL, "cud"), Operation.QUERY_IDENTITY: ("Patient", "rs"), Operation.FEED_MESSAGES: (ALL, "cud"),
    Operation.READ_AUDIT: ("AuditEvent", "rs"), Operation.FEED_AUDIT: ("AuditEvent", "c"),
    Operation.SHARE: ("Consent", "c"), Operation.BREAK_GLASS: ("ImagingStudy", "s"),
    Operation.MAKE_LINKS: ("Consent", "c"), Operation.MANAGE_LINKS: ("Consent", "u"),
    Operation.CLOSE_FILMS: ("Consent", "u"),
}  # fmt: skip


def allows(principal: Principal, type_name: str, interactions: str) -> bool:
    """Whether the scopes allow all of these interactions (letters of `cruds`) with resources of a type."""
    if principal.permissions is None:
        return True
    about_one = set(interactions) <= _READING and (principal.patient is not None or principal.context is not None)
    left = set(interactions)
    for one in smart_scopes(principal.permissions):
        if one.type in (ALL, type_name) and not one.search and (one.context != "patient" or about_one):
            left -= one.interactions
    return not left


def allows_operation(principal: Principal, operation: Operation) -> bool:
    """Whether the scopes allow an operation; those on FHIR resources are asked of with their types."""
    needed = None if principal.permissions is None else NEEDED.get(operation)
    if needed is not None and operation not in OF_ONE_PATIENT:
        principal = replace(principal, patient=None, context=None)
    return needed is None or allows(principal, *needed)
