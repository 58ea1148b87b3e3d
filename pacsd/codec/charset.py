"""Character sets (PS3.5 6.1.2, Annexes H to K): bytes to text, leniently, and text to bytes, strictly.

A value is decoded whole, before anyone splits it at backslash, caret or equals sign: second bytes of GBK and
GB18030, and 7-bit bytes of ISO 2022 sets, include those codes.

Many devices in China send GBK or UTF-8 while they declare ISO_IR 100 or nothing. `_recognise` finds them out
by the bytes alone; what a device is known to send can be stated per AE, which comes first (`override`).
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

# VRs that Specific Character Set speaks of (PS3.5 6.1.2.2); all others are of the default repertoire.
TEXT_VRS = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))


class _Set(NamedTuple):
    """One coded character set: its number in the terms, Python's codec, its escape sequence."""

    number: int
    codec: str
    escape: bytes
    g1: bool = True          # designated as G1 (high bytes), else as G0 (7-bit bytes)
    pairs: bool = False      # two bytes a character


_ASCII = _Set(6, "ascii", b"\x1b(B", g1=False)
_ROMAJI = _Set(14, "ascii", b"\x1b(J", g1=False)
_SETS: tuple[_Set, ...] = (            # PS3.3 Tables C.12-2 to C.12-4
    _Set(100, "latin_1", b"\x1b-A"),
    _Set(101, "iso8859_2", b"\x1b-B"),
    _Set(109, "iso8859_3", b"\x1b-C"),
    _Set(110, "iso8859_4", b"\x1b-D"),
    _Set(144, "iso8859_5", b"\x1b-L"),
    _Set(127, "iso8859_6", b"\x1b-G"),
    _Set(126, "iso8859_7", b"\x1b-F"),
    _Set(138, "iso8859_8", b"\x1b-H"),
    _Set(148, "iso8859_9", b"\x1b-M"),
    _Set(203, "iso8859_15", b"\x1b-b"),
    _Set(166, "iso8859_11", b"\x1b-T"),
    _Set(13, "shift_jis", b"\x1b)I"),
    _Set(87, "euc_jp", b"\x1b$B", g1=False, pairs=True),
    _Set(159, "euc_jp", b"\x1b$(D", g1=False, pairs=True),
    _Set(149, "euc_kr", b"\x1b$)C", pairs=True),
    _Set(58, "gb18030", b"\x1b$)A", pairs=True),       # whose superset devices send under this name
)
_BY_NUMBER = {one.number: one for one in _SETS} | {6: _ASCII}
_BY_ESCAPE = {one.escape: one for one in (*_SETS, _ASCII, _ROMAJI)}
_ESCAPE = re.compile(rb"(\x1b(?:\$[()][A-Z]|\$[A-Z]|[()\-][A-Za-z]))")
_TERM = re.compile(r"(ISO 2022 IR|ISO IR|ISO 2022) ?(\d+)")
_WHOLE = {"GB18030": "gb18030", "GBK": "gbk", "ISO 2022 GBK": "gbk", "ISO 2022 GB18030": "gb18030",
          "UTF8": "utf_8", "UTF 8": "utf_8", "ISO IR192": "utf_8"}
_DELIMITERS = re.compile(rb"([\\^=\r\n\f\t])")
_HIGH_BYTES = re.compile(rb"([\x80-\xff]+)")
_UNSPECIFIC = frozenset((6, 100))


class _Plan(NamedTuple):
    """What a declaration means: one codec for everything, or sets to switch among, the first one initial."""

    whole: str | None
    sets: tuple[_Set, ...]


_UTF8 = _Plan("utf_8", ())


@lru_cache(maxsize=512)
def _plan(character_sets: tuple[str, ...]) -> _Plan:
    """Terms are taken as written by hurried people: ISO-IR 100, ISO 2022 100 and utf-8 are understood."""
    sets: list[_Set] = []
    for place, term in enumerate(character_sets):
        name = re.sub(r"[_\-\s]+", " ", term).strip().upper()
        found = _TERM.fullmatch(name)
        number = int(found[2]) if found else -1
        if number == 192 or name in _WHOLE:
            return _Plan("utf_8" if number == 192 else _WHOLE[name], ())
        if number in _BY_NUMBER:
            sets.append(_BY_NUMBER[number])
        elif not name and place == 0:
            sets.append(_ASCII)
    return _Plan(None, tuple(sets) or (_ASCII,))


def is_supported(character_sets: Sequence[str]) -> bool:
    """Whether every declared term is one of the standard's (or a known misspelling of it)."""
    return all(_plan((term,)) != _plan(("",)) or _means_ascii(term) for term in character_sets)


def _means_ascii(term: str) -> bool:
    return not term.strip() or re.sub(r"[_\-\s]+", " ", term).strip() in ("ISO IR 6", "ISO 2022 IR 6")


