"""DCMTK's programs against the server, and its storescp as the receiver that changes nothing."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pydicom

from tests.end_to_end.peers import Objects, media_storage_sop_instance_uid
from tests.end_to_end.samples import Sample, dataset_bytes

UNKNOWN_SYNTAXES = {                     # to storescp +xa (3.6.7)
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.8.1",
    "1.2.840.10008.1.2.4.53",
    "1.2.840.10008.1.2.4.55",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.201",
}


def takes(sample: Sample, data: bytes) -> bool:
    """Whether storescp takes the object: it aborts where a data set of odd length ends (PS3.8 E.2)."""
    return len(data) % 2 == 0 and sample.transfer_syntax_uid not in UNKNOWN_SYNTAXES


def attempt(
    program: str,
    port: int,
    *options: str,
    files: Sequence[Path] = (),
    called: str = "PACSD",
    calling: str = "DCMTK",
) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end, both streams together, whatever its exit status."""
    return subprocess.run(
        [program, "-aet", calling, "-aec", called, *options, "127.0.0.1", str(port), *map(str, files)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
        env={**os.environ, "TCP_NODELAY": "1"},          # DCMTK's own switch; two of its programs stall each other
    )


def run(program: str, port: int, *options: str, files: Sequence[Path] = (), **titles: str) -> str:
    """Run a program that must succeed: what it wrote."""
    done = attempt(program, port, *options, files=files, **titles)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def find(port: int, *keys: str, model: str = "-S", **titles: str) -> list[pydicom.Dataset]:
    """findscu: the matches, as it wrote them to files."""
    options = [word for key in keys for word in ("-k", key)]
    with tempfile.TemporaryDirectory() as folder:
        run("findscu", port, model, "-X", "-od", folder, *options, **titles)
        return [pydicom.dcmread(path, force=True) for path in sorted(Path(folder).iterdir())]


def get(port: int, study: str, *options: str, **titles: str) -> Objects:
    """getscu +B of a study: data sets as they came."""
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")
    with tempfile.TemporaryDirectory() as folder:
        run("getscu", port, "-S", "+B", "-od", folder, *options, *keys, **titles)
        return objects_in(Path(folder))


def objects_in(folder: Path) -> Objects:
    """Data sets of the Part 10 files of a folder."""
    files = [path.read_bytes() for path in folder.iterdir()]
    return {media_storage_sop_instance_uid(file): dataset_bytes(file) for file in files}


@contextmanager
def receiver(
    port: int, folder: Path, *, title: str = "STORESCP", taking: Sequence[str] = ("+xa", "-pm")
) -> Iterator[None]:
    """storescp, bit-preserving, writing to a folder; without a profile it takes every transfer syntax it knows."""
    command = ["storescp", "-aet", title, "+B", *taking, "-od", str(folder), str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "TCP_NODELAY": "1"})
        try:
            _wait_listening(port)
            yield
        finally:
            process.kill()
            process.wait()


def _wait_listening(port: int, *, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def write_profile(file: Path, pairs: Iterable[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
    """An association profile of exactly these classes and transfer syntaxes, and the option that names it."""
    syntaxes, contexts = ["[[TransferSyntaxes]]"], ["[[PresentationContexts]]", "[C]"]
    for number, (sop_class_uid, transfer_syntax_uids) in enumerate(pairs, 1):
        syntaxes.append(f"[T{number}]")
        syntaxes += [f"TransferSyntax{n} = {uid}" for n, uid in enumerate(transfer_syntax_uids, 1)]
        contexts.append(f"PresentationContext{number} = {sop_class_uid}\\T{number}")
    profiles = ["[[Profiles]]", "[P]", "PresentationContexts = C"]
    file.write_text("\n".join([*syntaxes, *contexts, *profiles]) + "\n")
    return "-xf", str(file), "P"
