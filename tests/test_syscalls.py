"""The kernel's view of durability: bytes and folder are synced before every C-STORE success leaves."""

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.clients import require
from tests.server import Server, remove_folder, scratch_folder
from tests.soak.ledger import Ledger
from tests.soak.senders import association_with, store
from tests.synthetic import small_object, study, write_folder

OBJECTS = 12
SIZES = (2_600, 90_000)          # written at once, and as they arrive
CALLS = "rename,renameat,renameat2,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,syncfs,send,sendto,sendmsg"
CALL = re.compile(r"^(\d+) +(\w+)\((.*?)\) += +(-?\d+)(?:<(.*)>)?")
DESCRIPTOR = re.compile(r"^(\d+)<(.*?)>(?:,|$)")


@dataclass(slots=True)
class Trace:
    """Segments and the answers sent to the peer, as the kernel saw them.

    Of each answer: how many writes to segments came since the one before, and what was still to be synced.
    """

    writes: int = 0
    unsynced: set[str] = field(default_factory=set)      # segments written since their last sync
    unnamed: set[str] = field(default_factory=set)       # segments named since their folder's last sync
    answers: list[tuple[int, frozenset[str]]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that does not pack meanwhile."""
    folder = scratch_folder()
    running = Server(folder / "data", config="[storage]\nquiet_s = 600\nreserve_bytes = 1000000\n")
    running.start()
    yield running
    running.kill()
    remove_folder(folder)


@pytest.mark.timeout(120)
def test_file_and_folder_are_synced_before_each_success_is_sent(server: Server, tmp_path: Path) -> None:
    require("strace")
    paths = write_folder(
        tmp_path, [small_object(study(43), instance=n, size_bytes=SIZES[n % 2]) for n in range(1, OBJECTS + 1)]
    )
    log = tmp_path / "trace"
    tracer = attach(server, log)
    ledger = Ledger()
    with association_with(server.dicom_port) as association:
        statuses = [store(association, path, ledger) for path in paths]
    tracer.terminate()
    tracer.wait(20)
    assert statuses == [0x0000] * OBJECTS
    trace = read(log, server.dicom_port)
    assert len(trace.answers) == OBJECTS
    for writes, open_ends in trace.answers:
        assert writes >= 1, "a success left before its object was written"
        assert not open_ends, "a success left before its object and the segment's name were synced"


def attach(server: Server, log: Path) -> "subprocess.Popen[bytes]":
    """strace on every process of the server but PostgreSQL, threads included; returns once it traces."""
    members = psutil.Process(server.pid).children(recursive=True)
    pids = [str(one.pid) for one in members if one.name() != "postgres"]
    selected = [word for pid in pids for word in ("-p", pid)]
    command = ["strace", "-f", "-yy", "-s", "32", "-x", "-e", f"trace={CALLS}", "-o", str(log), *selected]
    complaints = log.with_suffix(".err")
    with complaints.open("wb") as err:
        tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=err)
    deadline = time.monotonic() + 20
    while not all(traced(int(pid)) for pid in pids):
        if tracer.poll() is not None:
            pytest.skip(f"strace may not attach here: {complaints.read_text()[-200:]}")
        if time.monotonic() > deadline:
            pytest.fail("strace did not attach")
        time.sleep(0.02)
    return tracer


def traced(pid: int) -> bool:
    """Whether every thread of the process is under a tracer."""
    states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return all("TracerPid:\t0\n" not in state for state in states)


def read(log: Path, port: int) -> Trace:
    """Keep what concerns segments and P-DATA-TF PDUs sent on the DICOM port (PS3.8 9.3.5)."""
    trace = Trace()
    for name, arguments in calls(log):
        if name.startswith("rename"):
            target = arguments.rsplit('"', 2)[1]
            if "/spool/" in target:
                trace.unnamed.add(target)
            continue
        descriptor = DESCRIPTOR.match(arguments)
        if descriptor is not None:
            note(trace, name, descriptor.group(2), arguments, port)
    return trace


def note(trace: Trace, name: str, target: str, arguments: str, port: int) -> None:
    """Enter one call on a descriptor whose file or connection is `target`."""
    if name in ("send", "sendto", "sendmsg", "write", "writev") and f":{port}->" in target:
        if '"\\x04\\x00' in arguments:
            trace.answers.append((trace.writes, frozenset(trace.unsynced | trace.unnamed)))
            trace.writes = 0
    elif "write" in name and "/spool/" in target and target.endswith(".seg"):
        trace.writes += 1
        trace.unsynced.add(target)
    elif name in ("fsync", "fdatasync", "syncfs"):
        trace.unsynced.discard(target)
        trace.unnamed = {one for one in trace.unnamed if str(Path(one).parent) != target}


def calls(log: Path) -> Iterator[tuple[str, str]]:
    """Name and arguments of finished calls.

    A call another thread interrupted stands where it ended; a send stands where it began, the earliest it
    can have left.
    """
    begun: dict[str, str] = {}
    for line in log.read_text(errors="replace").splitlines():
        thread, _, rest = line.partition(" ")
        if rest.rstrip().endswith("<unfinished ...>"):
            begun[thread] = rest.strip().removesuffix("<unfinished ...>")
            if rest.lstrip().startswith("send"):
                line = f"{thread} {begun.pop(thread)}) = 0"
            else:
                continue
        elif "resumed>" in rest:
            if thread not in begun:
                continue
            line = f"{thread} {begun.pop(thread).rstrip()}{rest.partition('resumed>')[2]}"
        if found := CALL.match(line):
            yield found.group(2), found.group(3).strip()


GOOD = r"""
7 rename("/d/.ready/2.seg", "/d/spool/x/1.seg") = 0
7 fsync(3</d/spool/x>) = 0
7 pwrite64(9</d/spool/x/1.seg>, "x"..., 1000, 64 <unfinished ...>
8 write(1</dev/null>, ".", 1) = 1
7 <... pwrite64 resumed>) = 1000
7 fdatasync(9</d/spool/x/1.seg> <unfinished ...>
7 <... fdatasync resumed>) = 0
7 sendto(5<TCP:[127.0.0.1:104->127.0.0.1:9]>, "\x04\x00\x6f"..., 99, 0, NULL, 0) = 99
"""


def test_the_reader_of_traces_tells_a_late_sync_from_a_timely_one(tmp_path: Path) -> None:
    log, lines = tmp_path / "trace", GOOD.strip().splitlines()
    segment = "/d/spool/x/1.seg"
    for order, told in (
        (lines, (1, frozenset())),
        ([lines[0], *lines[2:]], (1, {segment})),                    # its name was not synced
        ([*lines[:5], lines[7]], (1, {segment})),                    # nor its bytes
        ([*lines[:2], *lines[5:]], (0, frozenset())),                # nothing was written
    ):
        log.write_text("\n".join(order))
        assert read(log, 104).answers == [told]
