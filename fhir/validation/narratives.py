"""Narratives that are safe to show and say something (http://hl7.org/fhir/R4/narrative.html, rules txt-1 and txt-2)."""

from typing import Any

from fhir.format import xhtml
from fhir.validation.report import Report, wrong

_UNNAMED = ("warning", "invariant", f"the <div> leaves out its namespace, {xhtml.NAMESPACE}")


def check_narrative(value: Any, report: Report) -> None:
    """A Narrative.div: well-formed, without scripts and what else runs or loads, and with some content."""
    if type(value) is not str:
        report.add(wrong("structure", "a JSON string is expected here"))
        return
    try:
        div = xhtml.parsed(value)
    except ValueError as error:
        report.add(wrong("structure", f"txt-1: {error}"))
        return
    if xhtml.unnamed(value):
        report.add(_UNNAMED)
    for text in xhtml.problems(div):
        report.add(wrong("invariant", f"txt-1: {text}"))
    if xhtml.empty(div):
        report.add(wrong("invariant", "txt-2: a narrative has some content"))
