"""The file with the secret that everything is sealed with; one for all machines of an installation."""

import os
import tempfile
from pathlib import Path

from pacsd.access.secrets import secret_text
from pacsd.oauth.sealing import decoded_secret, new_secret

NAME = "oauth-secret"


def read_secret(named: Path | None, data_dir: Path) -> bytes:
    """The secret of the named file; without one that of the data directory, which is made when it is not there.

    Raises PacsdError INVALID for a file that cannot be read, is no secret, or that others may read.
    """
    file = named or data_dir / NAME
    if named is None and not file.exists():
        _make(file)
    return decoded_secret(secret_text(file))


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
