"""The kernel's view of durability: file and folder are synced before every C-STORE success leaves."""

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
CALLS = "openat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,syncfs,send,sendto,sendmsg,close"
CALL = re.compile(r"^(\d+) +(\w+)\((.*?)\) += +(-?\d+)(?:<(.*)>)?")
DESCRIPTOR = re.compile(r"^(\d+)<(.*?)>(?:,|$)")


@dataclass(slots=True)
class Spooled:
    """What happened to one spool file, by line of the trace."""

    path: str
    opened: int
    written: int = -1
    synced: int = -1
    folder_synced: int = -1


@dataclass(slots=True)
class Trace:
    """Spool files and the answers sent to the peer, in the order the kernel saw them."""

    files: dict[str, Spooled] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)


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
        tmp_path, [small_object(study(43), instance=n, size_bytes=90_000) for n in range(1, OBJECTS + 1)]
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
    assert sum(one.written >= 0 for one in trace.files.values()) == OBJECTS     # others: names made ahead
    for number, answer in enumerate(trace.answers, 1):
        durable = [one for one in trace.files.values() if one.opened < one.written < one.synced < answer]
        assert len(durable) >= number, "a success left before its file was synced"
        assert all(one.opened < one.folder_synced < answer for one in durable[:number]), (
            "before its folder was synced"
        )


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
    """Keep what concerns spool files and P-DATA-TF PDUs sent on the DICOM port (PS3.8 9.3.5)."""
    trace = Trace()
    for number, (name, arguments, result) in enumerate(calls(log)):
        if name == "openat" and ".dcm" in arguments and "O_CREAT" in arguments:
            trace.files[result] = Spooled(path=result, opened=number)
            continue
        descriptor = DESCRIPTOR.match(arguments)
        if descriptor is None:
            continue
        note(trace, number, name, descriptor.group(2), arguments, port)
    return trace


def note(trace: Trace, number: int, name: str, target: str, arguments: str, port: int) -> None:
    """Enter one call on a descriptor whose file or connection is `target`."""
    if name in ("send", "sendto", "sendmsg", "write", "writev") and f":{port}->" in target:
        if '"\\x04\\x00' in arguments:
            trace.answers.append(number)
    elif "write" in name and target in trace.files:
        trace.files[target].written = number
    elif name in ("fsync", "fdatasync") and target in trace.files:
        trace.files[target].synced = number
    elif name in ("fsync", "syncfs"):
        for one in trace.files.values():
            if str(Path(one.path).parent) == target and one.folder_synced < 0:
                one.folder_synced = number


def calls(log: Path) -> Iterator[tuple[str, str, str]]:
    """(name, arguments, path of the returned descriptor) of finished calls.

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
            yield found.group(2), found.group(3).strip(), found.group(5) or ""


GOOD = r"""
7 openat(3</d/spool/x/b>, "1.dcm", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600 <unfinished ...>
8 write(1</dev/null>, ".", 1) = 1
7 <... openat resumed>) = 9</d/spool/x/b/1.dcm>
7 write(9</d/spool/x/b/1.dcm>, "x"..., 1000) = 1000
7 fdatasync(9</d/spool/x/b/1.dcm> <unfinished ...>
7 <... fdatasync resumed>) = 0
7 fsync(3</d/spool/x/b>) = 0
7 sendto(5<TCP:[127.0.0.1:104->127.0.0.1:9]>, "\x04\x00\x6f"..., 99, 0, NULL, 0) = 99
"""


def test_the_reader_of_traces_tells_a_late_sync_from_a_timely_one(tmp_path: Path) -> None:
    log, lines = tmp_path / "trace", GOOD.splitlines()
    log.write_text(GOOD)
    timely = read(log, 104)
    (one,) = timely.files.values()
    assert one.opened < one.written < one.synced < one.folder_synced < timely.answers[0]
    log.write_text("\n".join([*lines[:5], lines[8], *lines[5:8]]))
    late = read(log, 104)
    (one,) = late.files.values()
    assert late.answers[0] < one.synced < one.folder_synced
