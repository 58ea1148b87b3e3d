"""C-FIND and QIDO-RS over 4,000 studies."""

from __future__ import annotations

import random
from collections.abc import Callable
from urllib.parse import urlencode

from pydicom import dcmread

from tests.bench.archives import archive
from tests.bench.corpora import STUDIES_PER_DATE
from tests.bench.dcmtk import STUDY_ROOT_FIND, findscu, timed, write_query
from tests.bench.find_client import seconds_each
from tests.bench.load import Job, measure
from tests.bench.measures import Bench, Row, Samples, alternate
from tests.synthetic import Study

JSON = "application/dicom+json"


def find(bench: Bench, keyword: str, key: Callable[[Study], str], count: int, *, matches: int) -> Samples:
    """Mean seconds of one C-FIND, `count` of them over one association; each is answered with so many studies."""
    studies = random.Random(21).sample(bench.corpora.query_studies(), min(count, bench.corpora.scaled(4000)))
    folder = bench.folder / f"find-{keyword}"
    folder.mkdir(exist_ok=True)
    queries = [write_query(folder / f"{n}.dcm", **{keyword: key(one)}) for n, one in enumerate(studies)]
    sides = bench.available(["pacsd", "orthanc"])
    for side in sides:
        server = archive(bench, side)
        _, found = seconds_each(
            server.dicom_port, STUDY_ROOT_FIND, [dcmread(one) for one in queries], called=server.ae_title
        )
        if found != matches * len(queries):
            raise RuntimeError(f"{side} finds {found} studies by {keyword}, not {matches * len(queries)}")
    return alternate(
        bench, sides, lambda side: timed(findscu(archive(bench, side), queries)) / len(queries)
    )


def qido(bench: Bench, key: Callable[[Study], dict[str, str]], count: int, *, matches: int = 1) -> Samples:
    """Answers per second on eight keep-alive connections."""
    studies = random.Random(22).sample(bench.corpora.query_studies(), min(count, bench.corpora.scaled(4000)))
    paths = [f"/dicom-web/studies?{urlencode(key(one))}" for one in studies]

    def once(side: str) -> float:
        slower = side == "orthanc"
        asked = paths[: max(8, len(paths) // 8)] if slower else paths
        return measure(
            Job(archive(bench, side).http_port, asked, connections=8, accept=JSON, least_bytes=400 * matches)
        ).per_second

    return alternate(bench, bench.available(["pacsd", "orthanc"]), once)


ROWS = (
    Row(
        "find-id",
        "C-FIND by PatientID, 4,000 studies",
        "s",
        lambda b: find(b, "PatientID", lambda s: s.patient_id, 200, matches=1),
    ),
    Row(
        "find-date",
        f"C-FIND by StudyDate ({STUDIES_PER_DATE} results)",
        "s",
        lambda b: find(b, "StudyDate", lambda s: s.study_date, 20, matches=STUDIES_PER_DATE),
    ),
    Row(
        "qido-id",
        "QIDO by PatientID, 4,000 studies, 8 connections",
        "1/s",
        lambda b: qido(b, lambda s: {"PatientID": s.patient_id}, 4000),
        higher_is_better=True,
        targets=(("orthanc", 8.0),),
    ),
    Row(
        "qido-date",
        f"QIDO by StudyDate ({STUDIES_PER_DATE} results), 8 connections",
        "1/s",
        lambda b: qido(b, lambda s: {"StudyDate": s.study_date}, 1000, matches=STUDIES_PER_DATE),
        higher_is_better=True,
        targets=(("orthanc", 15.0),),
    ),
)
