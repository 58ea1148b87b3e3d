"""The operations of this server."""

from fhir.operation import meta
from fhir.operation.declared import Operation
from fhir.operation.validate import validate

_OF_RESOURCE = "http://hl7.org/fhir/OperationDefinition/Resource-"

OPERATIONS: tuple[Operation, ...] = (
    *meta.OPERATIONS,
    Operation("validate", validate, f"{_OF_RESOURCE}validate", type=True, instance=True),
)
