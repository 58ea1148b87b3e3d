"""`pacsd import DIR`: files into the archive as if they had been received, several at once, resumable.

What was brought in is noted in the data directory, so that a second run of the same folder goes on where the
first one ended; without the note the archive itself finds the duplicates.
"""

import argparse
import hashlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from config.settings import Settings
from pacsd.access.directory import Peer
from pacsd.commands.progress import Bar, progress_bar
from pacsd.commands.wiring import Ingest, Wiring
from pacsd.faults import Fault, PacsdError

CHUNK_BYTES = 1 << 20
AT_ONCE = 4  # they share the waits for the disk and the index
DIRECTORY_FILE = "DICOMDIR"  # PS3.10 8.6: names the files of a medium, holds no image


@dataclass(frozen=True)
class Imported:
    """What became of one file; `reason` where it was refused."""

    file: Path
    outcome: str
    reason: str = ""


def import_files(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """Import every file below the folder; 3 when some were refused, each with its reason."""
    folder: Path = options.folder.resolve()
    code = options.organisation or settings.organisations[0].code
    if code not in [one.code for one in settings.organisations]:
        raise PacsdError(Fault.NOT_FOUND, f"there is no organisation {code}")
    # what the archive says of conflicts is told here with the name of the file
    logging.getLogger("pacsd.archive").setLevel(logging.ERROR)
    with wiring.archive(settings, alone=False) as archive, Notes(settings.data_dir, folder, code) as notes:
        peer = archive.directory.member(code)
        with progress_bar("imported") as bar:
            counts = _import_all(folder, notes, archive.ingest, peer, bar, again=options.again)
    print(", ".join(f"{counts[word]} {word}" for word in ("stored", "duplicate", "refused", "skipped")))
    return 3 if counts["refused"] else 0


class Notes:
    """Which files of a folder were brought in for an organisation, by size and time of last change."""

    def __init__(self, data: Path, folder: Path, organisation: str) -> None:
        name = hashlib.sha256(f"{organisation}\n{folder}".encode()).hexdigest()[:24]
        self._file = data / "imports" / name
        self._known: set[str] = set()
        self._out: TextIO | None = None

    def __enter__(self) -> "Notes":
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._file.exists():
            self._known = set(self._file.read_text(errors="surrogateescape").split("\0"))
        self._out = self._file.open("a", errors="surrogateescape")
        return self

    def __exit__(self, *_: object) -> None:
        if self._out is not None:
            self._out.close()

    def has(self, file: Path) -> bool:
        """Whether this very file was brought in before."""
        return self._entry(file) in self._known

    def add(self, file: Path) -> None:
        """It is in."""
        if self._out is not None:
            self._out.write(self._entry(file) + "\0")
            self._out.flush()

    def _entry(self, file: Path) -> str:
        status = file.stat()
        return f"{status.st_size} {status.st_mtime_ns} {file}"


def _import_all(folder: Path, notes: Notes, ingest: Ingest, peer: Peer, bar: Bar, *, again: bool) -> Counter[str]:
    """Import what is not noted yet. After a failure nothing new is begun, what runs is noted, then it is raised."""
    counts: Counter[str] = Counter()
    files = list(_files(folder))
    todo = [file for file in files if again or not notes.has(file)]
    counts["skipped"] = len(files) - len(todo)
    failures: list[PacsdError] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for future in _as_they_end(pool, todo, lambda file: import_one(ingest, peer, file), lambda: not failures):
            try:
                _note(future.result(), notes, bar, counts)
            except PacsdError as error:
                failures.append(error)
            bar.show(counts.total(), len(files))
    if failures:
        raise failures[0]
    return counts


def _as_they_end(
    pool: ThreadPoolExecutor,
    files: Sequence[Path],
    work: Callable[[Path], Imported],
    go_on: Callable[[], bool],
) -> Iterator[Future[Imported]]:
    """Ended pieces of work, of which only a few wait in line at any time."""
    todo, running = iter(files), set[Future[Imported]]()
    while True:
        room = 2 * AT_ONCE - len(running) if go_on() else 0
        running |= {pool.submit(work, file) for file in islice(todo, room)}
        if not running:
            return
        ended, running = wait(running, return_when=FIRST_COMPLETED)
        yield from ended


def _note(imported: Imported, notes: Notes, bar: Bar, counts: Counter[str]) -> None:
    counts[imported.outcome] += 1
    if imported.reason:
        bar.line(f"{imported.outcome} {imported.file}: {imported.reason}")
    else:
        notes.add(imported.file)


def import_one(ingest: Ingest, peer: Peer, file: Path) -> Imported:
    """Bring in one file. Raises PacsdError when going on makes no sense: no room, or no index."""
    reception = ingest.receive_part10(peer)
    try:
        with file.open("rb") as source:
            while chunk := source.read(CHUNK_BYTES):
                reception.write(chunk)
        accepted = reception.commit()
    except OSError as error:
        reception.abort()
        return Imported(file, "refused", f"cannot be read: {error.strerror}")
    except PacsdError as error:
        reception.abort()
        if error.fault in (Fault.FULL, Fault.UNAVAILABLE):
            raise
        return Imported(file, "refused", f"{error.fault.value}: {error.message}")
    return Imported(file, str(accepted.outcome.value))


def _files(folder: Path) -> Iterator[Path]:
    """Every file below, in the order of names; a DICOMDIR is not one of the objects it lists."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.upper() != DIRECTORY_FILE:
                yield Path(parent, name)
