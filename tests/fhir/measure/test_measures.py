"""What the archive did in a time, as a MeasureReport and as tables."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pacsd.index.ingest import Ingest
from tests.fhir.house import JSON, House, issue, opened
from tests.index.arrivals import arrival


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as made:
        ingest = Ingest(made.pool)
        for number, (day, modality, accession) in enumerate((
            ("20260301", "CT", "A1"), ("20260301", "CT", "A1"), ("20260301", "MR", "A2"), ("20260302", "CT", None),
            ("20260401", "CT", "A3"),
        )):  # fmt: skip
            ingest.store(arrival(f"1.{number}.1", study=f"1.{number}", organisation=made.keys["east"], t00080020=day,
                                 t00080060=modality, t00080050=accession, authority="EAST"))  # fmt: skip
        ingest.store(arrival("1.2.9", study="1.2", series="1.2.5", organisation=made.keys["east"], authority="EAST",
                             t00080060="SR", t00080020="20260301", t00080050="A2"))  # fmt: skip
        ingest.close()
        yield made


def evaluated(house: House, name: str, start: str = "2026-03-01", end: str = "2026-03-31") -> dict[str, Any]:
    answer = house.get(f"Measure/{name}/$evaluate-measure?periodStart={start}&periodEnd={end}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def strata(report: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = []
    for kind in report["group"][0].get("stratifier", []):
        for one in kind["stratum"]:
            found.append((*(part["value"]["text"] for part in one["component"]), one["population"][0]["count"]))
    return found


def test_examinations_are_counted_by_hospital_day_and_modality(house: House) -> None:
    report = evaluated(house, "exams")
    assert strata(report) == [
        ("East", "2026-03-01", "CT", 2), ("East", "2026-03-01", "MR", 1), ("East", "2026-03-02", "CT", 1)]
    assert report["group"][0]["population"][0]["count"] == 4
    assert strata(evaluated(house, "exams", "2026-04", "2026-04")) == [("East", "2026-04-01", "CT", 1)]


def test_what_is_billable_was_ordered_and_counts_once(house: House) -> None:
    assert strata(evaluated(house, "billable-exams")) == [("East", "CT", 1), ("East", "MR", 1)]


def test_storage_is_told_in_bytes(house: House) -> None:
    today = datetime.now(UTC).date().isoformat()
    report = evaluated(house, "storage", "2024-01-01", today)
    rows = report["group"][0]["stratifier"][0]["stratum"]
    assert [one["component"][1]["value"]["text"] for one in rows] == ["CT", "MR", "SR"]
    assert all(one["measureScore"]["code"] == "By" for one in rows)


def test_turnaround_is_from_the_last_image_to_the_first_final_report(house: House) -> None:
    with house.pool.connection() as connection:
        row = connection.execute("""insert into diagnostic_report (organisation, changed_at, names, studies)
            values (%s, now(), '{r}', '{1.2}') returning pk""", (house.keys["east"],)).fetchone()
        assert row is not None
        for number, (status, minutes) in enumerate((("P", 5), ("F", 30), ("C", 90)), 1):
            connection.execute("""insert into diagnostic_report_version (report, organisation, number, said_at,
                addendum, critical, uid, status, sender, content) select %s, %s, %s,
                s.last_received_at + make_interval(mins => %s), false, false, %s, %s, '', '' from study s
                where s.study_instance_uid = '1.2'""",
                (row[0], house.keys["east"], number, minutes, f"u{number}", status))  # fmt: skip
    report = evaluated(house, "report-turnaround")
    (stratum,) = report["group"][0]["stratifier"][0]["stratum"]
    assert strata(report) == [("East", "MR", 1)] and stratum["measureScore"]["value"] == 30


def test_another_organisation_sees_nothing_of_it(house: House) -> None:
    house.act_as(house.member("west"))
    for name in ("exams", "billable-exams", "storage", "report-turnaround"):
        assert strata(evaluated(house, name, "2024-01-01", "2030-01-01")) == []


def test_a_report_becomes_a_table_that_runs_nothing(house: House) -> None:
    report = evaluated(house, "exams")
    report["group"][0]["stratifier"][0]["stratum"][0]["component"][0]["value"]["text"] = "=cmd()"
    text = house.post("MeasureReport/$table?as=csv", report)
    assert text.headers["content-type"] == "text/csv;charset=utf-8"
    lines = text.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "hospital,day,modality,count,score,unit" and lines[1] == "'=cmd(),2026-03-01,CT,2,,"
    book = house.post("MeasureReport/$table?as=xlsx", report)
    with zipfile.ZipFile(io.BytesIO(book.content)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        assert "<f>" not in sheet and sheet.count("<row ") == 4
        assert "=cmd()" in archive.read("xl/sharedStrings.xml").decode()
    house.put("MeasureReport/r", {**report, "id": "r"})
    assert house.get("MeasureReport/r/$table").content == text.content


def test_the_library_lists_its_measures(house: House) -> None:
    told = house.get("Measure/$library").json()
    assert [one["resource"]["id"] for one in told["entry"]] == [
        "exams", "billable-exams", "report-turnaround", "storage"]
    url = told["entry"][0]["resource"]["url"]
    answer = house.get(f"Measure/$evaluate-measure?measure={url}|1&periodStart=2026&periodEnd=2026")
    assert answer.json()["measure"] == f"{url}|1"


NOT_EVALUATED = (
    ("Measure/nothing/$evaluate-measure?periodStart=2026&periodEnd=2026", 404),
    ("Measure/exams/$evaluate-measure?periodStart=2026", 400),
    ("Measure/exams/$evaluate-measure?periodStart=2026&periodEnd=2025", 400),
    ("Measure/exams/$evaluate-measure?periodStart=0001&periodEnd=9999", 400),
    ("Measure/exams/$evaluate-measure?periodStart=x&periodEnd=2025", 400),
    ("Measure/exams/$evaluate-measure?periodStart=2026&periodEnd=2026&reportType=subject", 400),
    ("Measure/exams/$evaluate-measure?periodStart=2026&periodEnd=2026&subject=Patient/1", 400),
)  # fmt: skip


def test_what_is_not_evaluated_is_refused(house: House) -> None:
    for path, status in NOT_EVALUATED:
        assert issue(house.get(path))[0] == status, path


@pytest.mark.timeout(60)
def test_a_table_of_nonsense_is_refused(house: House) -> None:
    for body in ({"resourceType": "Patient"}, {"resourceType": "MeasureReport", "group": [7]},
                 {"resourceType": "MeasureReport", "group": "x"}):  # fmt: skip
        assert house.post("MeasureReport/$table", body).status_code in (400, 422)
    for count in (b"1e999999999", b"1.5", b'"3"'):
        body = b'{"resourceType": "MeasureReport", "group": [{"population": [{"count": %s}]}]}' % count
        assert house.request("POST", "MeasureReport/$table", body, content_type=JSON).status_code == 422
    good: dict[str, Any] = {"resourceType": "MeasureReport"}
    assert house.post("MeasureReport/$table?as=pdf", good).status_code == 400
