"""Base64 for URLs without padding (RFC 4648 5, RFC 7515 2)."""

import base64
import binascii
import re

from pacsd.faults import Fault, PacsdError

_LETTERS = re.compile(r"[A-Za-z0-9_-]*")


def encoded(content: bytes) -> str:
    """Bytes as text."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Text as bytes. Raises PacsdError MALFORMED, for padding and unknown letters too."""
    if not _LETTERS.fullmatch(text):
        raise PacsdError(Fault.MALFORMED, "not base64url")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise PacsdError(Fault.MALFORMED, "not base64url") from error
