"""Strings (http://hl7.org/fhirpath/N1/#string-manipulation)."""

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Mapping, Sequence

from fhir.path import regular
from fhir.path.evaluation import MAX_TEXT, NONE, Frame, Items, bounded, integer_of, text_of, told
from fhir.path.functions.table import Function
from fhir.path.nodes import of
from pacsd.faults import Fault, PacsdError

Text = Callable[..., Items]


def _with_text(name: str, compute: Callable[[str, str], Items]) -> Text:
    """A function of the input and one argument, both strings: nothing if one of them is not there."""
    def call(frame: Frame, items: Items, argument: Items) -> Items:
        text, other = text_of(items, name), text_of(argument, name)
        return NONE if text is None or other is None else compute(text, other)
    return call


def _of_text(name: str, compute: Callable[[str], Items]) -> Text:
    def call(frame: Frame, items: Items) -> Items:
        text = text_of(items, name)
        return NONE if text is None else compute(text)
    return call


def substring(frame: Frame, items: Items, start: Items, length: Items | None = None) -> Items:
    """Characters from a place on, counted from 0; nothing if the place is not in the string."""
    text, place = text_of(items, "substring()"), integer_of(start, "substring()")
    if text is None or place is None or not 0 <= place < len(text):
        return NONE
    size = integer_of(length, "substring()") if length is not None else None
    return (of(text[place:] if size is None else text[place : place + max(0, size)]),)


def replace(frame: Frame, items: Items, pattern: Items, substitution: Items) -> Items:
    """Each occurrence of a string replaced; the empty string occurs around each character."""
    text, old, new = (text_of(one, "replace()") for one in (items, pattern, substitution))
    if text is None or old is None or new is None:
        return NONE
    _bounded_product(text, old, new)
    return (of(text.replace(old, new)),)


def _bounded_product(text: str, old: str, new: str) -> None:
    if len(text) + len(new) * (text.count(old) if old else len(text) + 1) > MAX_TEXT:
        raise PacsdError(Fault.TOO_MUCH, f"FHIRPath: a string longer than {MAX_TEXT} characters")


def matches(frame: Frame, items: Items, pattern: Items) -> Items:
    """Whether a regular expression is found in it; a dot is any character."""
    text, wanted = text_of(items, "matches()"), text_of(pattern, "matches()")
    return NONE if text is None or wanted is None else told(regular.found(wanted, text))


def matches_full(frame: Frame, items: Items, pattern: Items) -> Items:
    """Whether a regular expression is all of it."""
    text, wanted = text_of(items, "matchesFull()"), text_of(pattern, "matchesFull()")
    return NONE if text is None or wanted is None else told(regular.found(f"^(?:{wanted})$", text))


def replace_matches(frame: Frame, items: Items, pattern: Items, substitution: Items) -> Items:
    """Each match of a regular expression replaced; `$1` in the substitution is what its first group matched."""
    text, wanted, new = (text_of(one, "replaceMatches()") for one in (items, pattern, substitution))
    if text is None or wanted is None or new is None:
        return NONE
    return (of(bounded(regular.replaced(wanted, new, text) if wanted else text)),)


def split(frame: Frame, items: Items, separator: Items) -> Items:
    """The parts of a string between occurrences of another; its characters if that is empty."""
    text, mark = text_of(items, "split()"), text_of(separator, "split()")
    if text is None or mark is None:
        return NONE
    parts: Sequence[str] = text.split(mark) if mark else text
    frame.spend(len(parts))
    return [of(part) for part in parts]


def to_chars(frame: Frame, items: Items) -> Items:
    """The characters of a string."""
    text = text_of(items, "toChars()") or ""
    frame.spend(len(text))
    return [of(character) for character in text]


def join(frame: Frame, items: Items, separator: Items | None = None) -> Items:
    """All strings as one."""
    between = text_of(separator, "join()") if separator is not None else ""
    texts = [item.system for item in items]
    if any(type(text) is not str for text in texts):
        raise PacsdError(Fault.MISMATCH, "FHIRPath: join() takes strings")
    return (of(bounded((between or "").join(texts))),) if items else NONE


def _decode(kind: str, text: str) -> str:
    if kind == "hex":
        return bytes.fromhex(text).decode()
    return (base64.urlsafe_b64decode(text) if kind == "urlbase64" else base64.b64decode(text, validate=True)).decode()


def _encode(kind: str, text: str) -> str:
    body = text.encode()
    if kind == "hex":
        return body.hex()
    return (base64.urlsafe_b64encode(body) if kind == "urlbase64" else base64.b64encode(body)).decode()


def _coded(name: str, kinds: tuple[str, ...], code: Callable[[str, str], str]) -> Text:
    def call(text: str, kind: str) -> Items:
        if kind not in kinds:
            return NONE
        try:
            return (of(bounded(code(kind, text))),)
        except (ValueError, binascii.Error):
            return NONE
    return _with_text(name, call)


def _escape(kind: str, text: str) -> str:
    return html.escape(text) if kind == "html" else json.dumps(text, ensure_ascii=False)[1:-1]


def _unescape(kind: str, text: str) -> str:
    return html.unescape(text) if kind == "html" else str(json.loads(f'"{_QUOTE.sub(_escaped, text)}"'))


_QUOTE = re.compile(r'\\.|"', re.DOTALL)


def _escaped(found: re.Match[str]) -> str:
    return '\\"' if found[0] == '"' else found[0]


_FORMATS = ("hex", "base64", "urlbase64")
_LANGUAGES = ("html", "json")

PLAIN: Mapping[str, Function] = {
    "indexOf": Function(_with_text("indexOf()", lambda text, sought: (of(text.find(sought)),)), 1, 1),
    "lastIndexOf": Function(_with_text("lastIndexOf()", lambda text, sought: (of(text.rfind(sought)),)), 1, 1),
    "startsWith": Function(_with_text("startsWith()", lambda text, head: told(text.startswith(head))), 1, 1),
    "endsWith": Function(_with_text("endsWith()", lambda text, end: told(text.endswith(end))), 1, 1),
    "contains": Function(_with_text("contains()", lambda text, part: told(part in text)), 1, 1),
    "split": Function(split, 1, 1), "toChars": Function(to_chars),
    "substring": Function(substring, 1, 2), "replace": Function(replace, 2, 2),
    "upper": Function(_of_text("upper()", lambda text: (of(text.upper()),))),
    "lower": Function(_of_text("lower()", lambda text: (of(text.lower()),))),
    "trim": Function(_of_text("trim()", lambda text: (of(text.strip()),))),
    "length": Function(_of_text("length()", lambda text: (of(len(text)),))),
    "matches": Function(matches, 1, 1), "matchesFull": Function(matches_full, 1, 1),
    "replaceMatches": Function(replace_matches, 2, 2), "join": Function(join, 0, 1),
    "encode": Function(_coded("encode()", _FORMATS, _encode), 1, 1),
    "decode": Function(_coded("decode()", _FORMATS, _decode), 1, 1),
    "escape": Function(_coded("escape()", _LANGUAGES, _escape), 1, 1),
    "unescape": Function(_coded("unescape()", _LANGUAGES, _unescape), 1, 1),
}
