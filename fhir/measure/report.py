"""MeasureReports (http://hl7.org/fhir/R4/measurereport.html), and as tables for people who calculate."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import xlsxwriter

from fhir.format.instants import instant
from fhir.measure.library import COUNTS
from pacsd.index.statistics import Counted

_POPULATION = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/measure-population",
                           "code": "initial-population"}]}  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")      # what a spreadsheet takes a text to be that begins so
_MOST_SHEET_NAME = 31


def report(
    measure: Mapping[str, Any], counted: Sequence[Counted], *, start: str, end: str, at: datetime
) -> dict[str, Any]:
    """A summary of a measure: all together, and a stratum for each hospital, day and modality."""
    group: dict[str, Any] = {
        "code": measure["group"][0]["code"],
        "population": [{"code": _POPULATION, "count": sum(one.count for one in counted)}],
    }
    strata = [_stratum(measure["id"], one) for one in counted]
    if strata:
        group["stratifier"] = [{"stratum": strata}]
    return {
        "resourceType": "MeasureReport", "status": "complete", "type": "summary",
        "measure": f"{measure['url']}|{measure['version']}", "date": instant(at),
        "period": {"start": start, "end": end}, "group": [group],
    }  # fmt: skip


def _stratum(name: str, one: Counted) -> dict[str, Any]:
    said = {"hospital": one.hospital, "day": one.day.isoformat() if one.day else "", "modality": one.modality}
    stratum: dict[str, Any] = {
        "component": [{"code": {"text": key}, "value": {"text": value}} for key, value in said.items() if value],
        "population": [{"code": _POPULATION, "count": one.count}],
    }
    _, code, unit = COUNTS[name]
    if one.score is not None:
        stratum["measureScore"] = {"value": round(one.score, 2), "unit": unit, "system": "http://unitsofmeasure.org",
                                   "code": code}  # fmt: skip
    return stratum


def table(told: Mapping[str, Any]) -> list[list[str | float]]:
    """A MeasureReport as rows, the first of which names the columns: one for each stratum, or for the whole."""
    strata = [one for group in told.get("group", ()) for kind in group.get("stratifier", ())
              for one in kind.get("stratum", ())] or list(told.get("group", ()))  # fmt: skip
    names = list(dict.fromkeys(name for one in strata for name, _ in _components(one)))
    rows: list[list[str | float]] = [[*names, "count", "score", "unit"]]
    for one in strata:
        said = dict(_components(one))
        score = one.get("measureScore", {})
        counts = [row.get("count", 0) for row in one.get("population", ())[:1]]
        if not all(isinstance(each, int) for each in counts):            # 1e999999999 as a whole number has no end
            raise TypeError("a count is a whole number")
        count = sum(counts)
        value = score.get("value")
        rows.append([*(said.get(name, "") for name in names), count, "" if value is None else float(value),
                     score.get("unit", "")])  # fmt: skip
    return rows


def _components(stratum: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in stratum.get("component", ()):
        yield _text(one.get("code", {})), _text(one.get("value", {}))
    if "value" in stratum:
        yield "value", _text(stratum["value"])


def _text(concept: Mapping[str, Any]) -> str:
    coding: Mapping[str, Any] = next(iter(concept.get("coding", ())), {})
    return str(concept.get("text") or coding.get("display") or coding.get("code") or "")


def as_csv(told: Mapping[str, Any]) -> bytes:
    """UTF-8 with the mark by which spreadsheets know it, RFC 4180; no text is a formula."""
    made = io.StringIO()
    writer = csv.writer(made)
    for row in table(told):
        writer.writerow([f"'{one}" if isinstance(one, str) and one.startswith(_FORMULA) else one for one in row])
    return made.getvalue().encode("utf-8-sig")


def as_xlsx(told: Mapping[str, Any]) -> bytes:
    """A workbook of one sheet; no text is a formula."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet("".join(filter(str.isalnum, str(told.get("measure", "")).rpartition(":")[2]))[
        :_MOST_SHEET_NAME] or None)  # fmt: skip
    for number, row in enumerate(table(told)):
        for column, value in enumerate(row):
            sheet.write(number, column, value)
    book.close()
    return made.getvalue()
