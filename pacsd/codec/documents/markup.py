"""HTML that is XML as well (HTML 5, "polyglot"): every text is escaped, nothing in it runs or loads."""

from collections.abc import Iterable
from html import escape

XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
DOCTYPE = "<!DOCTYPE html>\n"
_RIGHT_TO_LEFT = frozenset(("ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"))

STYLE = (
    "body{font:15px/1.5 system-ui,'Noto Sans','PingFang SC','Microsoft YaHei','Noto Sans CJK SC',sans-serif;"
    "color:#111;background:#fff;max-width:52em;margin:1.5em auto;padding:0 1em}"
    "h1{font-size:1.5em;margin:.2em 0 .6em}h2,h3,h4,h5,h6{font-size:1.1em;margin:1.2em 0 .3em}"
    "h2{font-size:1.25em;border-bottom:1px solid #bbb}"
    "header dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(20em,1fr));gap:.1em 1.5em;"
    "border-top:2px solid #333;border-bottom:1px solid #999;padding:.5em 0;margin:0 0 1em}"
    "header dl div{display:grid;grid-template-columns:9em 1fr}"
    "main dl{margin:.2em 0}.more{grid-column:1/-1;margin-inline-start:1.5em}"
    "main dl>div{display:grid;grid-template-columns:minmax(8em,15em) 1fr;gap:0 1em;break-inside:avoid-page}"
    "dt{color:#555}dd{margin:0;min-width:0;overflow-wrap:anywhere}p{margin:.4em 0}.value,p{white-space:pre-wrap}"
    ".mods,.note{color:#555}section section{margin-inline-start:1em}table{border-collapse:collapse;margin:.5em 0}"
    "td,th{border:1px solid #bbb;padding:.15em .5em;text-align:start;vertical-align:top}a{color:#0645ad}"
    "@page{margin:15mm}@media print{body{max-width:none;margin:0;font-size:10.5pt}a{color:inherit}}"
)


def text(value: str) -> str:
    """Escaped text."""
    return escape(value, quote=True)


def element(name: str, *content: str, **attributes: str) -> str:
    """An element around markup that is safe already; attribute values are escaped here, empty ones left out."""
    written = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items() if value)
    return f"<{name}{written}>{''.join(content)}</{name}>"


def lines(pairs: Iterable[tuple[str, str]]) -> str:
    """A description list of labels and texts."""
    rows = [
        element("div", element("dt", text(label)), element("dd", text(value), dir="auto", class_="value"))
        for label, value in pairs
    ]
    return element("dl", *rows) if rows else ""


def page(title: str, body: str, *, language: str = "") -> str:
    """The whole document, without a document type."""
    lang = f' lang="{escape(language)}" xml:lang="{escape(language)}"' if language else ""
    if language.partition("-")[0].lower() in _RIGHT_TO_LEFT:
        lang += ' dir="rtl"'
    return (
        f'<html xmlns="http://www.w3.org/1999/xhtml"{lang}><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{text(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )
