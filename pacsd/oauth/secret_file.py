"""The file with the secret that everything is sealed with; one for all machines of an installation."""

import os
import tempfile
from pathlib import Path

from pacsd.access.secret_mode import refuse_open
from pacsd.faults import Fault, PacsdError
from pacsd.oauth.sealing import decoded_secret, new_secret

NAME = "oauth-secret"


def read_secret(named: Path | None, data_dir: Path) -> bytes:
    """The secret of the named file; without one that of the data directory, which is made when it is not there.

    Raises PacsdError INVALID for a file that cannot be read, is no secret, or that others may read.
    """
    file = named or data_dir / NAME
    if named is None and not file.exists():
        _make(file)
    refuse_open(file)
    try:
        return decoded_secret(file.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise PacsdError(Fault.INVALID, f"{file} cannot be read") from error


def read_client_secret(file: Path) -> str:
    """What another server is asked with. Raises PacsdError INVALID, as `read_secret`."""
    refuse_open(file)
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PacsdError(Fault.INVALID, f"{file} cannot be read") from error


def _make(file: Path) -> None:
    """Several processes may start at once: the first one's counts, and it is never seen half written."""
    descriptor, name = tempfile.mkstemp(prefix=f".{NAME}-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(new_secret())
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(name, file)
        except FileExistsError:
            return
    finally:
        os.unlink(name)
