"""An archive in memory, as the web edge sees one."""

import asyncio
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.parser import BytesParser
from email.policy import compat32
from typing import Any

import httpx

from pacsd.access.directory import Peer
from pacsd.access.scope import Scope
from pacsd.archive.batch import OneByOne
from pacsd.archive.search import Query
from pacsd.faults import Fault, PacsdError
from pacsd.web.addresses import Addresses
from pacsd.web.app import create_app
from pacsd.web.services import Services, WebLimits

SCOPE = Scope(organisations=(1,), own=1)
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_LS = "1.2.840.10008.1.2.4.80"


@dataclass(frozen=True)
class FakeMatch:
    number: int

    def members(self, retrieve_base: str, *, upper: bool) -> str:
        return f'"00080005":{{"vr":"CS","Value":["{self.number}"]}}' + (',"00100010":{"vr":"PN"}' if upper else "")


@dataclass(frozen=True)
class FakeCompiled:
    query: Query
    unsupported: tuple[str, ...]


@dataclass(frozen=True)
class FakeRef:
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    content: bytes
    overlay: dict[str, Any] = field(default_factory=dict)
    overlaid_at: datetime | None = None

    @property
    def digest(self) -> bytes:
        return self.content


@dataclass
class FakePart10:
    size_bytes: int | None
    pieces: Iterator[bytes]


@dataclass(frozen=True)
class FakeText:
    chunks: Sequence[bytes]

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.chunks))


@dataclass(frozen=True)
class FakeFrames:
    transfer_syntax_uid: str
    frames: Iterator[tuple[int, Iterator[bytes]]]
    digest: bytes = b"of the object"
    untouched: bool = False
    impossible: Sequence[str] = ()
    number: int = 1
    joined: bool = True

    def joins(self) -> bool:
        return self.joined

    def fits(self, transfer_syntax_uid: str) -> bool:
        return transfer_syntax_uid not in self.impossible

    def transcoded(self, transfer_syntax_uid: str) -> "FakeFrames":
        return replace(
            self, transfer_syntax_uid=transfer_syntax_uid, frames=self._transcoded(transfer_syntax_uid.encode())
        )

    def _transcoded(self, name: bytes) -> Iterator[tuple[int, Iterator[bytes]]]:
        try:
            for _, chunks in self.frames:
                content = name + b" of " + b"".join(chunks)
                if content.endswith(b"broken"):
                    raise PacsdError(Fault.MALFORMED, "a compressed frame cannot be decoded")
                yield len(content), iter((content,))
        finally:
            if isinstance(self.frames, Generator):
                self.frames.close()


@dataclass(frozen=True)
class FakeBulk:
    content: bytes
    media_type: str = "application/octet-stream"
    digest: bytes = b"of the object"

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        return self.content[offset_bytes : offset_bytes + length_bytes]


@dataclass(frozen=True)
class FakeRendition:
    ref: FakeRef
    media_type: str
    content: Iterator[bytes]
    frame: int | None = None
    warning: str = ""


@dataclass(frozen=True, eq=False)
class FakeRenderable:
    """Keeps what it was asked for, and fails with its fault when it is rendered."""

    number: int
    media_types: tuple[str, ...] = ("image/jpeg", "image/png", "image/gif")
    parts: int = 1
    fault: Fault | None = None
    warning: str = ""
    asked: list[Any] = field(default_factory=list)

    def render(self, media_type: str, parameters: Any) -> Iterator[FakeRendition]:
        self.asked.append(parameters)
        if self.fault is not None:
            raise PacsdError(self.fault, "it cannot be drawn")
        for part in range(self.parts):
            yield self._made(media_type, f"{self.number}.{part} as {media_type}")

    def thumbnail(self, media_type: str, parameters: Any) -> Iterator[FakeRendition]:
        return self.render(media_type, parameters)

    def frames(self, numbers: Sequence[int], media_type: str, parameters: Any) -> Iterator[FakeRendition]:
        self.asked.append(parameters)
        if max(numbers) > 3:
            raise PacsdError(Fault.NOT_FOUND, "the instance has 3 frames")
        return (self._made(media_type, f"frame {number} as {media_type}", number) for number in numbers)

    def _made(self, media_type: str, text: str, frame: int | None = None) -> FakeRendition:
        ref = FakeRef("1.2", "1.3", f"1.4.{self.number}", EXPLICIT, b"")
        return FakeRendition(ref, media_type, iter((text[:3].encode(), text[3:].encode())), frame, self.warning)