def decode_text(
    raw: bytes, vr: str, character_sets: Sequence[str] = (), *, override: str | None = None
) -> str:
    """A whole raw value as text, delimiters included, padding kept.

    `override` is the term that replaces the declaration when the bytes are valid under it. Never raises:
    what cannot be decoded becomes U+FFFD.
    """
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    if override:
        text = _strictly(raw, _plan(tuple(override.split("\\"))))
        if text is not None:
            return text
    plan = _plan(tuple(character_sets))
    if plan.whole is not None:
        return _decode_whole(raw, plan.whole)
    if b"\x1b" in raw and _ESCAPE.search(raw):
        return _decode_switching(raw, plan.sets, "replace")
    if all(one.number in _UNSPECIFIC for one in plan.sets):
        return _recognise(raw) or raw.decode("latin_1")
    return _decode_switching(raw, plan.sets, "replace")


def _strictly(raw: bytes, plan: _Plan) -> str | None:
    try:
        return raw.decode(plan.whole) if plan.whole else _decode_switching(raw, plan.sets, "strict")
    except UnicodeDecodeError:
        return None


def _decode_whole(raw: bytes, codec: str) -> str:
    """UTF-8 and GB are each tried for the other before anything is replaced."""
    for candidate in (codec, "gb18030", "utf_8"):
        try:
            return raw.decode(candidate)
        except UnicodeDecodeError:
            continue
    return raw.decode(codec, "replace")


def _decode_switching(raw: bytes, sets: tuple[_Set, ...], errors: str) -> str:
    """ISO 2022 code extension (PS3.5 6.1.2.5): escape sequences switch G0 and G1, delimiters switch back.

    Without a G1 set declared first, the first declared one counts as designated: some writers forget to
    say so again behind each delimiter.
    """
    home_g1 = next((one for one in sets if one.g1), None)
    initial_g1 = sets[0] if sets[0].g1 else home_g1
    g0, g1 = _ASCII, initial_g1
    parts: list[str] = []
    for piece in _ESCAPE.split(raw):
        if designated := _BY_ESCAPE.get(piece):
            g0, g1 = (g0, designated) if designated.g1 else (designated, g1)
        elif g0.pairs:
            for run in _HIGH_BYTES.split(piece):
                low = run.isascii()
                parts.append(_decode_pairs(run, g0, errors) if low else _decode_high(run, g1, errors))
        else:
            text, g1 = _decode_parts(piece, g1, initial_g1, errors)
            parts.append(text)
    return "".join(parts)


def _decode_parts(piece: bytes, g1: _Set | None, initial_g1: _Set | None, errors: str) -> tuple[str, _Set | None]:
    """What stands between escape sequences, and the G1 behind it. GBK, whose second bytes may be delimiters, is tried
    whole before anything of it is replaced."""
    whole_is_gbk = g1 is initial_g1 is _BY_NUMBER[58]
    try:
        return _decode_runs(piece, g1, initial_g1, "strict" if whole_is_gbk else errors)
    except UnicodeDecodeError:
        if not whole_is_gbk:
            raise
    try:
        return piece.decode("gb18030"), g1
    except UnicodeDecodeError:
        return _decode_runs(piece, g1, initial_g1, errors)


def _decode_runs(piece: bytes, g1: _Set | None, initial_g1: _Set | None, errors: str) -> tuple[str, _Set | None]:
    parts: list[str] = []
    for run in _DELIMITERS.split(piece):
        parts.append(_decode_high(run, g1, errors))
        if len(run) == 1 and run in b"\\^=\r\n\f\t":
            g1 = initial_g1 or g1
    return "".join(parts), g1


def _decode_high(run: bytes, g1: _Set | None, errors: str) -> str:
    if run.isascii():
        return run.decode("ascii")
    return run.decode(g1.codec if g1 else "ascii", errors)


def _decode_pairs(piece: bytes, g0: _Set, errors: str) -> str:
    """7-bit pairs of JIS X 0208 or JIS X 0212 through EUC-JP, which holds them with the high bit set."""
    lead = b"\x8f" if g0.number == 159 else b""
    euc, at = bytearray(), 0
    while at < len(piece):
        if piece[at] <= 0x20 or at + 1 == len(piece):
            euc.append(piece[at])
            at += 1
            continue
        euc += lead + bytes((piece[at] | 0x80, piece[at + 1] | 0x80))
        at += 2
    return euc.decode("euc_jp", errors)


# Declared as ISO_IR 100, ISO_IR 6 or nothing

_HIGH_RUN = re.compile(rb"[\x80-\xff]{2,}")
_LETTERS = frozenset((*range(0xC0, 0xD7), *range(0xD8, 0xF7), *range(0xF8, 0x100)))


def _recognise(raw: bytes) -> str | None:
    """UTF-8 or GB18030 sent under a declaration that does not say so; None when Latin-1 is as likely.

    Bytes that are valid UTF-8 are UTF-8, unless they spell rare letters of it and good Chinese (CT头). They
    are GB18030 when they are valid Chinese throughout, at least half of it of the 3,755 usual characters
    (GB/T 2312 level 1), and some run of high bytes makes no sense in Latin-1 (`_foreign_to_latin`). A lone
    accented letter between ASCII letters, as in Buc^Jérôme, is never the lead byte of a GBK pair.
    """
    utf8 = _strictly(raw, _UTF8)
    if utf8 is not None and all(_is_everyday(char) for char in utf8):
        return utf8
    return _recognise_chinese(raw) or utf8


