"""What the operating system says about a blob, in the product's own terms."""

import errno

from pacsd.faults import Fault, PacsdError

FAULTS = {
    errno.ENOSPC: Fault.FULL,
    errno.EDQUOT: Fault.FULL,
    errno.ENOENT: Fault.NOT_FOUND,
    errno.ENOTDIR: Fault.NOT_FOUND,
    errno.EISDIR: Fault.NOT_FOUND,
    errno.EEXIST: Fault.CONFLICT,
    errno.EFBIG: Fault.TOO_MUCH,
}
MESSAGES = {
    Fault.FULL: "no room left for blobs",
    Fault.NOT_FOUND: "no such blob",
    Fault.CONFLICT: "a blob of this name exists",
    Fault.TOO_MUCH: "larger than the file system takes",
    Fault.UNAVAILABLE: "the blob store does not answer as it should",
}


def translated(error: OSError, key: str) -> PacsdError:
    """The domain error for a failed system call; anything unknown (EIO, EROFS …) is UNAVAILABLE."""
    fault = FAULTS.get(error.errno or 0, Fault.UNAVAILABLE)
    return PacsdError(fault, f"{MESSAGES[fault]}: {key} ({errno.errorcode.get(error.errno or 0, 'unknown')})")
