"""The measures that come with the server, as resources (http://hl7.org/fhir/R4/measure.html)."""

from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from pacsd.access.scope import Scope
from pacsd.index import statistics
from pacsd.index.connect import Pool
from pacsd.index.statistics import Counted

Count = Callable[[Pool, Scope, date, date], list[Counted]]
# name -> how it is counted, and what its score is: unit by UCUM, and how people call it
COUNTS: Mapping[str, tuple[Count, str, str]] = {
    "exams": (statistics.examinations, "", ""),
    "billable-exams": (statistics.billable, "", ""),
    "report-turnaround": (statistics.turnaround, "min", "minutes"),
    "storage": (statistics.storage, "By", "bytes"),
}


@cache
def measures() -> Mapping[str, Mapping[str, Any]]:
    """Measure resources by name."""
    folder = files("fhir.measure").joinpath("data")
    return {name: orjson.loads(folder.joinpath(f"{name}.json").read_bytes()) for name in COUNTS}


def find(text: str) -> Mapping[str, Any] | None:
    """A measure by its name, `Measure/name` or canonical URL."""
    name = text.partition("|")[0].removeprefix("Measure/")
    return measures().get(name) or next((one for one in measures().values() if one["url"] == name), None)