class FakeRendered:
    def __init__(self) -> None:
        self.found = [FakeRenderable(1)]

    def instances(self, scope: Scope, *uids: str) -> list[FakeRenderable]:
        return self.found

    def representatives(self, scope: Scope, *uids: str) -> list[FakeRenderable]:
        return self.found


@dataclass(frozen=True)
class FakeAccepted:
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str


@dataclass
class FakeReception:
    """Keeps what is written. A content that starts with the word of a fault fails with it."""

    kept: list[bytes]
    study: str | None
    content: bytearray = field(default_factory=bytearray)
    aborted: bool = False
    sop_class_uid: str = ""
    sop_instance_uid: str = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.content += data

    def commit(self) -> FakeAccepted:
        for fault in Fault:
            if self.content.startswith(fault.value.encode()):
                self.sop_instance_uid = "" if fault is Fault.MALFORMED else "1.2.3"
                raise PacsdError(fault, f"because it is {fault.value}")
        if self.content.startswith(b"defect"):
            raise ZeroDivisionError
        self.kept.append(bytes(self.content))
        number = len(self.kept)
        return FakeAccepted("1.2.840.10008.5.1.4.1.1.2", f"1.2.{number}", self.study or "1.1", "1.1.1")

    def abort(self) -> None:
        self.aborted = True


class FakeScratch:
    def __init__(self) -> None:
        self.content = bytearray()
        self.closed = False

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.content += data

    def read(self, offset_bytes: int, length_bytes: int) -> Iterator[bytes]:
        for at in range(offset_bytes, offset_bytes + length_bytes, 1000):
            yield bytes(self.content[at : min(at + 1000, offset_bytes + length_bytes)])

    def close(self) -> None:
        self.closed = True


