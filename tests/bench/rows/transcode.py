"""Frames in another transfer syntax than they came in, and what a second copy in HTJ2K costs on the disk."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pydicom

from pacsd.codec.part10 import build_meta, read_meta
from pacsd.codec.transcode import transcoded
from tests.bench.load import Job, measure
from tests.bench.measures import Bench, Row, Samples, alternate
from tests.bench.peers import ORTHANC_GDCM, Server, orthanc, pacsd_toml, served
from tests.bench.processes import free_port
from tests.bench.rows.retrieve import fetched
from tests.synthetic import lean_slice, study

EXPLICIT, J2K, HTJ2K = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.202"
SEEDS = {EXPLICIT: 51, J2K: 52, HTJ2K: 53}
SLICES = 60
TO_EXPLICIT = f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}'
TO_HTJ2K = f'multipart/related; type="image/jphc"; transfer-syntax={HTJ2K}'
SIDES = ("pacsd", "pacsd-htj2k", "orthanc")          # with [[htj2k]], a copy is kept beside
THIN = "pacsd-htj2k-only"                            # or alone
DISK_SIDES = ("pacsd", "pacsd-htj2k", THIN, "orthanc")
RULES = {"pacsd-htj2k": "\n[[htj2k]]\n", THIN: '\n[[htj2k]]\nkeep = "htj2k"\n'}
DATA = Path(os.environ.get("PACSD_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")) / "dicom"
SERIES = {"ct": "series_ct_phantom_28_slices", "mr": "study_mr_2series_with_ko"}
BOUNDARY = "pacsd-bench"


def recoded(file: bytes, target: str) -> bytes:
    """A Part 10 file in another transfer syntax."""
    meta = read_meta(file[: 1 << 16])
    body = file[meta.dataset_offset :]
    head = build_meta(
        sop_class_uid=meta.sop_class_uid, sop_instance_uid=meta.sop_instance_uid, transfer_syntax_uid=target
    ).data
    source = meta.transfer_syntax_uid
    return head + b"".join(transcoded([body], source=source, target=target, length_bytes=len(body)))


def slices(bench: Bench, syntax: str) -> Iterator[bytes]:
    """CT slices of 512 x 512, stored so."""
    of = study(SEEDS[syntax], 0, modality="CT")
    for number in range(1, bench.corpora.scaled(SLICES) + 1):
        file = lean_slice(of, instance=number)
        yield file if syntax == EXPLICIT else recoded(file, syntax)


def stow(server: Server, files: list[bytes]) -> None:
    """Store files in one request. Raises HTTPError."""
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(head + file + b"\r\n" for file in files) + f"--{BOUNDARY}--\r\n".encode()
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
    request = Request(f"http://127.0.0.1:{server.http_port}/dicom-web/studies", data=body, headers=headers)
    with urlopen(request, timeout=120) as answer:
        answer.read()


def opened(bench: Bench, side: str) -> Server:
    """A fresh server of that side, kept until the end of the run."""
    folder = Path(tempfile.mkdtemp(prefix=f"{side}-transcode-", dir=bench.folder))
    if side == "orthanc":
        if not ORTHANC_GDCM.exists():
            bench.note("Orthanc without its GDCM plug-in, which is not installed")
        return bench.stack.enter_context(orthanc(folder))
    config = pacsd_toml(move_port=free_port(), quiet_s=1.0) + RULES.get(side, "")
    return bench.stack.enter_context(served(folder, config=config))


def loaded(bench: Bench, side: str) -> Server:
    """A server with a series in each of the syntaxes; packed, and coded where that is configured."""
    name = f"{side} transcode"
    if name not in bench.loaded:
        server = bench.loaded[name] = opened(bench, side)
        for syntax in SEEDS:
            try:
                stow(server, list(slices(bench, syntax)))
            except (HTTPError, URLError) as error:
                bench.note(f"{side}: {syntax} is not stored: {error}")
        settled(server, side, packs=len(SEEDS), alternates=len(SEEDS) - 1, thin=1)       # HTJ2K is not coded again
    return bench.loaded[name]


def settled(server: Server, side: str, *, packs: int, alternates: int, thin: int) -> None:
    """Wait until as many packs and alternates are there, and so many packs are thin. Raises TimeoutError."""
    wanted = [("packs", "*.sidecar.gz", packs)] if side.startswith("pacsd") else []
    wanted += [("alternates", "*.sidecar.gz", alternates)] if side in RULES else []
    wanted += [("packs", "*.zip", packs - thin), ("packs", "*.thin", thin)] if side == THIN else []
    deadline = time.monotonic() + 120
    while any(len(list(blobs(server, name, pattern))) != count for name, pattern, count in wanted):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{side} has not packed and coded everything")
        time.sleep(0.5)


def blobs(server: Server, folder: str, pattern: str = "*.*") -> Iterator[Path]:
    """Blobs of ours below a folder."""
    return (path for path in (server.folder / "data" / "blobs" / folder).rglob(pattern) if path.is_file())


def rate(bench: Bench, stored: str, accept: str, sides: tuple[str, ...] = SIDES) -> Samples:
    """Frames a second, eight connections, each of another slice than the one before."""
    turn, of = random.Random(51), study(SEEDS[stored], 0, modality="CT")
    series = f"/dicom-web/studies/{of.study_instance_uid}/series/{of.series_instance_uid(1)}"
    paths = [
        f"{series}/instances/{of.sop_instance_uid(1, turn.randint(1, bench.corpora.scaled(SLICES)))}/frames/1"
        for _ in range(bench.corpora.scaled(1000))
    ]

    def once(side: str) -> float:
        return measure(Job(loaded(bench, side).http_port, paths, accept=accept, least_bytes=10_000)).per_second

    able = [side for side in present(bench, sides) if gives(bench, side, paths, accept)]
    return {side: [] for side in present(bench, sides)} | alternate(bench, able, once)


def present(bench: Bench, sides: tuple[str, ...] = SIDES) -> list[str]:
    """The sides that take part; ours takes part several times."""
    wanted = bench.available(("pacsd", "orthanc"))
    return [side for side in sides if side.partition("-")[0] in wanted]


def gives(bench: Bench, side: str, paths: list[str], accept: str) -> bool:
    """Whether that side gives such frames at all, and goes on doing so."""
    try:
        server = loaded(bench, side)
        body = fetched(server, paths[0], accept)
        measure(Job(server.http_port, paths[:40], accept=accept))
    except (HTTPError, URLError, RuntimeError, ConnectionError) as error:
        bench.note(f"{side}: not supported: {accept} ({type(error).__name__}: {str(error)[-60:].strip()})")
        bench.loaded.pop(f"{side} transcode", None)          # it may have ended: the next row begins anew
        return False
    wanted = b"image/jphc" if accept == TO_HTJ2K else b"application/octet-stream"
    if wanted not in body[:400] or (accept == TO_EXPLICIT and len(body) < 512 * 512 * 2):
        bench.note(f"{side}: not supported: {accept} (something else came)")
        return False
    return True


def disk(bench: Bench, kind: str) -> Samples:
    """Megabytes of a real series with everything that belongs to it, but for PostgreSQL."""
    files = [path.read_bytes() for path in sorted((DATA / SERIES[kind]).rglob("*")) if path.is_file()]
    images = [file for file in files if file[128:132] == b"DICM" and has_pixels(file)]
    if not images:
        raise FileNotFoundError(f"no test data in {DATA}")
    series = len({pydicom.dcmread(BytesIO(file)).SeriesInstanceUID for file in images})

    def once(side: str) -> float:
        server = opened(bench, side)
        stow(server, images)
        settled(server, side, packs=series, alternates=series, thin=series)
        if side == "orthanc":
            held = (server.folder / "data").rglob("*-*-*-*-*")
            return size(path for path in held if path.is_file())
        kept = {name: size(blobs(server, name)) for name in ("packs", "alternates")}
        if kept["alternates"]:
            sizes = ", ".join(f"{name} {megabytes:.2f} MB" for name, megabytes in kept.items())
            bench.note(f"{side} {kind.upper()}: {len(images)} images, {sum(map(len, images)) / 1e6:.2f} MB; {sizes}")
        return sum(kept.values())

    return {side: [once(side)] for side in present(bench, DISK_SIDES)}


def size(files: Iterator[Path]) -> float:
    """Megabytes of them all."""
    return sum(path.stat().st_size for path in files) / 1e6


def has_pixels(file: bytes) -> bool:
    """Whether it is an image."""
    return "PixelData" in pydicom.dcmread(BytesIO(file))


def _row(name: str, title: str, measured: Callable[[Bench], Samples], sides: tuple[str, ...] = SIDES) -> Row:
    return Row(name, title, "1/s", measured, higher_is_better=True, sides=sides)


ROWS = (
    _row("to-htj2k", "frames stored native, given in HTJ2K", lambda bench: rate(bench, EXPLICIT, TO_HTJ2K)),
    _row("from-htj2k", "frames stored in HTJ2K, given native", lambda bench: rate(bench, HTJ2K, TO_EXPLICIT)),
    _row("from-j2k", "frames stored in JPEG 2000, given native", lambda bench: rate(bench, J2K, TO_EXPLICIT)),
    _row(
        "from-thin", "frames stored native, given native, of the original or of its copy alone",
        lambda bench: rate(bench, EXPLICIT, TO_EXPLICIT, ("pacsd", THIN)), ("pacsd", THIN),
    ),
    Row("disk-ct", "a CT series on disk", "MB", lambda bench: disk(bench, "ct"), sides=DISK_SIDES),
    Row("disk-mr", "an MR study on disk", "MB", lambda bench: disk(bench, "mr"), sides=DISK_SIDES),
)
