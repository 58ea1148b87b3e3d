"""C-GET, C-MOVE and WADO-RS out of a loaded archive."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.request import Request, urlopen

from tests.bench.archives import archive
from tests.bench.dcmtk import getscu, movescu, timed
from tests.bench.load import Job, measure
from tests.bench.measures import Bench, Row, Samples, alternate
from tests.bench.peers import Server, static_files, storescp
from tests.bench.rows.query import JSON
from tests.synthetic import Study

BOTH = ("pacsd", "orthanc")
FRAME = 512 * 512 * 2
OCTETS = 'multipart/related; type="application/octet-stream"'
DICOM = 'multipart/related; type="application/dicom"'


def get_series(bench: Bench) -> Samples:
    """C-GET of 500 slices, thrown away by getscu."""
    turn = random.Random(31)

    def once(side: str) -> float:
        of = turn.choice(bench.corpora.series_studies())
        return timed(getscu(archive(bench, side), of.study_instance_uid))

    return alternate(bench, bench.available(BOTH), once)


def move_series(bench: Bench) -> Samples:
    """C-MOVE of 500 slices to a DCMTK storescp that throws them away."""
    turn = random.Random(32)

    def once(side: str) -> float:
        server, of = archive(bench, side), turn.choice(bench.corpora.series_studies())
        with storescp(bench.folder / f"sink-{side}", port=server.move_port, keep=False):
            return timed(movescu(server, of.study_instance_uid))

    return alternate(bench, bench.available(BOTH), once)


def series_path(of: Study) -> str:
    """The URL path of the series of that study."""
    return f"/dicom-web/studies/{of.study_instance_uid}/series/{of.series_instance_uid(1)}"


def fetched(server: Server, path: str, accept: str) -> bytes:
    """The body of one answer."""
    with urlopen(
        Request(f"http://127.0.0.1:{server.http_port}{path}", headers={"Accept": accept}), timeout=120
    ) as answer:
        return bytes(answer.read())


def metadata(bench: Bench, studies: Sequence[Study]) -> Samples:
    """Seconds for the metadata of one of several series; `static` serves the same bytes from files."""
    sides = [*bench.available(BOTH), "static"]
    numbers = range(len(studies))
    paths = [f"{series_path(one)}/metadata" for one in studies]
    floor = Path(tempfile.mkdtemp(prefix="static-", dir=bench.folder))
    for number in numbers:
        answer = fetched(archive(bench, sides[0]), paths[number], JSON)
        if sides[0] == "pacsd" and answer.count(b"Corrected^Name") != bench.corpora.scaled(500):
            raise RuntimeError("the overlay is not in the metadata")
        (floor / f"{number}").write_bytes(answer)
    size = (floor / "0").stat().st_size
    bench.note(
        f"metadata of {studies[0].study_instance_uid[-6:]}: {size / 1e6:.2f} MB as {sides[0]} gives it"
    )
    turn = random.Random(33)
    with static_files(floor) as static:

        def once(side: str) -> float:
            asked = [turn.choice(numbers) for _ in range(4 if side == "orthanc" else 40)]
            if side == "static":
                return measure(Job(static.http_port, [f"/{n}" for n in asked], connections=1)).p50_s
            port = archive(bench, side).http_port
            job = Job(port, [paths[n] for n in asked], connections=1, accept=JSON, least_bytes=size // 2)
            return measure(job).p50_s

        return alternate(bench, sides, once)


def frames(bench: Bench) -> Samples:
    """Frames of 525 KB a second, eight connections, any instance of any of the series."""
    sides = [*bench.available(BOTH), "static"]
    turn, count = random.Random(34), bench.corpora.scaled(500)
    chosen = [
        (turn.randrange(len(bench.corpora.series_studies())), turn.randint(1, count))
        for _ in range(bench.corpora.scaled(3000))
    ]
    studies = bench.corpora.series_studies()
    paths = [
        f"{series_path(studies[n])}/instances/{studies[n].sop_instance_uid(1, i)}/frames/1" for n, i in chosen
    ]
    floor = bench.folder / "static-frames"
    floor.mkdir(exist_ok=True)
    for number in range(200):
        (floor / f"{number}").write_bytes(bytes([number]) * 512 * 512 * 2)
    with static_files(floor) as static:

        def once(side: str) -> float:
            if side == "static":
                return measure(
                    Job(static.http_port, [f"/{n % 200}" for n in range(len(paths))], least_bytes=FRAME)
                ).per_second
            return measure(
                Job(archive(bench, side).http_port, paths, accept=OCTETS, least_bytes=FRAME)
            ).per_second

        return alternate(bench, sides, once)


def rendered(bench: Bench) -> Samples:
    """JPEG pictures a second of 512 × 512 slices, eight connections, any instance of any of the series."""
    turn, count = random.Random(36), bench.corpora.scaled(500)
    studies = bench.corpora.series_studies()
    chosen = [(turn.choice(studies), turn.randint(1, count)) for _ in range(bench.corpora.scaled(1500))]
    paths = [f"{series_path(of)}/instances/{of.sop_instance_uid(1, n)}/rendered" for of, n in chosen]

    def once(side: str) -> float:
        job = Job(archive(bench, side).http_port, paths, accept="image/jpeg", least_bytes=10_000)
        return measure(job).per_second

    return alternate(bench, bench.available(BOTH), once)


def thumbnails(bench: Bench) -> Samples:
    """Small JPEG pictures a second, eight connections, any instance of any of the series.

    Orthanc's plug-in has no /thumbnail; the same picture is its /rendered with a viewport.
    """
    turn, count = random.Random(37), bench.corpora.scaled(500)
    studies = bench.corpora.series_studies()
    chosen = [(turn.choice(studies), turn.randint(1, count)) for _ in range(bench.corpora.scaled(1500))]
    asked = {"pacsd": "thumbnail", "orthanc": "rendered?viewport=128,128"}

    def once(side: str) -> float:
        paths = [
            f"{series_path(of)}/instances/{of.sop_instance_uid(1, n)}/{asked[side]}" for of, n in chosen
        ]
        job = Job(archive(bench, side).http_port, paths, accept="image/jpeg", least_bytes=1_000)
        return measure(job).per_second

    return alternate(bench, bench.available(BOTH), once)


def whole_study(bench: Bench) -> Samples:
    """Seconds for all 500 Part 10 files of a study in one answer."""
    turn, whole = random.Random(35), bench.corpora.scaled(500) * FRAME

    def once(side: str) -> float:
        of = turn.choice(bench.corpora.series_studies())
        path = f"/dicom-web/studies/{of.study_instance_uid}"
        return measure(
            Job(archive(bench, side).http_port, [path], connections=1, accept=DICOM, least_bytes=whole)
        ).elapsed_s

    return alternate(bench, bench.available(BOTH), once)


ROWS = (
    Row("get", "C-GET of a 500-slice study", "s", get_series),
    Row("move", "C-MOVE of a 500-slice study to storescp", "s", move_series),
    Row(
        "metadata",
        "WADO-RS metadata of a 500-slice series",
        "s",
        lambda bench: metadata(bench, bench.corpora.series_studies()),
        sides=(*BOTH, "static"),
        targets=(("orthanc", 40.0), ("static", 0.5)),
    ),
    Row(
        "metadata-rich",
        "WADO-RS metadata, 500 slices with 120 elements each",
        "s",
        lambda bench: metadata(bench, bench.corpora.rich_studies()),
        sides=(*BOTH, "static"),
        targets=(("static", 0.5),),
    ),
    Row(
        "frames",
        "WADO-RS frame (525 KB), 8 connections",
        "1/s",
        frames,
        higher_is_better=True,
        sides=(*BOTH, "static"),
        targets=(("orthanc", 2.0),),
    ),
    Row(
        "rendered",
        "WADO-RS rendered slice (JPEG), 8 connections",
        "1/s",
        rendered,
        higher_is_better=True,
        targets=(("orthanc", 3.0),),
    ),
    Row(
        "thumbnails",
        "WADO-RS thumbnail of a slice (128 x 128 JPEG), 8 connections",
        "1/s",
        thumbnails,
        higher_is_better=True,
    ),
    Row("study", "WADO-RS whole study, 262 MB", "s", whole_study, targets=(("orthanc", 1.0),)),
)
