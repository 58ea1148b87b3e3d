"""The few pages before the film page: they need no script, and say nothing about who the link is about."""

import math
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

NO_STORE = {"Cache-Control": "no-store"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin", "Vary": "Accept-Language", **NO_STORE,
}  # fmt: skip
_STYLE = (
    "body{font:18px/1.6 system-ui,sans-serif;margin:0;min-height:100vh;display:flex;align-items:center;"
    "justify-content:center;background:#eef1f5;color:#1c2733}"
    "main{background:#fff;border-radius:16px;padding:32px 24px;margin:16px;width:min(360px,100%);box-sizing:border-box;"
    "box-shadow:0 4px 24px #0002}h1{font-size:24px;margin:0 0 8px}p{margin:0 0 16px}"
    "label{display:block;font-weight:600}input,button{font:inherit;width:100%;box-sizing:border-box;padding:12px;"
    "border-radius:10px}input{border:1px solid #657789;letter-spacing:.3em;text-align:center;margin:4px 0 16px}"
    "button{border:0;background:#0b5cad;color:#fff;font-weight:600}button:focus,input:focus{outline:3px solid #f5a623}"
    ".wrong{color:#a4161a;font-weight:600}small{color:#4a5968}"
)
WORDS: Mapping[str, Mapping[str, str]] = {
    "zh": {
        "lang": "zh-CN", "title": "检查影像", "ask": "请输入查看码，以查看影像和报告。",
        "touch": "点击下方按钮，查看影像和报告。",
        "pin": "查看码", "open": "查看", "wrong": "查看码不正确。", "wait": "错误次数过多，请在 {n} 秒后重试。",
        "over": "链接无效或已过期", "ask_again": "请向提供此链接的医院或医生索取新的链接。",
        "closed": "在线查看已关闭", "ask_hospital": "此检查目前不能在线查看，请联系检查医院。",
        "care": "请勿将链接和查看码转发给无关人员。",
    },
    "en": {
        "lang": "en", "title": "Your images", "ask": "Enter the PIN to see images and report.",
        "touch": "Touch the button to see images and report.", "pin": "PIN", "open": "Open",
        "wrong": "This PIN is wrong.",
        "wait": "Too many wrong PINs: try again in {n} seconds.", "over": "This link is not valid, or it is over",
        "ask_again": "Ask the hospital or doctor who gave it to you for another one.",
        "closed": "Viewing is closed", "ask_hospital": "This study cannot be viewed online now: ask the hospital.",
        "care": "Pass link and PIN on to nobody who is not meant.",
    },
}  # fmt: skip


def language_of(request: Request) -> str:
    """Chinese, unless the browser's first language is English."""
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "en" if first == "en" or first.startswith("en-") else "zh"


def entry(language: str, *, asks_pin: bool, status: int = 200, wrong: bool = False, wait_s: float = 0.0) -> Response:
    """The form that opens a link."""
    words = WORDS[language]
    said = words["wrong"] if wrong else words["wait"].format(n=math.ceil(wait_s)) if wait_s else ""
    field = (
        f'<label for="pin">{words["pin"]}</label><input id="pin" name="pin" inputmode="numeric" pattern="[0-9]*" '
        f'maxlength="12" autocomplete="off" required autofocus>' if asks_pin else ""
    )  # fmt: skip
    notice = f'<p class="wrong" role="alert">{said}</p>' if said else ""
    body = (
        f'<h1>{words["title"]}</h1><p>{words["ask" if asks_pin else "touch"]}</p>{notice}'
        f'<form method="post" action="">{field}<button>{words["open"]}</button></form><p></p>'
        f'<small>{words["care"]}</small>'
    )  # fmt: skip
    headers = {"Retry-After": str(math.ceil(wait_s))} if wait_s else {}
    return _page(language, body, status, headers)


def over(language: str, status: int) -> Response:
    """There is nothing to open, whatever there was."""
    words = WORDS[language]
    return _page(language, f'<h1>{words["over"]}</h1><p>{words["ask_again"]}</p>', status)


def closed(language: str, status: int) -> Response:
    """The link is right, and shows nothing for now."""
    words = WORDS[language]
    return _page(language, f'<h1>{words["closed"]}</h1><p>{words["ask_hospital"]}</p>', status)


def _page(language: str, body: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    words = WORDS[language]
    html = (
        f'<!doctype html><html lang="{words["lang"]}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{words["title"]}</title>'
        f"<style>{_STYLE}</style></head><body><main>{body}</main></body></html>"
    )
    return Response(html, status, headers={**_HEADERS, **(headers or {})}, media_type="text/html")
