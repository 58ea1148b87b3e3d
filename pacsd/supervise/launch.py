"""Runs one program as another user, tied to the life of its parent; executed as a script, imports nothing of ours.

    python -I -S launch.py PARENT_PID SIGNAL UID GID REACH_COUNT REACH... PROGRAM ARGUMENT...

PostgreSQL refuses to run as root. Its data directory or its binaries may stand below a folder that only root may enter
(/root, a private data directory). Rather than opening such folders to everybody, the child keeps one capability,
CAP_DAC_READ_SEARCH, and only when it must.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522
# setuid() keeps the capability sets, and access(2) honours them (it drops them for a non-root user otherwise)
SECBIT_NO_SETUID_FIXUP = 1 << 2

EXIT_UNREACHABLE = 77
EXIT_NOT_PERMITTED = 78


class CapabilityHeader(ctypes.Structure):
    """struct __user_cap_header_struct of capset(2)."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class CapabilityData(ctypes.Structure):
    """struct __user_cap_data_struct of capset(2)."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def prctl(option: int, *arguments: int) -> None:
    """prctl(2). Raises OSError."""
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, *padded) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def end_with_parent(parent: int, death_signal: int) -> None:
    """Have the kernel send `death_signal` when the parent ends; ends at once if it already has."""
    if sys.platform == "linux":
        prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def unreachable(paths: list[str]) -> list[str]:
    """Those of `paths` that the effective user cannot enter (a folder) or run (a program)."""
    return [path for path in paths if not os.access(path, os.X_OK, effective_ids=True)]


def is_unreachable_as(uid: int, gid: int, paths: list[str]) -> bool:
    """Whether `paths` are closed to that user, asked of the kernel itself (so that ACLs count)."""
    os.setegid(gid)
    os.seteuid(uid)
    try:
        return bool(unreachable(paths))
    finally:
        os.seteuid(0)
        os.setegid(0)


def become(uid: int, gid: int) -> None:
    """Change to that user for good."""
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def become_with_search(uid: int, gid: int) -> None:
    """Change to that user, keeping CAP_DAC_READ_SEARCH through the exec that follows."""
    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    become(uid, gid)
    mask = 1 << CAP_DAC_READ_SEARCH
    header = CapabilityHeader(CAPABILITY_VERSION_3, 0)
    data = (CapabilityData * 2)(CapabilityData(mask, mask, mask), CapabilityData(0, 0, 0))
    if ctypes.CDLL(None, use_errno=True).capset(ctypes.byref(header), data) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH)


def drop(uid: int, gid: int, reach: list[str]) -> None:
    """From root to that user, with no more than is needed to reach `reach`."""
    os.setgroups([])
    try:
        if is_unreachable_as(uid, gid, reach):
            become_with_search(uid, gid)
        else:
            become(uid, gid)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    except OSError as error:
        print(f"cannot become user {uid}, group {gid}: {error.strerror}", file=sys.stderr)
        sys.exit(EXIT_NOT_PERMITTED)


def main(arguments: list[str]) -> None:
    """Drop, tie to the parent, and become the program."""
    parent, death_signal, uid, gid, reach_count = (int(argument) for argument in arguments[:5])
    reach, program = arguments[5 : 5 + reach_count], arguments[5 + reach_count :]
    if os.geteuid() == 0 and uid != 0:
        drop(uid, gid, reach)
    closed = unreachable(reach)
    if closed:
        print(f"user {uid} may not reach {', '.join(closed)}", file=sys.stderr)
        sys.exit(EXIT_UNREACHABLE)
    end_with_parent(parent, death_signal)  # after the change of user, which clears it
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
