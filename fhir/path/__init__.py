"""FHIRPath (http://hl7.org/fhirpath/N1, http://hl7.org/fhir/R4/fhirpath.html): `compile` an expression, evaluate it."""

from fhir.path.compiler import Expression, compile  # noqa: A004
from fhir.path.evaluation import Context
from fhir.path.nodes import Node, resource

__all__ = ["Context", "Expression", "Node", "compile", "resource"]
