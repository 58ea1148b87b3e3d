"""The operations of this server."""

from fhir.operation.declared import Operation

OPERATIONS: tuple[Operation, ...] = ()
