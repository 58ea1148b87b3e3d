"""All rules of the definitions, and of the profiles a resource names (http://hl7.org/fhir/R4/validation.html)."""

from typing import Any

from fhir.outcome import Issue
from fhir.path import Node
from fhir.validation.objects import check_resource
from fhir.validation.report import Report


def check(resource: Any) -> list[Issue]:
    """What is wrong with a resource by the definitions of R4; nothing, where all is well."""
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    report = Report(Node(resource, name if isinstance(name, str) else "Resource"))
    check_resource(resource, report)
    return report.issues(str(name or "Resource"))
