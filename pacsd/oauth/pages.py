"""Pages for people: plain HTML under a policy that allows nothing else.

They need no script, but where a browser is to ask a security key: then the one that is named may run, and no other.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import urlsplit

from starlette.responses import Response

from pacsd.oauth.words import Words

STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.6 system-ui,'Noto Sans CJK SC',sans-serif;max-width:34rem;margin:0 auto;padding:1.5rem 1rem}"
    "header{display:flex;justify-content:space-between;gap:1rem;border-bottom:1px solid #8888;margin-bottom:1rem}"
    "label{display:block;margin-top:.8rem;font-weight:600}"
    "input[type=text],input[type=password]{font:inherit;width:100%;box-sizing:border-box;padding:.6rem;"
    "border:1px solid #767676;border-radius:.3rem}"
    "button{font:inherit;padding:.6rem 1.4rem;margin:.8rem .6rem .2rem 0;border:1px solid #1a4f8b;border-radius:.3rem;"
    "background:#1a4f8b;color:#fff}button.plain{background:transparent;color:inherit;border-color:#767676}"
    ":focus-visible{outline:3px solid #e08a00;outline-offset:0}"
    "[role=alert]{border-left:.3rem solid #b3261e;padding:.4rem .8rem;margin:.8rem 0}"
    "table{width:100%;border-collapse:collapse}th,td{text-align:left;padding:.35rem;border-bottom:1px solid #8888}"
    "li label{display:inline;font-weight:400;margin:0}ul{padding-left:1.2rem}"
    "svg{width:14rem;max-width:100%;background:#fff}"
    "code{overflow-wrap:anywhere}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


def page(
    words: Words, title: str, body: str, *, status: int = 200, targets: Iterable[str] = (), switch: str = "",
    headers: Mapping[str, str] | None = None, script: str = "",
) -> Response:  # fmt: skip
    """A page. `body` is HTML whose values were escaped; `targets`: redirect URIs to which its form may lead.

    `switch`: the URL of the same page, to which the other language is added; `script`: the URL of the one that runs.
    """
    other = f'<a href="{escape(switch)}" lang="{words["other_lang"]}">{escape(words["other"])}</a>' if switch else ""
    runs = f'<script src="{escape(script)}" defer></script>' if script else ""
    html = (
        f'<!doctype html><html lang="{words["lang"]}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)} – {escape(words['product'])}</title><style>{STYLE}</style>{runs}</head><body>"
        f"<header><span>{escape(words['product'])}</span>{other}</header>"
        f"<main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    return Response(html, status, headers={**safe_headers(targets, script), **(headers or {})},
                    media_type="text/html")  # fmt: skip


def safe_headers(targets: Iterable[str] = (), script: str = "") -> dict[str, str]:
    """What no page goes without. A form may lead to ourselves, and by our redirect to the client (CSP3 6.4)."""
    forms = " ".join(["'self'", *(dict.fromkeys(map(source_of, targets)))])
    scripts = f"script-src {script}; " if script else ""
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; {scripts}style-src 'sha256-{_STYLE_HASH}'; form-action {forms}; base-uri 'none'; "
            "frame-ancestors 'none'"
        ),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Pragma": "no-cache",
    }


def source_of(uri: str) -> str:
    """A registered redirect URI as a CSP source: its origin, or its scheme alone where that is an app's own."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def form(
    action: str, csrf: str, content: str, *, hidden: Mapping[str, str] | None = None, buttons: str = "",
    data: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """A form that changes something. `data`: what its script is told (data-…)."""
    fields = {"csrf": csrf, **(hidden or {})}
    inner = "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
                    for name, value in fields.items())  # fmt: skip
    told = "".join(f' data-{name}="{escape(value)}"' for name, value in (data or {}).items())
    return f'<form method="post" action="{escape(action)}"{told}>{inner}{content}{buttons}</form>'


def field(
    label: str, name: str, *, kind: str = "text", autocomplete: str = "off", value: str = "", hint: str = "",
    focus: bool = False, extra: str = "",
) -> str:  # fmt: skip
    """A labelled input."""
    described = f' aria-describedby="{name}-hint"' if hint else ""
    told = f'<p id="{name}-hint">{escape(hint)}</p>' if hint else ""
    return (
        f'<label for="{name}">{escape(label)}</label>{told}<input id="{name}" name="{name}" type="{kind}" '
        f'autocomplete="{autocomplete}" value="{escape(value)}" required spellcheck="false" autocapitalize="none"'
        f"{described}{' autofocus' if focus else ''}{extra}>"
    )


def button(label: str, *, name: str = "", value: str = "", plain: bool = False) -> str:
    """Sends the form."""
    named = f' name="{escape(name)}" value="{escape(value)}"' if name else ""
    return f'<button type="submit"{named}{" class=plain" if plain else ""}>{escape(label)}</button>'


def alert(text: str) -> str:
    """What went wrong, read out at once; nothing for nothing."""
    return f'<p role="alert">{escape(text)}</p>' if text else ""


def paragraph(text: str) -> str:
    """Plain text."""
    return f"<p>{escape(text)}</p>" if text else ""


def redirect(url: str) -> Response:
    """On to another page (303: whatever the method was). `url` is ours or registered, and has no line breaks."""
    return Response(status_code=303, headers={"Location": url, "Cache-Control": "no-store", "Pragma": "no-cache",
                                              "Referrer-Policy": "no-referrer"})  # fmt: skip
