"""What the pages for people have in common: a plain page of ours, and compressed answers."""

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.media_types import parse_accept

NO_CACHE = {"Cache-Control": "no-cache"}                     # kept, but asked about again
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
_PLAIN_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:42em;margin:3em auto;padding:0 1em}"
    "pre{background:#eee;padding:.6em}"
)


def page(body: str, *, title: str, status: int = 200) -> Response:
    """A page of text; `body` is HTML of ours, never a peer's."""
    html = (
        f'<!doctype html><html lang="zh"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style>{body}</html>"
    )
    headers = {"Content-Security-Policy": _PLAIN_POLICY, "X-Content-Type-Options": "nosniff", **NO_CACHE}
    return Response(html, status, headers=headers, media_type="text/html")


def accepts_gzip(request: Request) -> bool:
    """Whether the client takes a gzip-coded answer (RFC 9110 12.5.3)."""
    best = 0.0
    for one in request.headers.get("accept-encoding", "").split(","):
        coding, *rest = [piece.strip().lower() for piece in one.split(";")]
        if coding in ("gzip", "x-gzip", "*"):
            quality = _quality(rest)
            if coding != "*":
                return quality > 0
            best = quality
    return best > 0


def compressed_headers(compressed: bool) -> dict[str, str]:
    """Headers of an answer that also exists compressed."""
    return {"Vary": "Accept-Encoding", **({"Content-Encoding": "gzip"} if compressed else {})}


def _quality(parameters: list[str]) -> float:
    value = next((one.removeprefix("q=") for one in parameters if one.startswith("q=")), "1")
    return parse_accept(f"a/b;q={value}")[0].quality
