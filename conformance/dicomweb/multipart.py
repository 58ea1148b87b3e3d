"""multipart/related both ways (RFC 2046 5.1, RFC 2387, PS3.18 8.6.1.2)."""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message

from conformance.judging import Failed


@dataclass(frozen=True, slots=True)
class Part:
    """A body with its media type."""

    body: bytes
    content_type: str = "application/dicom"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        """Type and subtype, in lower case."""
        return media_type(self.content_type)

    @property
    def transfer_syntax(self) -> str | None:
        """The transfer-syntax parameter (PS3.18 8.7.3.5.2)."""
        return parameter(self.content_type, "transfer-syntax")


def encoded(parts: Iterable[Part], *, root: str | None = None) -> tuple[str, bytes]:
    """The Content-Type and the body of a multipart/related message; `root` is its type parameter."""
    parts = list(parts)
    boundary = f"conformance-{secrets.token_hex(12)}"
    body = b"".join(b"--%b\r\n%b\r\n%b\r\n" % (boundary.encode(), _head(part), part.body) for part in parts)
    kind = root or parts[0].media_type
    return f'multipart/related; type="{kind}"; boundary={boundary}', body + f"--{boundary}--\r\n".encode()


def decoded(content_type: str, body: bytes) -> list[Part]:
    """The parts of a multipart answer. Raises Failed where it is not one."""
    boundary = parameter(content_type, "boundary")
    if media_type(content_type) != "multipart/related" or not boundary:
        raise Failed(f"expected multipart/related with a boundary, got Content-Type {content_type!r}")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise Failed("expected a multipart body that ends with its closing boundary, got one without")
    return [_part(piece) for piece in pieces[1:-1]]


def media_type(content_type: str) -> str:
    """Type and subtype of a Content-Type, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def parameter(content_type: str, name: str) -> str | None:
    """A parameter of a media type, without quotation marks."""
    head = Message()
    head["Content-Type"] = content_type
    value = head.get_param(name)
    return value if isinstance(value, str) else None


def _head(part: Part) -> bytes:
    headers = {"Content-Type": part.content_type, **part.headers}
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()


def _part(piece: bytes) -> Part:
    # what stands behind the boundary on its line is padding (RFC 2046 5.1.1)
    after_line = piece[piece.find(b"\r\n") + 2 :]
    head, found, body = after_line.partition(b"\r\n\r\n")
    if not found and not after_line.startswith(b"\r\n"):
        raise Failed("expected an empty line between the header and the body of a part, got none")
    headers = dict(re.findall(r"(?m)^([^:\r\n]+):[ \t]*(.*?)\r?$", head.decode("latin-1")))
    by_name = {name.lower(): value for name, value in headers.items()}
    return Part(body, by_name.get("content-type", ""), by_name)