def _recognise_chinese(raw: bytes) -> str | None:
    try:
        text = raw.rstrip(b"\0 ").decode("gb18030")
    except UnicodeDecodeError:
        return None
    foreign = [char for char in text if not char.isascii()]
    usual = sum(1 for char in foreign if _is_usual(char))
    if usual * 2 < len(foreign) or not all(_is_chinese(char) for char in foreign):
        return None
    if not any(_foreign_to_latin(raw, run) for run in _HIGH_RUN.finditer(raw)):
        return None
    return raw.decode("gb18030", "replace")


def _is_everyday(char: str) -> bool:
    """Whether a two-byte UTF-8 sequence spells a letter in use; longer ones do not come about by chance."""
    code = ord(char)
    return (
        code < 0x180 or 0x386 <= code <= 0x3CE or 0x400 <= code <= 0x45F or 0x5D0 <= code <= 0x5EA
        or 0x620 <= code <= 0x6FF or code >= 0x800
    )


def _is_usual(char: str) -> bool:
    encoded = char.encode("gb18030")
    return len(encoded) == 2 and 0xB0 <= encoded[0] <= 0xD7 and encoded[1] >= 0xA1


def _is_chinese(char: str) -> bool:
    """Ideographs, CJK punctuation, full-width forms, and the middle dot of transcribed names."""
    code = ord(char)
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0x20000 <= code <= 0x3FFFF
        or 0x3000 <= code <= 0x303F
        or 0xFF00 <= code <= 0xFF60
        or char in "·—“”‘’…、。"
    )


def _foreign_to_latin(raw: bytes, run: re.Match[bytes]) -> bool:
    """Whether two or more high bytes in a row are no part of a Latin-1 word.

    They are when all are letters, and there are but two of them next to an ASCII letter (größer, AÇÃO), or
    one letter is repeated (jäääär).
    """
    found = run[0]
    if not all(byte in _LETTERS for byte in found):
        return True
    if len(found) > 2:
        return len(set(found)) > 1
    return not raw[max(run.start() - 1, 0) : run.start()].isalpha() and not raw[run.end() :][:1].isalpha()


# To bytes


def encode(text: str, vr: str, character_sets: Sequence[str] = ()) -> bytes | None:
    """The text under the declared sets, unpadded; None where they cannot represent it.

    With code extensions the shortest set in declared order is used, and the value returns to its initial
    state before every delimiter and at its end (PS3.5 6.1.2.5.3).
    """
    if text.isascii():
        return text.encode("ascii")
    if vr not in TEXT_VRS:
        return None
    plan = _plan(tuple(character_sets))
    try:
        if plan.whole is not None:
            return text.encode(plan.whole)
        return _encode_switching(text, plan.sets)
    except UnicodeEncodeError:
        return None


def _encode_switching(text: str, sets: tuple[_Set, ...]) -> bytes:
    initial_g1 = sets[0] if sets[0].g1 else None
    base = _ROMAJI if sets[0].number == 13 else _ASCII
    g0, g1 = base, initial_g1
    out = bytearray()
    for char in text:
        if char.isascii():
            if g0 is not base:
                out += base.escape
                g0 = base
            if char in "\\^=\r\n\f\t":
                g1 = initial_g1
            out += char.encode("ascii")
            continue
        chosen, code = _choose(char, sets, preferred=(g0, g1))
        if chosen.g1 and chosen is not g1:
            out += chosen.escape
            g1 = chosen
        elif not chosen.g1 and chosen is not g0:
            out += chosen.escape
            g0 = chosen
        out += code
    if g0 is not base:
        out += base.escape
    return bytes(out)


def _choose(char: str, sets: tuple[_Set, ...], *, preferred: tuple[_Set | None, ...]) -> tuple[_Set, bytes]:
    for one in (*preferred, *sets):
        code = _encode_one(char, one) if one is not None else None
        if one is not None and code is not None:
            return one, code
    raise UnicodeEncodeError("dicom", char, 0, 1, "not in the declared character sets")


def _encode_one(char: str, one: _Set) -> bytes | None:
    try:
        code = char.encode(one.codec)
    except UnicodeEncodeError:
        return None
    if one.number in (87, 159):
        kana, lead = code[:1] == b"\x8e", code[:1] == b"\x8f"
        if kana or lead != (one.number == 159):
            return None
        return bytes(byte & 0x7F for byte in code[-2:])
    if one.number == 58 and not _is_gb_2312(code):
        return None
    return code if len(code) == (2 if one.pairs else 1) else None


def _is_gb_2312(code: bytes) -> bool:
    try:
        return bool(code.decode("gb2312"))
    except UnicodeDecodeError:
        return False