class FakeArchive:
    """Everything in lists; tests change them."""

    def __init__(self) -> None:
        self.matches: list[FakeMatch] = []
        self.queries: list[Any] = []
        self.unsupported: tuple[str, ...] = ()
        self.search_fault: PacsdError | None = None
        self.refs: list[FakeRef] = [FakeRef("1.2", "1.3", "1.4", EXPLICIT, b"")]
        self.texts: Sequence[bytes] = (b"[", b'{"00100010":{"vr":"PN","Value":[{"Alphabetic":"A^B"}]}}', b"]")
        self.frame_syntax = EXPLICIT
        self.impossible: Sequence[str] = ()          # transfer syntaxes that nothing can be transcoded into
        self.frame_contents: list[bytes] = [b"frame 1", b"frame 2", b"frame 3"]
        self.bulk_value = FakeBulk(bytes(range(256)) * 40)
        self.joined = True                           # whether frames make a value, one behind the other
        self.kept: list[bytes] = []
        self.receptions: list[FakeReception] = []
        self.closed = 0
        self.scratches: list[FakeScratch] = []
        self.rendered = FakeRendered()
        self.search = self.retrieve = self.metadata = self.frames = self.ingest = self

    def compile(self, query: Query) -> "FakeCompiled":
        if self.search_fault is not None:
            raise self.search_fault
        return FakeCompiled(query, self.unsupported)

    def __call__(self, compiled: "FakeCompiled", scope: Scope) -> Iterator[FakeMatch]:
        query = compiled.query
        self.queries.append(query)
        end = None if query.limit is None else query.offset + query.limit
        try:
            yield from self.matches[query.offset : end]
        finally:
            self.closed += 1

    def instances(self, scope: Scope, *uids: str) -> list[FakeRef]:
        found = [
            ref
            for ref in self.refs
            if (ref.study_instance_uid, ref.series_instance_uid, ref.sop_instance_uid)[: len(uids)] == uids
        ]
        if not found:
            raise PacsdError(Fault.NOT_FOUND, "no such study, series or instance")
        return found

    def fits(self, ref: FakeRef, transfer_syntax_uid: str) -> bool:
        return transfer_syntax_uid not in self.impossible

    def size_bytes(self, ref: FakeRef) -> int | None:
        return None if ref.overlay else len(ref.content)

    def part10(self, ref: FakeRef, transfer_syntax_uid: str | None = None) -> FakePart10:
        if transfer_syntax_uid is not None and transfer_syntax_uid != ref.transfer_syntax_uid:
            if ref.content.startswith(b"broken"):
                raise PacsdError(Fault.MALFORMED, "a compressed frame cannot be decoded")
            return FakePart10(None, iter((transfer_syntax_uid.encode(), b" of ", ref.content)))
        half = len(ref.content) // 2
        return FakePart10(len(ref.content), iter((ref.content[:half], ref.content[half:])))

    def study(self, scope: Scope, study: str, *, base_url: str) -> FakeText:
        if study == "9.9":
            raise PacsdError(Fault.NOT_FOUND, "no such study")
        return FakeText(self.texts)

    def series(self, scope: Scope, study: str, series: str, *, base_url: str) -> FakeText:
        return FakeText(self.texts)

    def instance(self, scope: Scope, study: str, series: str, sop: str, *, base_url: str) -> FakeText:
        return FakeText((f'[{{"00081190":{{"vr":"UR","Value":["{base_url}"]}}}}]'.encode(),))

    def read(self, scope: Scope, study: str, series: str, sop: str, numbers: Sequence[int]) -> FakeFrames:
        if max(numbers) > len(self.frame_contents):
            raise PacsdError(Fault.NOT_FOUND, "no such frame")
        chosen = [self.frame_contents[number - 1] for number in numbers]
        frames = ((len(one), iter((one[:3], one[3:]))) for one in chosen)
        return FakeFrames(self.frame_syntax, frames, impossible=self.impossible)

    def of(self, ref: FakeRef, numbers: Sequence[int] | None = None) -> FakeFrames:
        if ref.content.startswith(b"damaged"):
            raise PacsdError(Fault.MALFORMED, "its frames cannot be told apart")
        contents = ref.content.split(b"|") if numbers is None else [ref.content.split(b"|")[n - 1] for n in numbers]
        frames = ((len(one), iter((one[:3], one[3:]))) for one in contents)
        return FakeFrames(ref.transfer_syntax_uid, frames, number=len(contents), joined=self.joined)

    def bulk_of(self, ref: FakeRef, path: str) -> FakeBulk:
        return self.bulk_value

    def scratch(self) -> "FakeScratch":
        self.scratches.append(FakeScratch())
        return self.scratches[-1]

    def receive_part10(self, peer: Peer, *, study_instance_uid: str | None = None) -> FakeReception:
        reception = FakeReception(self.kept, study_instance_uid)
        self.receptions.append(reception)
        return reception

    def batch(self, peer: Peer) -> OneByOne:
        return OneByOne(self, peer)


class FakeDirectory:
    def web_reader(self) -> Peer:
        return Peer("", 1, "default", "default", SCOPE)


def services(archive: FakeArchive, **changes: Any) -> Services:
    return replace(
        Services(archive=archive, directory=FakeDirectory(), addresses=Addresses(), limits=WebLimits()), **changes
    )


@dataclass(frozen=True)
class Raw:
    status_code: int
    headers: httpx.Headers
    content: bytes


class Web:
    """The application over fakes, and a client of it."""

    def __init__(self, **changes: Any) -> None:
        self.archive = FakeArchive()
        self.app = create_app(services(self.archive, **changes))

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request in an event loop of its own."""
        return asyncio.run(self._request(method, path, **arguments))

    async def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://pacs.test") as client:
            return await client.request(method, path, **arguments)

    def raw(self, method: str, path: str, **arguments: Any) -> "Raw":
        """One request whose body is left as it was sent."""
        return asyncio.run(self._raw(method, path, **arguments))

    async def _raw(self, method: str, path: str, **arguments: Any) -> "Raw":
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://pacs.test") as client:
            async with client.stream(method, path, **arguments) as answer:
                content = b"".join([chunk async for chunk in answer.aiter_raw()])
                return Raw(answer.status_code, answer.headers, content)

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("GET", "/dicom-web" + path, **arguments)

    def post(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("POST", "/dicom-web" + path, **arguments)


def parts_of(response: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    """Headers and content of each part of a multipart answer, read by the standard library."""
    head = f"Content-Type: {response.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=compat32).parsebytes(head + response.content)
    return [(dict(part.items()), part.get_payload(decode=True)) for part in message.get_payload()]
