"""`python -m tests.bench.replay UPSTREAM PORT`: the answers of another server, given again from memory.

What a page needs with it is what no server can take away: its own start, and drawing.
"""

from __future__ import annotations

import asyncio
import http.client
import sys

import uvicorn
from starlette.requests import Request
from starlette.responses import Response

STAYS_BEHIND = ("connection", "transfer-encoding", "date", "server", "keep-alive")
TOLD = ("accept", "accept-encoding")     # of a request: what makes one answer differ from another

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


class Replay:
    """An ASGI application; what it has not got yet it asks `upstream` for, once."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._answers: dict[tuple[str, ...], Answer] = {}

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        """Answer GET; a page asks for nothing else."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        headers = {name: request.headers[name] for name in TOLD if name in request.headers}
        key = (target, *(headers.get(name, "") for name in TOLD))
        if key not in self._answers:
            self._answers[key] = await asyncio.to_thread(self._fetched, target, headers)
        status, raw, body = self._answers[key]
        tag = dict(raw).get(b"etag")
        known = tag is not None and request.headers.get("if-none-match", "").encode("latin-1") == tag
        response = Response(None if known else body, 304 if known else status)
        response.raw_headers = [(name, value) for name, value in raw if not (known and name == b"content-length")]
        await response(scope, receive, send)

    def _fetched(self, target: str, headers: dict[str, str]) -> Answer:
        host = self._upstream
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            connection.request("GET", target, headers={"Accept-Encoding": "identity", **headers, "Host": host})
            answer = connection.getresponse()
            body = answer.read()
            kept = [(name.lower(), value) for name, value in answer.getheaders() if name.lower() not in STAYS_BEHIND]
        finally:
            connection.close()
        kept = [(name, value) for name, value in kept if name != "content-length"]
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept]
        return answer.status, [*raw, (b"content-length", str(len(body)).encode())], body


if __name__ == "__main__":
    uvicorn.run(
        Replay(sys.argv[1]),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
