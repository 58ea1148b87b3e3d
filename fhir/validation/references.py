"""Where references lead (http://hl7.org/fhir/R4/references.html)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from fhir.definitions.structures import structures
from fhir.validation.report import Report, wrong

_LITERAL = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?$")
_RELATIVE = re.compile(r"[A-Za-z]+/")

Check = Callable[[Any, Report], None]


def reference_check(targets: tuple[str, ...]) -> Check:
    """A check of References that may lead to resources of these types; to all where there are none."""
    anything = not targets or "Resource" in targets
    allowed = frozenset(targets)
    listed = ", ".join(targets)

    def check(value: Any, report: Report) -> None:
        if type(value) is not dict:
            return
        reference, told = value.get("reference"), value.get("type")
        kind = _leads_to(reference, report) if type(reference) is str else None
        if kind is not None and not anything and kind not in allowed:
            report.add(wrong("invalid", f"a reference to {kind}; allowed: {listed}"), ".reference")
        if type(told) is str and told in structures().resource_types:
            if kind is not None and kind != told:
                report.add(wrong("invalid", f"the type says {told}, the reference leads to {kind}"), ".type")
            elif kind is None and not anything and told not in allowed:
                report.add(wrong("invalid", f"a reference to {told}; allowed: {listed}"), ".type")
    return check


def type_of(value: Mapping[str, Any], report: Report) -> str | None:
    """The type of resource a Reference leads to, as far as it tells; nothing is reported."""
    reference, told = value.get("reference"), value.get("type")
    if type(reference) is str:
        if reference[:1] == "#":
            return report.contained.get(reference[1:])
        found = _LITERAL.search(reference)
        if found is not None and found[1] in structures().resource_types:
            return found[1]
    return told if type(told) is str and told in structures().resource_types else None


def _leads_to(reference: str, report: Report) -> str | None:
    """The type a reference names, or that of what it finds in the same resource; None where it tells none."""
    if reference[:1] == "#":
        if len(reference) == 1:
            return str(report.root.type)
        kind = report.contained.get(reference[1:])
        if kind is None:
            report.add(wrong("invariant", "ref-1: the resource contains none with this id"), ".reference")
        return kind
    found = _LITERAL.search(reference)
    if found is not None and found[1] in structures().resource_types:
        return found[1]
    if _RELATIVE.match(reference):
        report.add(wrong("value", "this is no reference to a resource of R4"), ".reference")
    return None
