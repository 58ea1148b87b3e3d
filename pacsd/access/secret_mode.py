"""Files of secrets: what everybody on the machine may read is none."""

from pathlib import Path

from pacsd.faults import Fault, PacsdError

_OTHERS = 0o007


def refuse_open(file: Path) -> None:
    """Raises PacsdError INVALID for a file that others than its owner and group may use, or that is not there."""
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise PacsdError(Fault.INVALID, f"{file} cannot be read: {error.strerror}") from error
    if mode & _OTHERS:
        raise PacsdError(Fault.INVALID, f"{file} may be read by everybody on this machine: chmod 600")
