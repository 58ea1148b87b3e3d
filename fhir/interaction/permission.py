"""What the asker of an interaction must be allowed, where types of resources have a say in it, too."""

from collections.abc import Mapping
from dataclasses import replace

from fhir.interaction.request import Asker, Request
from pacsd.access.asking import Access
from pacsd.access.operations import Operation, Reach, reach
from pacsd.access.permissions import ALL
from pacsd.faults import Fault, PacsdError

REGISTER = ("Organization", "Device", "Endpoint")        # who may call us, and whom we call
SUBSCRIPTION = "Subscription"
OF_TYPE: Mapping[tuple[str, Operation], Operation] = {
    ("AuditEvent", Operation.READ_RESOURCES): Operation.READ_AUDIT,
    ("AuditEvent", Operation.WRITE_RESOURCES): Operation.FEED_AUDIT,
    **{(one, Operation.READ_RESOURCES): Operation.READ_REGISTER for one in REGISTER},
    **{(one, Operation.WRITE_RESOURCES): Operation.WRITE_REGISTER for one in REGISTER},
}
_LETTERS = {"POST": "c", "PUT": "cu", "PATCH": "u", "DELETE": "d"}       # a PUT may create
_LEAD_ON = ("_include", "_revinclude", "_has")


def admitted(request: Request, operation: Operation, type_name: str) -> Asker:
    """The asker of an interaction as far as it reaches. `type_name` empty or *: of resources of all types.

    Raises PacsdError UNAUTHENTICATED, FORBIDDEN.
    """
    asker = request.asker.permitted(OF_TYPE.get((type_name, operation), operation))
    if asker.access is not None and operation in (Operation.READ_RESOURCES, Operation.WRITE_RESOURCES):
        asker.access.require(_types(request, type_name), _letters(request, operation))
        if type_name == SUBSCRIPTION and (operation is Operation.WRITE_RESOURCES or request.operation):
            hears(asker.access)
    return asker


def hears(access: Access) -> None:
    """Raise PacsdError FORBIDDEN for who sees less than their organisation: a subscription tells all that it sees."""
    access.require(ALL, "rs")
    if reach(Operation.READ_RESOURCES, access.principal.roles) < Reach.SHARED:
        raise PacsdError(Fault.FORBIDDEN, "a subscription tells what was granted to the organisation, too")
    if access.principal.context is not None:
        raise PacsdError(Fault.FORBIDDEN, "a subscription is about more than the one patient of the token")


def not_written(request: Request) -> list[str]:
    """Types that somebody may not write although they may import: those of which more is asked than of others."""
    return [one for one in (*REGISTER, SUBSCRIPTION) if not _may_write(replace(request, method="PUT", type=one), one)]


def _may_write(request: Request, type_name: str) -> bool:
    try:
        admitted(replace(request, operation=""), Operation.WRITE_RESOURCES, type_name)
    except PacsdError:
        return False
    return True


def _types(request: Request, type_name: str) -> str:
    """The type that scopes must allow: all of them, where an answer may hold or tell of others."""
    leads_on = request.operation or any(
        name.partition(":")[0] in _LEAD_ON or "." in name for name, _ in request.parameters
    )
    return ALL if leads_on or not type_name or type_name == "*" else type_name


def _letters(request: Request, operation: Operation) -> str:
    """The interactions that scopes must allow, as SMART App Launch 2.2 counts them."""
    if operation is Operation.WRITE_RESOURCES:
        return "u" if request.operation else _LETTERS.get(request.method, "cud")
    if request.operation:
        return "rs"
    return "r" if request.id and not request.compartment else "s"
