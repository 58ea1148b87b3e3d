"""Measure/$evaluate-measure of what comes with the server (http://hl7.org/fhir/R4/measure-operation-evaluate-measure.html).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from fhir.interaction.bundle import bundle
from fhir.interaction.request import Answer, Raw, Request
from fhir.interaction.services import Server
from fhir.interaction.times import period
from fhir.measure.library import COUNTS, find, measures
from fhir.measure.report import as_csv, as_xlsx, report
from fhir.operation.parameters import Given, In, given
from fhir.operation.stated import resource
from fhir.outcome import FhirError
from pacsd.faults import Fault

OF_TABLE = (In("as", "code"), In("report", "Resource"))
PARAMETERS = (
    In("periodStart", "date"), In("periodEnd", "date"), In("measure", "string"), In("reportType", "code"),
    In("lastReceivedOn", "dateTime"),
)  # fmt: skip
_TABLES: Mapping[str, tuple[Callable[[Mapping[str, Any]], bytes], str]] = {
    "csv": (as_csv, "text/csv;charset=utf-8"),
    "xlsx": (as_xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}
_LONGEST = timedelta(days=3_660)
_REPORTS = ("", "population", "summary")


def evaluate_measure(server: Server, request: Request) -> Answer:
    """200 with a MeasureReport of type summary; it is not kept. Raises FhirError for what is not evaluated here."""
    told = given(request, PARAMETERS)
    if told.text("reportType") not in _REPORTS or told.text("lastReceivedOn"):
        raise FhirError(Fault.UNSUPPORTED, "measures are evaluated as summaries of populations")
    measure = find(request.id or str(told.required("measure")))
    if measure is None:
        raise FhirError(Fault.NOT_FOUND, f"the measures that are evaluated here are {', '.join(COUNTS)}")
    start, end = str(told.required("periodStart")), str(told.required("periodEnd"))
    first, last = _days(told)
    counted = COUNTS[measure["id"]][0](server.pool, request.asker.scope, first, last)
    return Answer(200, resource=report(measure, counted, start=start, end=end, at=datetime.now(UTC)))


def library(server: Server, request: Request) -> Answer:
    """200 with the measures that are evaluated here, in a collection."""
    given(request, ())
    return Answer(200, resource=bundle("collection", ({"fullUrl": one["url"], "resource": one}
                                                      for one in measures().values())))  # fmt: skip


def as_table(server: Server, request: Request) -> Answer:
    """200 with a MeasureReport as CSV or as a workbook: one that is kept, or that of the body."""
    told = given(request, OF_TABLE, alone="report")
    made = _TABLES.get(told.text("as") or "csv")
    if made is None:
        raise FhirError(Fault.UNSUPPORTED, f"a table is made as {' or '.join(_TABLES)}")
    one = resource(server, request) if request.id else told.required("report")
    if one.get("resourceType") != "MeasureReport":
        raise FhirError(Fault.MALFORMED, "the body is a MeasureReport", code="value")
    write, media_type = made
    try:
        content = write(one)
    except (AttributeError, TypeError, ValueError) as error:
        raise FhirError(Fault.INVALID, "the MeasureReport is not as FHIR has it", code="structure") from error
    return Answer(200, raw=Raw(content, media_type))


def _days(told: Given) -> tuple[date, date]:
    """The first and the last day of the period; both count."""
    low = period(told.text("periodStart"), "periodStart")[0].date()
    high = (period(told.text("periodEnd"), "periodEnd")[1] - timedelta(microseconds=1)).date()
    if high < low:
        raise FhirError(Fault.MISMATCH, "the period ends before it begins", code="value")
    if high - low > _LONGEST:
        raise FhirError(Fault.TOO_BROAD, "a period is ten years at most")
    return low, high
