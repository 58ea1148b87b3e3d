"""Tokens of FHIRPath (http://hl7.org/fhirpath/N1/grammar.html, lexical rules)."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from pacsd.faults import Fault, PacsdError

MAX_LENGTH = 10_000                      # characters of an expression; the longest of FHIR R4 has 600

_DATE = r"\d{4}(?:-\d\d(?:-\d\d)?)?"
_TIME = r"\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?"
_RULES = (
    ("space", r"\s+|//[^\r\n]*|/\*(?s:.*?)\*/"),
    ("datetime", rf"@{_DATE}T(?:{_TIME}(?:Z|[+-]\d\d:\d\d)?)?"),
    ("date", rf"@{_DATE}"),
    ("time", rf"@T{_TIME}(?![\d:Z+-])"),
    ("number", r"\d+(?:\.\d+)?"),
    ("string", r"'(?:[^'\\]|\\.)*'"),
    ("quoted", r"`(?:[^`\\]|\\.)*`"),
    ("variable", r"%(?:[A-Za-z_][A-Za-z0-9_-]*|`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*')"),
    ("special", r"\$(?:this|index|total)\b"),
    ("word", r"[A-Za-z_][A-Za-z0-9_]*"),
    ("mark", r"<=|>=|!=|!~|[-+*/&|<>=~().,\[\]{}]"),
)
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _RULES), re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"'": "'", '"': '"', "`": "`", "\\": "\\", "/": "/", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Token(NamedTuple):
    """A token: its kind (as in the rules above, or `end`), what it says, and where it begins."""

    kind: str
    text: str
    at: int


def tokens(expression: str) -> Iterator[Token]:
    """The tokens of an expression, strings and names unquoted; then one of kind `end`.

    Raises PacsdError (MALFORMED) where none begins, (TOO_MUCH) beyond MAX_LENGTH.
    """
    if len(expression) > MAX_LENGTH:
        raise PacsdError(Fault.TOO_MUCH, f"FHIRPath longer than {MAX_LENGTH} characters")
    at = 0
    while at < len(expression):
        found = _TOKEN.match(expression, at)
        if found is None or (found[0] == "/" and expression.startswith("/*", at)):
            raise PacsdError(Fault.MALFORMED, f"FHIRPath: nothing understood at character {at + 1} of {expression!r}")
        if found.lastgroup != "space":
            yield _token(found, at)
        at = found.end()
    yield Token("end", "", at)


def _token(found: re.Match[str], at: int) -> Token:
    kind, text = str(found.lastgroup), found[0]
    if kind == "string":
        text = _unescaped(text[1:-1])
    elif kind == "quoted":
        kind, text = "name", _unescaped(text[1:-1])
    elif kind == "variable":
        text = _unescaped(text[2:-1]) if text[1] in "`'" else text[1:]
    return Token(kind, text, at)


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    mark = found[1]
    if len(mark) == 5:
        return chr(int(mark[1:], 16))
    if mark not in _ESCAPED:
        raise PacsdError(Fault.MALFORMED, f"FHIRPath: \\{mark} is no escape")
    return _ESCAPED[mark]
