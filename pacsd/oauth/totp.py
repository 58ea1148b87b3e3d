"""Time-based one-time passwords (RFC 6238), as authenticator apps make them: SHA-1, six digits, thirty seconds."""

import base64
import hmac
import secrets
import struct
from urllib.parse import quote

STEP_S = 30
DIGITS = 6
DRIFT = 1                                # steps that a clock may be off, either way (RFC 6238 6)
_SECRET_BYTES = 20                       # RFC 4226 4, R6


def new_secret() -> bytes:
    """160 random bits."""
    return secrets.token_bytes(_SECRET_BYTES)


def code(secret: bytes, step: int, *, digits: int = DIGITS) -> str:
    """The code of a time step (RFC 4226 5.3)."""
    mac = hmac.new(secret, struct.pack(">Q", step), "sha1").digest()
    offset = mac[-1] & 0x0F
    number = struct.unpack(">I", mac[offset : offset + 4])[0] & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_of(secret: bytes, shown: str, *, now: float) -> int | None:
    """The time step that a code is of, None where it is of none near now. All are compared, in the same time."""
    current = int(now // STEP_S)
    entered = "".join(shown.split()).encode("utf-8", "replace")
    found = None
    for step in range(current - DRIFT, current + DRIFT + 1):
        if hmac.compare_digest(code(secret, step).encode(), entered):
            found = step
    return found


def text(secret: bytes) -> str:
    """As people type it into an app."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, *, issuer: str, account: str) -> str:
    """As apps read it from a QR code (the Key URI Format that all of them know)."""
    label = quote(f"{issuer}:{account}", safe="")
    by = quote(issuer, safe="")
    return f"otpauth://totp/{label}?secret={text(secret)}&issuer={by}&digits={DIGITS}&period={STEP_S}"
