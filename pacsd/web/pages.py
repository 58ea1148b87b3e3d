"""What the pages for people have in common: a plain page of ours, and compressed answers."""

from starlette.responses import Response

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


def compressed_headers(compressed: bool) -> dict[str, str]:
    """Headers of an answer that also exists compressed."""
    return {"Vary": "Accept-Encoding", **({"Content-Encoding": "gzip"} if compressed else {})}
