"""Copies of files that only grow, as the records of accesses are: what is new of each is appended to its copy.

Only whole lines are copied, up to where a file ended when its turn came; the rest is the next copy's. Nothing is ever
taken away from a copy: where the file says something else, one of the two was changed, and people have to look.
"""

from collections.abc import Iterator

from pacsd.blobs.append_log import AppendFolder
from pacsd.faults import Fault, PacsdError

CHUNK_BYTES = 4 << 20
_COMPARED_BYTES = 1 << 16                # of the end of a copy; each line holds the hash of all before it


def copy_records(source: AppendFolder, target: AppendFolder) -> Iterator[tuple[str, str]]:
    """Copy every file; the name of each that could not be, and why. Raises PacsdError FULL for the target."""
    there = set(target.names())
    for name in source.names():
        try:
            if (problem := _copy(source, target, name, name in there)) is not None:
                yield name, problem
        except PacsdError as error:
            if error.fault is Fault.FULL:
                raise
            yield name, error.message


def _copy(source: AppendFolder, target: AppendFolder, name: str, begun: bool) -> str | None:
    """What is wrong, or None once the copy has every whole line."""
    end, at = source.size(name), target.size(name) if begun else 0
    if at > end:
        return f"its copy is longer: {at} bytes, and it has {end}"
    since = max(0, at - _COMPARED_BYTES)
    if begun and source.read(name, since, at - since) != target.read(name, since, at - since):
        return "its copy says something else"
    if at < end:
        _append(source, target, name, at, end)
    return None


def _append(source: AppendFolder, target: AppendFolder, name: str, at: int, end: int) -> None:
    file = target.further(name)
    held = b""                           # of a line that is not whole yet
    try:
        while at + len(held) < end:
            read = source.read(name, at + len(held), min(CHUNK_BYTES, end - at - len(held)))
            data, ahead, _ = read.partition(b"\0")      # there is where more is to be written
            whole, newline, held = (held + data).rpartition(b"\n")
            if newline:
                file.append(whole + newline)
                at += len(whole) + 1
            if ahead or not data:
                return
    finally:
        file.close()
