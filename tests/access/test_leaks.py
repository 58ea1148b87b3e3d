"""What somebody may not see is answered as what is not there: the same words, headers and statements."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.access.region import STUDIES, Region
from tests.synthetic import Study, study

EAST = "radiologist@east"                # who cares for the patient, and was given nothing
WEST, NONE = STUDIES["west"], study(62, 1)


def paths(of: Study) -> list[str]:
    one = f"/dicom-web/studies/{of.study_instance_uid}"
    series = f"{one}/series/{of.series_instance_uid(1)}"
    instance = f"{series}/instances/{of.sop_instance_uid(1, 1)}"
    wado = f"requestType=WADO&studyUID={of.study_instance_uid}&seriesUID={of.series_instance_uid(1)}"
    return [
        one, series, instance, *(f"{each}/metadata" for each in (one, series, instance)), f"{instance}/frames/1",
        *(f"{each}/rendered" for each in (one, series, instance)), f"{instance}/frames/1/rendered",
        *(f"{each}/thumbnail" for each in (one, series, instance)), f"{instance}/bulkdata/7FE00010",
        *(f"{each}/bulkdata" for each in (one, series, instance)),
        *(f"{each}/pixeldata" for each in (one, series, instance)),
        f"/wado?{wado}&objectUID={of.sop_instance_uid(1, 1)}", f"{one}/series", f"{one}/instances",
        f"/dicom-web/studies?StudyInstanceUID={of.study_instance_uid}&includefield=all",
        f"/dicom-web/studies?AccessionNumber={of.accession_number}", f"/dicom-web/studies?PatientID={of.patient_id}",
        f"/dicom-web/instances?SOPInstanceUID={of.sop_instance_uid(1, 1)}&StudyInstanceUID={of.study_instance_uid}",
    ]  # fmt: skip


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement that PostgreSQL is asked meanwhile, without its values."""
    asked: list[str] = []
    plain = psycopg.Cursor.execute

    def execute(self: Any, query: Any, *given: Any, **told: Any) -> Any:
        asked.append(str(query))
        return plain(self, query, *given, **told)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Cursor, "execute", execute)
        yield asked


def answer(region: Region, path: str, of: Study, **headers: str) -> tuple[int, dict[str, str], str]:
    got = region.request("GET", path, EAST, headers={"accept": "*/*", **headers})
    told = {name: value for name, value in got.headers.items() if name != "x-request-id"}
    text = got.text
    for n, uid in enumerate((of.sop_instance_uid(1, 1), of.series_instance_uid(1), of.study_instance_uid)):
        text = text.replace(uid, f"<{n}>")
    return got.status_code, told, text


@pytest.mark.parametrize("number", range(len(paths(WEST))))
def test_hidden_is_answered_as_absent(region: Region, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    region.request("GET", "/dicom-web/studies", EAST)        # who asks is known from here on
    with statements(monkeypatch) as for_hidden:
        hidden = answer(region, paths(WEST)[number], WEST)
    with statements(monkeypatch) as for_absent:
        absent = answer(region, paths(NONE)[number], NONE)
    assert hidden == absent
    assert for_hidden == for_absent and for_hidden


def fhir_paths(study_id: str, patient_id: str, of: Study) -> list[str]:
    return [
        f"ImagingStudy/{study_id}", f"ImagingStudy/{study_id}/_history", f"ImagingStudy/{study_id}/_history/1",
        f"ImagingStudy?_id={study_id}&_total=accurate", f"ImagingStudy?identifier=urn:oid:{of.study_instance_uid}",
        f"ImagingStudy?patient.identifier={of.patient_id}&_summary=count", f"ImagingStudy?patient=Patient/{patient_id}",
        f"Patient?_has:ImagingStudy:patient:_id={study_id}&_total=accurate", f"Patient/{patient_id}/$everything",
        f"Patient?_id={patient_id}&_revinclude=*", f"Patient/{patient_id}/*", f"ImagingStudy/{study_id}/$meta",
        f"Patient/{patient_id}/$summary",
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(13))
def test_hidden_resources_are_answered_as_absent_ones(
    region: Region, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = region.id_of("ImagingStudy", "west"), region.id_of("Patient", "west")
    others = "0" * 8 + ids[0][8:], "0" * 8 + ids[1][8:]
    region.fhir("GET", "ImagingStudy?_count=1", EAST)
    found = []
    for named, of in ((ids, WEST), (others, NONE)):
        with statements(monkeypatch) as asked:
            got = region.fhir("GET", fhir_paths(*named, of)[number], EAST)
        text = got.text
        for n, one in enumerate((*named, of.study_instance_uid)):
            text = text.replace(one, f"<{n}>")
        told = {name: one for name, one in got.headers.items() if name not in ("x-request-id", "content-length")}
        found.append((got.status_code, told, plain(text, of), asked))
    assert found[0] == found[1]


def plain(text: str, of: Study) -> str:
    """Without what is of the question, and the moment."""
    text = text.replace(of.patient_id, "<id>")
    return re.sub(r'"(id|lastUpdated|timestamp)":"[^"]*"', "", text)


def test_an_entity_tag_tells_nothing(region: Region) -> None:
    path = f"/dicom-web/studies/{WEST.study_instance_uid}/metadata"
    tag = region.request("GET", path, "radiologist@west").headers["etag"]
    for value in (tag, "*", '"none"'):
        assert region.request("GET", path, EAST, headers={"if-none-match": value}).status_code == 404
    study = f"ImagingStudy/{region.id_of('ImagingStudy', 'west')}"
    version = region.fhir("GET", study, "radiologist@west").headers["etag"]
    assert region.fhir("GET", study, EAST, **{"if-none-match": version}).status_code == 404


def test_a_page_of_somebody_else_shows_only_what_its_reader_may_see(region: Region) -> None:
    first = region.fhir("GET", "ImagingStudy?_count=1", "radiologist@south").json()
    following = next(one["url"] for one in first["link"] if one["relation"] == "next")
    path = following.partition("/fhir/")[2]
    seen = region.fhir("GET", path, "radiologist@east").json()
    uids = {one["resource"]["identifier"][0]["value"] for one in seen.get("entry", ())}
    assert f"urn:oid:{WEST.study_instance_uid}" not in uids


def test_what_is_refused_is_refused_before_it_is_looked_for(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    for asker in ("administrator@west", "auditor@west", "researcher@east"):
        region.request("GET", "/dicom-web/studies", asker)
        with statements(monkeypatch) as asked:
            answers = {region.request("GET", path, asker).text for path in (*paths(WEST), *paths(NONE))}
        assert len(answers) <= len(("search", "view", "retrieve")) and not asked
