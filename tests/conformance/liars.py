"""Servers that lie: fakes that answer everything alike, and a real one whose answers are changed on the way.

A check that no liar is caught by cannot fail, and says nothing of an honest server.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Reply:
    """An answer on its way, to be changed."""

    status: int
    headers: dict[str, str]
    body: bytes
    request: httpx.Request

    @property
    def kind(self) -> str:
        """Its media type."""
        return self.headers.get("content-type", "").partition(";")[0].lower()


Lie = Callable[[Reply], None]


def same_answer(status: int, content_type: str, body: bytes) -> httpx.MockTransport:
    """A server that answers everything alike."""
    headers = {"Content-Type": content_type} if content_type else {}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers=headers, content=body if request.method != "HEAD" else b"")

    return httpx.MockTransport(answer)


@dataclass
class Lying(httpx.BaseTransport):
    """A real server's answers after a lie, and its questions after another."""

    lie: Lie
    ask: Callable[[httpx.Request], httpx.Request] = lambda request: request
    inner: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.inner.handle_request(self.ask(request))
        body = answer.read()
        headers = {name: value for name, value in answer.headers.items()
                   if name not in ("content-length", "transfer-encoding", "content-encoding")}  # fmt: skip
        reply = Reply(answer.status_code, {**headers, "content-length": ""}, body, request)
        self.lie(reply)
        if "content-length" in reply.headers:
            reply.headers["content-length"] = str(len(reply.body))
        return httpx.Response(reply.status, headers=reply.headers, stream=httpx.ByteStream(reply.body))

    def close(self) -> None:
        self.inner.close()


def nothing(_: Reply) -> None:
    """The truth."""


def loses_a_part(reply: Reply) -> None:
    """Leaves out the last part of a multipart answer."""
    boundary = re.search(r'boundary="?([^";]+)', reply.headers.get("content-type", ""))
    if boundary and reply.status == 200:
        mark = b"--" + boundary[1].encode()
        reply.body = reply.body[: reply.body.rindex(mark, 0, reply.body.rindex(mark))] + mark + b"--\r\n"


def spoils_octets(reply: Reply) -> None:
    """Changes a bit in the middle of whatever is not text."""
    if reply.status in (200, 206) and "json" not in reply.kind and len(reply.body) > 400:
        middle = len(reply.body) * 3 // 4
        reply.body = reply.body[:middle] + bytes([reply.body[middle] ^ 0x10]) + reply.body[middle + 1 :]


def another_picture(reply: Reply) -> None:
    """One pixel instead of whatever picture there is."""
    if reply.kind.startswith("image/"):
        reply.body = b"GIF89a\x01\0\x01\0\0\0\0;"


def _models(reply: Reply, change: Callable[[list[dict[str, Any]]], object]) -> None:
    if "json" in reply.kind and reply.status in (200, 202, 409) and reply.body:
        found = json.loads(reply.body)
        change(found if isinstance(found, list) else [found])
        reply.body = json.dumps(found).encode()


def _everywhere(change: Callable[[str, dict[str, Any]], None]) -> Lie:
    def lie(reply: Reply) -> None:
        _models(reply, lambda models: [change(tag, one) for model in models for tag, one in list(model.items())])

    return lie


def empties(_: str, attribute: dict[str, Any]) -> None:
    """Takes the values of attributes away."""
    for name in ("Value", "BulkDataURI", "InlineBinary"):
        attribute.pop(name, None)


def another_vr(_: str, attribute: dict[str, Any]) -> None:
    """Gives another value representation."""
    attribute["vr"] = "ZZ"


def turns_around(reply: Reply) -> None:
    """Attributes in descending order."""
    if "json" in reply.kind and reply.status == 200:
        found = json.loads(reply.body)
        if isinstance(found, list):
            reply.body = json.dumps([dict(sorted(one.items(), reverse=True)) for one in found]).encode()


def repeats(reply: Reply) -> None:
    """Every result twice."""
    if "json" in reply.kind and reply.status == 200 and reply.body.startswith(b"["):
        reply.body = json.dumps(json.loads(reply.body) * 2).encode()


class Shuffles:
    """Another order each time."""

    turn = 0

    def __call__(self, reply: Reply) -> None:
        self.turn += 1
        if "json" in reply.kind and reply.status == 200 and reply.body.startswith(b"["):
            found = json.loads(reply.body)
            at = self.turn % len(found) if found else 0
            reply.body = json.dumps(found[at:] + found[:at]).encode()


def denies_nothing(reply: Reply) -> None:
    """200 for every refusal."""
    if 400 <= reply.status < 500:
        reply.status, reply.body = 200, b"[]"
        reply.headers["content-type"] = "application/dicom+json"


def plain_text(reply: Reply) -> None:
    """Says that everything is text."""
    reply.headers["content-type"] = "text/plain"


def silent(reply: Reply) -> None:
    """Leaves out every header field but Content-Type."""
    reply.headers = {name: value for name, value in reply.headers.items() if name == "content-type"}


def warns(reply: Reply) -> None:
    """A warning in every answer."""
    reply.headers["warning"] = '299 liar "There are 7 additional results that can be requested"'


def invents(reply: Reply) -> None:
    """A result where there is none."""
    if "json" in reply.kind and reply.status == 200 and reply.body == b"[]":
        reply.body = json.dumps([{"00080018": {"vr": "UI", "Value": ["1.2.3"]}}]).encode()


def reads_only(reply: Reply) -> None:
    """Knows no method but GET."""
    if "allow" in reply.headers:
        reply.headers["allow"] = "GET"


def never_304(reply: Reply) -> None:
    """Sends everything again."""
    if reply.status == 304:
        reply.status = 200


def boasts(reply: Reply) -> None:
    """Tells of every stored or refused object that it is stored."""
    if reply.request.method != "POST" or "/studies" not in reply.request.url.path:
        return
    item = {"00081155": {"vr": "UI", "Value": ["1.2.3"]}}
    reply.status, reply.headers["content-type"] = 200, "application/dicom+json"
    reply.body = json.dumps({"00081199": {"vr": "SQ", "Value": [item]}}).encode()


def breaks(reply: Reply) -> None:
    """Shows where it broke, with the status it had."""
    if reply.status >= 400:
        reply.headers["content-type"] = "text/plain"
        reply.body = b'Traceback (most recent call last):\n  File "/srv/app.py", line 7, in answer\n'


def without_query(request: httpx.Request) -> httpx.Request:
    """Asks without any parameter."""
    return _asked(request, request.url.copy_with(query=None), request.headers)


def accepts_anything(request: httpx.Request) -> httpx.Request:
    """Asks for any media type, whatever was acceptable."""
    return _asked(request, request.url, {**request.headers, "accept": "*/*"})


def _asked(request: httpx.Request, url: httpx.URL, headers: Mapping[str, str]) -> httpx.Request:
    return httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)


# in the order in which they catch most
ANSWERS: Mapping[str, Lie] = {
    "empties": _everywhere(empties),
    "denies nothing": denies_nothing,
    "plain text": plain_text,
    "loses a part": loses_a_part,
    "spoils octets": spoils_octets,
    "another picture": another_picture,
    "another vr": _everywhere(another_vr),
    "turns around": turns_around,
    "repeats": repeats,
    "shuffles": Shuffles(),
    "silent": silent,
    "warns": warns,
    "invents": invents,
    "reads only": reads_only,
    "never 304": never_304,
    "boasts": boasts,
    "breaks": breaks,
}
QUESTIONS: Mapping[str, Callable[[httpx.Request], httpx.Request]] = {
    "without query": without_query,
    "accepts anything": accepts_anything,
}
