"""Values as JSON text (PS3.18 F.2.3 to F.2.5): one formatter for each VR, from raw bytes straight to text.

Texts hold neither line feeds nor NUL, so callers may use both as marks of their own.
"""

import math
import re
import struct
from base64 import b64encode
from collections.abc import Callable, Sequence

import orjson

from pacsd.codec.charset import decode_text
from pacsd.codec.structure import WORD_BYTES, swapped

CharacterSets = Sequence[str]
Formatter = Callable[[bytes, CharacterSets, str | None, bool], bytes]

_PLAIN = re.compile(rb"[ !#-\[\]-~]*").fullmatch          # printable ASCII but quote and backslash
_NUMBER = re.compile(rb"-?(?:0|[1-9]\d{0,15})(?:\.\d+)?(?:[eE][+-]?\d\d?)?").fullmatch
_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII).fullmatch
_FLOAT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII).fullmatch
_SAFE_INTEGER = 2**53


def quote(text: str) -> bytes:
    """A JSON string; NUL, which PostgreSQL's jsonb refuses and DICOM text does not allow, is dropped."""
    if "\0" in text:
        text = text.replace("\0", "")
    try:
        return orjson.dumps(text)
    except TypeError:                     # a lone surrogate
        return orjson.dumps(text.encode("utf-8", "replace").decode())


def _attribute(vr: str, values: bytes) -> bytes:
    if not values:
        return b'{"vr":"%b"}' % vr.encode()
    return b'{"vr":"%b","Value":[%b]}' % (vr.encode(), values)


def _strings(vr: str, *, leading: bool = True) -> Formatter:
    """Several values between backslashes; spaces around each are padding (PS3.5 6.2)."""
    head = b'{"vr":"%b","Value":["' % vr.encode()

    def format_strings(raw: bytes, sets: CharacterSets, override: str | None, big: bool) -> bytes:
        bare = raw.strip(b" \0") if leading else raw.rstrip(b" \0")
        if _PLAIN(bare):
            return head + bare + b'"]}' if bare else _attribute(vr, b"")
        values = decode_text(raw, vr, sets, override=override).rstrip(" \0").split("\\")
        texts = [value.strip(" \0") if leading else value.rstrip(" \0") for value in values]
        if not any(texts):
            return _attribute(vr, b"")
        return _attribute(vr, b",".join([quote(text) if text else b"null" for text in texts]))

    return format_strings


def _text(vr: str) -> Formatter:
    """One value, in which backslashes mean nothing and leading spaces count."""

    def format_text(raw: bytes, sets: CharacterSets, override: str | None, big: bool) -> bytes:
        text = decode_text(raw, vr, sets, override=override).rstrip(" \0")
        return _attribute(vr, quote(text) if text else b"")

    return format_text


_GROUPS = (b"Alphabetic", b"Ideographic", b"Phonetic")


def _person_names(raw: bytes, sets: CharacterSets, override: str | None, big: bool) -> bytes:
    text = decode_text(raw, "PN", sets, override=override).rstrip(" \0")
    if not text:
        return _attribute("PN", b"")
    return _attribute("PN", b",".join(_person_name(value) for value in text.split("\\")))


def _person_name(value: str) -> bytes:
    """An object of the component groups that are not empty (PS3.18 F.2.2); null for no name."""
    groups = zip(_GROUPS, value.split("="), strict=False)
    found = [b'"%b":%b' % (name, quote(bare)) for name, text in groups if (bare := text.strip(" \0"))]
    return b"{" + b",".join(found) + b"}" if found else b"null"


def _decimal(text: bytes) -> bytes:
    """An IS or DS value as a number with its own digits; what is none becomes a string."""
    text = text.strip(b" \0")
    if _NUMBER(text):
        return text
    if not text:
        return b"null"
    string = text.decode("latin_1")
    if _INTEGER(string) and abs(int(string)) <= _SAFE_INTEGER:
        return b"%d" % int(string)
    if _FLOAT(string) and not _INTEGER(string) and math.isfinite(float(string)):
        return repr(float(string)).encode()
    return quote(string)


def _decimals(vr: str) -> Formatter:
    def format_decimals(raw: bytes, sets: CharacterSets, override: str | None, big: bool) -> bytes:
        bare = raw.strip(b" \0")
        if not bare:
            return _attribute(vr, b"")
        return _attribute(vr, b",".join([_decimal(value) for value in bare.split(b"\\")]))

    return format_decimals


def _numbers(vr: str, code: str) -> Formatter:
    """Binary integers; a value that JavaScript would round becomes a string (PS3.18 F.2.3 note)."""
    size = struct.calcsize("=" + code)
    one = struct.Struct("<" + code)
    wide = size == 8
    head = b'{"vr":"%b","Value":[' % vr.encode()

    def format_numbers(raw: bytes, sets: CharacterSets, override: str | None, big: bool) -> bytes:
        if len(raw) == size and not big and not wide:
            return b"%b%d]}" % (head, one.unpack(raw)[0])
        count = len(raw) // size
        numbers = struct.unpack_from(f"{'>' if big else '<'}{count}{code}", raw)
        if wide:
            return _attribute(vr, b",".join(
                b"%d" % n if abs(n) < _SAFE_INTEGER else b'"%d"' % n for n in numbers
            ))
        return _attribute(vr, ",".join(map(str, numbers)).encode())

    return format_numbers


_NOT_FINITE = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}


def _floats(vr: str, code: str) -> Formatter:
    """Binary floats; JSON has no number for what is not finite, so that is a string, as other servers do."""
    size = struct.calcsize("=" + code)

    def format_floats(raw: bytes, sets: CharacterSets, override: str | None, big: bool) -> bytes:
        numbers = struct.unpack_from(f"{'>' if big else '<'}{len(raw) // size}{code}", raw)
        texts = map(repr, numbers)
        return _attribute(vr, ",".join([_NOT_FINITE.get(text, text) for text in texts]).encode())

    return format_floats


def _tags(raw: bytes, sets: CharacterSets, override: str | None, big: bool) -> bytes:
    halves = struct.unpack_from(f"{'>' if big else '<'}{len(raw) // 4 * 2}H", raw)
    pairs = zip(halves[::2], halves[1::2], strict=True)
    return _attribute("AT", b",".join(b'"%04X%04X"' % pair for pair in pairs))


def _binary(vr: str) -> Formatter:
    """InlineBinary in little endian (PS3.18 F.2.7), whatever the data set is in."""

    def format_binary(raw: bytes, sets: CharacterSets, override: str | None, big: bool) -> bytes:
        if not raw:
            return _attribute(vr, b"")
        if big:
            raw = swapped(raw, WORD_BYTES.get(vr, 1))
        return b'{"vr":"%b","InlineBinary":"%b"}' % (vr.encode(), b64encode(raw))

    return format_binary


FORMATTERS: dict[str, Formatter] = (
    {vr: _strings(vr) for vr in ("AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UI")}
    | {"UC": _strings("UC", leading=False), "PN": _person_names, "AT": _tags}
    | {vr: _text(vr) for vr in ("LT", "ST", "UT", "UR")}
    | {vr: _decimals(vr) for vr in ("DS", "IS")}
    | {vr: _binary(vr) for vr in ("OB", "OD", "OF", "OL", "OV", "OW", "UN")}
    | {vr: _numbers(vr, code) for vr, code in
       (("SL", "i"), ("SS", "h"), ("SV", "q"), ("UL", "I"), ("US", "H"), ("UV", "Q"))}
    | {"FL": _floats("FL", "f"), "FD": _floats("FD", "d")}
)
