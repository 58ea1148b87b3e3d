"""Syslog as ITI-20 has it: RFC 5424 messages in the octet-counted frames of RFC 5425."""

import re
from datetime import UTC, datetime

PRIORITY = 10 * 8 + 5                    # facility 10 security/authorization, severity 5 notice (ITI TF-2 3.20.4.1.2.1)
MSG_ID = "IHE+RFC-3881"                  # ITI TF-2 3.20.4.1.2.1
_BOM = b"\xef\xbb\xbf"
_PRINTABLE = re.compile(r"[^!-~]")


def syslog_message(body: bytes, *, at: datetime, host: str, application: str, process: str = "-") -> bytes:
    """One message (RFC 5424 6); names without what is not printable US-ASCII, as long as they may be."""
    time = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    head = f"<{PRIORITY}>1 {time} {_name(host, 255)} {_name(application, 48)} {_name(process, 128)} {MSG_ID} - "
    return head.encode("ascii") + _BOM + body


def frame(message: bytes) -> bytes:
    """A message with its length before it (RFC 5425 4.3)."""
    return b"%d %b" % (len(message), message)


def _name(text: str, most: int) -> str:
    return _PRINTABLE.sub("", text)[:most] or "-"
