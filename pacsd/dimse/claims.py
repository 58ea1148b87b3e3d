"""What this edge says of itself, from the tables it works by; statements and the README are rendered from it."""

from collections.abc import Mapping

from pacsd.codec.transfer_syntaxes import TRANSFER_SYNTAXES, TransferSyntax, preferred
from pacsd.dimse.acceptor import HANDLERS, OF_CLASS
from pacsd.dimse.command import C_ECHO_RQ, C_FIND_RQ, C_GET_RQ, C_MOVE_RQ, C_STORE_RQ, N_CREATE_RQ
from pacsd.dimse.metering import OPERATIONS
from pacsd.dimse.negotiation import IDENTIFIER_SYNTAXES
from pacsd.dimse.operations import CLASSES
from pacsd.dimse.sop_classes import (
    INSTANCE_AVAILABILITY_NOTIFICATION,
    SOP_CLASSES,
    STORAGE_COMMITMENT,
    UPS_EVENT,
    Service,
    SOPClass,
)

COMMANDS = {
    Service.ECHO: C_ECHO_RQ,
    Service.STORE: C_STORE_RQ,
    Service.FIND: C_FIND_RQ,
    Service.MOVE: C_MOVE_RQ,
    Service.GET: C_GET_RQ,
    Service.WORKLIST: C_FIND_RQ,
}
# of services that are not called as their command is
NAMES = {Service.WORKLIST: "C-FIND, worklist", Service.MPPS: "MPPS", Service.COMMITMENT: "Storage Commitment",
         Service.UPS: "UPS"}  # fmt: skip
EVENTS = {STORAGE_COMMITMENT, UPS_EVENT}                 # classes of which the server as SCP reports events
# Where the server is SCU alone (PS3.4 R.3): pacsd.dimse.availability
SCU_CLASSES = (("Instance Availability Notification", INSTANCE_AVAILABILITY_NOTIFICATION, (N_CREATE_RQ,)),)
# Where the server itself is SCU: sub-operations of these services (PS3.4 C.4.2, C.4.3).
SUB_OPERATIONS = {Service.STORE: (Service.MOVE, Service.GET)}

# The hundreds of TransferSyntax.preference
KINDS = ("uncompressed", "deflated", "lossless", "either", "unknown", "lossy", "video", "elsewhere")


def claims() -> Mapping[str, object]:
    """Services with roles, SOP classes, and transfer syntaxes from the most to the least preferred."""
    order = _by_preference()
    return {
        "services": [_service(one) for one in Service],
        "sop_classes": [_sop_class(one) for one in SOP_CLASSES],
        "scu_classes": [
            {"name": name, "uid": uid, "operations": [OPERATIONS[field] for field in fields]}
            for name, uid, fields in SCU_CLASSES
        ],
        "storage_transfer_syntaxes": [_transfer_syntax(one) for one in order],
        "identifier_transfer_syntaxes": list(IDENTIFIER_SYNTAXES),
    }


def _service(service: Service) -> Mapping[str, object]:
    classes = [one for one in SOP_CLASSES if one.service is service]
    return {
        "name": _name(service),
        "operations": sorted({name for one in classes for name in _operations(one)}),
        "scp": COMMANDS[service] in HANDLERS if service in COMMANDS else all(map(_operations, classes)),
        "scu_of": [f"C-{one.name}" for one in SUB_OPERATIONS.get(service, ())],
        "sop_classes": len(classes),
        "retired": sum(one.retired for one in classes),
    }


def _name(service: Service) -> str:
    return NAMES.get(service, f"C-{service.name}")


def _sop_class(one: SOPClass) -> Mapping[str, object]:
    return {
        "uid": one.uid,
        "name": one.name,
        "service": _name(one.service),
        "operations": _operations(one),
        "levels": list(one.model.value) if one.model else [],
        "retired": one.retired,
    }


def _operations(one: SOPClass) -> list[str]:
    """The operations of a class of a service that has several, as the tables of the dispatch have them."""
    if one.service in COMMANDS:
        return [OPERATIONS[COMMANDS[one.service]]]
    declared = CLASSES.get(one.uid)
    fields = list(declared.operations) if declared is not None else []
    fields += [field for uid, field in OF_CLASS if uid == one.uid]
    return [OPERATIONS[field] for field in fields] + (["N-EVENT-REPORT"] if one.uid in EVENTS else [])


def _transfer_syntax(one: TransferSyntax) -> Mapping[str, object]:
    return {
        "uid": one.uid,
        "name": one.name,
        "kind": KINDS[one.preference // 100],
        "retired": one.retired,
        "decoded": one.decoded,
        "encoded": one.encoded,
    }


def _by_preference() -> list[TransferSyntax]:
    """The order in which negotiation itself picks them, when all that are left are offered."""
    left = {one.uid: one for one in TRANSFER_SYNTAXES}
    return [left.pop(preferred(left)) for _ in TRANSFER_SYNTAXES]
