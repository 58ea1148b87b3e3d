"""SIGKILL of every process at seeded moments of ingest, packing and merging, then a start and a judgement."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import dcmread

from tests.server import Server, remove_folder, scratch_folder
from tests.soak.judge import Shown, judge
from tests.soak.ledger import Ledger
from tests.soak.senders import Sender
from tests.synthetic import Study, rejection_note, small_object, study

LIFE = 12  # rounds on the same data directory: packs get late arrivals and are merged
STUDIES = 2
SENDERS = 2
OBJECTS = 90  # a sender and round
NOTES = 6  # the same, that reject some of them
TITLES = ("113001", "113037", "113038")
MOMENTS = ("ingest", "ingest", "packing", "packing", "later")

CONFIG = """
[storage]
quiet_s = 0.2
grace_s = 0.5
reserve_bytes = 1000000
"""


@dataclass(frozen=True, slots=True)
class Round:
    """One kill and what was found after it."""

    seed: int
    number: int
    moment: str
    killed_after_s: float
    sent: int
    acknowledged: int
    packs: int
    started_in_s: float
    shown: Shown


def rounds(seed: int, count: int) -> Iterator[Round]:
    """Run rounds one after the other; each is yielded when it has been judged. Raises BrokenPromise."""
    numbers = iter(range(count))
    while life := list(itertools.islice(numbers, LIFE)):
        folder = scratch_folder("pacsd-soak-")
        yield from _life(folder, seed, life)
        remove_folder(folder)  # kept when a promise was broken, to be looked at


def _life(folder: Path, seed: int, numbers: list[int]) -> Iterator[Round]:
    ledger, server = Ledger(), Server(folder / "data", config=CONFIG)
    studies = [study(seed, numbers[0] * STUDIES + one, modality="CT") for one in range(STUDIES)]
    server.start()
    try:
        for number in numbers:
            yield _round(server, folder, seed=seed, number=number, studies=studies, ledger=ledger)
    finally:
        server.kill()


def _round(
    server: Server, folder: Path, *, seed: int, number: int, studies: list[Study], ledger: Ledger
) -> Round:
    draw = random.Random(f"{seed}/{number}")
    moment, before, sent = draw.choice(MOMENTS), len(ledger.acknowledged), len(ledger.sent)
    senders = [
        Sender(server.dicom_port, _objects(folder, number, one, studies, draw), ledger)
        for one in range(SENDERS)
    ]
    packs, began = pack_files(server.data), time.monotonic()
    for sender in senders:
        sender.start()
    _wait_for(moment, senders, server.data, packs, draw)
    server.kill()
    killed = time.monotonic() - began
    for sender in senders:
        sender.join()
    restarting = time.monotonic()
    server.start()
    started = time.monotonic() - restarting
    shown = judge(server.base_url, [one.study_instance_uid for one in studies], ledger)
    return Round(
        seed=seed,
        number=number,
        moment=moment,
        killed_after_s=killed,
        sent=len(ledger.sent) - sent,
        acknowledged=len(ledger.acknowledged) - before,
        packs=len(pack_files(server.data)),
        started_in_s=started,
        shown=shown,
    )


def _wait_for(moment: str, senders: list[Sender], data: Path, packs: set[str], draw: random.Random) -> None:
    """Return at the moment of the kill: while objects come in, when a new pack appears, or later."""
    if moment == "ingest":
        time.sleep(draw.uniform(0.05, 0.8))
        return
    for sender in senders:
        sender.join(30)
    if moment == "later":
        time.sleep(draw.uniform(0.0, 2.5))
        return
    deadline = time.monotonic() + 4
    while pack_files(data) <= packs and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(draw.uniform(0.0, 0.06))


def pack_files(data: Path) -> set[str]:
    """Files of packs, finished or being written: all that is neither spool, journal nor PostgreSQL."""
    found: set[str] = set()
    for top in data.iterdir() if data.is_dir() else ():
        if top.is_dir() and not top.name.startswith(("postgres", "spool", "journal")):
            found.update(_files(top))
    return found


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if not {"spool", "journal"} & set(path.parts) and path.is_file():
            yield str(path)


def _objects(folder: Path, number: int, sender: int, studies: list[Study], draw: random.Random) -> list[Path]:
    """The files one sender sends in a round: both studies, two series in each, all sizes, new UIDs."""
    place = folder / f"sent-{number}-{sender}"
    place.mkdir()
    paths = []
    for turn in range(OBJECTS):
        size = draw.choice((900, 2_600, 40_000, 40_000, 300_000))
        instance = (number * SENDERS + sender) * OBJECTS + turn + 1
        data = small_object(
            draw.choice(studies), series=draw.randint(1, 2), instance=instance, size_bytes=size
        )
        path = place / f"{turn:04d}.dcm"
        path.write_bytes(data)
        paths.append(path)
    return _with_notes(paths, (number * SENDERS + sender) * OBJECTS, draw)


def _with_notes(paths: list[Path], first: int, draw: random.Random) -> list[Path]:
    """Among them rejection notes of some of them, sent before, between or after what they name."""
    notes: list[tuple[int, Path]] = []
    for number in range(NOTES):
        named = [_names(path) for path in draw.sample(paths, draw.randint(1, 4))]
        of = study(0, modality="CT", patient_id=named[0][3])
        note = rejection_note(
            replace(of, study_instance_uid=named[0][0]), [one[:3] for one in named], code=draw.choice(TITLES),
            instance=first + number,
        )  # fmt: skip
        path = paths[0].parent / f"note-{number}.dcm"
        path.write_bytes(note)
        notes.append((draw.randint(0, len(paths)), path))
    for place, path in sorted(notes, reverse=True):
        paths.insert(place, path)
    return paths


def _names(path: Path) -> tuple[str, str, str, str]:
    tags = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID"]
    one = dcmread(path, specific_tags=tags, stop_before_pixels=True)
    return str(one.StudyInstanceUID), str(one.SeriesInstanceUID), str(one.SOPInstanceUID), str(one.PatientID)
