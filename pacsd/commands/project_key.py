"""The key of a project's pseudonyms, in a file that nobody but us reads."""

import os
import re
import secrets
from pathlib import Path

from pacsd.deidentify import Project
from pacsd.faults import Fault, PacsdError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_KEY_BYTES = 32


def project(folder: Path, name: str) -> Project:
    """The project of that name; its key is made at its first use, and must be kept: without it nothing links.

    Raises PacsdError INVALID for a name that is none or a key file that holds no key, UNAVAILABLE.
    """
    if not _NAME.fullmatch(name):
        raise PacsdError(Fault.INVALID, "a project's name is letters, digits, - and _, at most 64")
    try:
        return Project(name, _key(folder / f"{name}.key"))
    except OSError as error:
        raise PacsdError(Fault.UNAVAILABLE, f"the key of project {name}: {error.strerror}") from error
    except ValueError as error:
        raise PacsdError(Fault.INVALID, f"the key file of project {name} holds no key") from error


def _key(file: Path) -> bytes:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = file.with_name(f".{file.name}.{os.getpid()}")
    if not file.exists():
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(secrets.token_hex(_KEY_BYTES) + "\n")
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(made, file)          # of two that begin at once the first one's counts
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return bytes.fromhex(file.read_text("ascii").strip())
