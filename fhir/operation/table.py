"""The operations of this server."""

from fhir.operation import meta
from fhir.operation.declared import Operation

OPERATIONS: tuple[Operation, ...] = (*meta.OPERATIONS,)
