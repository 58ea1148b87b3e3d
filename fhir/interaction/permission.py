"""What the asker of an interaction must be allowed, where the type of the resource has a say in it, too."""

from collections.abc import Mapping

from pacsd.access.operations import Operation

OF_TYPE: Mapping[tuple[str, Operation], Operation] = {
    ("AuditEvent", Operation.READ_RESOURCES): Operation.READ_AUDIT,
    ("AuditEvent", Operation.WRITE_RESOURCES): Operation.FEED_AUDIT,
}


def needed(operation: Operation, type_name: str) -> Operation:
    """What is needed for an operation on resources of a type; empty: on several."""
    return OF_TYPE.get((type_name, operation), operation)
