"""Character sets of messages: MSH-18 and HL7 table 0211, read before anything is split.

The second byte of a GBK, GB 18030 or Big5 character may be `|`, `^`, `~` or the escape character, and every byte of a
two-byte Japanese one may: whoever splits bytes splits characters.
"""

from dataclasses import dataclass

from hl7.conditions import Condition, Hl7Error, Location
from hl7.delimiters import HEADERS

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MSH_18 = Location("MSH", 1, 18)


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """One of table 0211; `codec` is Python's, None where there is none that MLLP and a field separator survive."""

    name: str
    codec: str | None
    aliases: tuple[str, ...] = ()        # what senders write instead, and nobody here ever does


CHARACTER_SETS = (
    CharacterSet("ASCII", "ascii", ("US-ASCII", "ISO_IR 6", "ISO IR 6", "ISO IR6")),
    CharacterSet("8859/1", "iso8859-1", ("ISO-8859-1", "ISO8859-1", "8859-1", "ISO_IR 100", "LATIN1")),
    CharacterSet("8859/2", "iso8859-2", ("ISO-8859-2", "8859-2")),
    CharacterSet("8859/3", "iso8859-3", ("ISO-8859-3", "8859-3")),
    CharacterSet("8859/4", "iso8859-4", ("ISO-8859-4", "8859-4")),
    CharacterSet("8859/5", "iso8859-5", ("ISO-8859-5", "8859-5")),
    CharacterSet("8859/6", "iso8859-6", ("ISO-8859-6", "8859-6")),
    CharacterSet("8859/7", "iso8859-7", ("ISO-8859-7", "8859-7")),
    CharacterSet("8859/8", "iso8859-8", ("ISO-8859-8", "8859-8")),
    CharacterSet("8859/9", "iso8859-9", ("ISO-8859-9", "8859-9")),
    CharacterSet("8859/15", "iso8859-15", ("ISO-8859-15", "8859-15")),
    CharacterSet("UNICODE UTF-8", "utf-8", ("UTF-8", "UTF8", "UNICODE UTF8", "ISO_IR 192", "UNICODE")),
    CharacterSet("GB 18030-2000", "gb18030", ("GB18030", "GB 18030", "GB18030-2000", "GBK", "GB2312", "CP936")),
    CharacterSet("BIG-5", "cp950", ("BIG5", "BIG5-HKSCS", "CP950")),
    CharacterSet("KS X 1001", "cp949", ("EUC-KR", "CP949")),
    CharacterSet("ISO IR14", "shift_jis", ("SHIFT_JIS", "SJIS")),
    CharacterSet("ISO IR87", "iso2022_jp_2", ("JIS X 0202", "JAS2020", "ISO 2022 IR 87", "ISO-2022-JP")),
    CharacterSet("ISO IR159", "iso2022_jp_2"),
    # with zero bytes, and line ends and separators inside characters
    CharacterSet("UNICODE UTF-16", None, ("UTF-16",)),
    CharacterSet("UNICODE UTF-32", None, ("UTF-32",)),
    CharacterSet("CNS 11643-1992", None),
)
BY_NAME = {name.upper(): one for one in CHARACTER_SETS for name in (one.name, *one.aliases)}
# whose characters may hold a field separator, in the order in which a header is tried
_HIDING = tuple(one for one in CHARACTER_SETS if one.codec in ("gb18030", "cp950", "iso2022_jp_2", "shift_jis"))


def character_set(name: str) -> CharacterSet:
    """By the name of table 0211 or another that senders use. Raises Hl7Error for one nobody here reads."""
    found = BY_NAME.get(name.strip().upper())
    if found is None:
        raise Hl7Error(Condition.TABLE_VALUE, MSH_18, "MSH-18 is no character set of table 0211")
    if found.codec is None:
        raise Hl7Error(Condition.TABLE_VALUE, MSH_18, f"{found.name} is not read here")
    return found


def declared(header: bytes) -> str:
    """The first repetition of MSH-18 in the bytes of a header segment, empty where it says nothing.

    A name in MSH-3 to MSH-6 may hide separators: then the header makes sense only in the character set it names.
    """
    if is_ascii(header):
        return _eighteenth(header.decode("ascii"))
    for one in _HIDING:
        name = _eighteenth(header.decode(one.codec or "", "replace"))
        if BY_NAME.get(name.upper()) is one:
            return name
    return _eighteenth(header.decode("latin-1"))


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a message, and how it was read."""

    text: str
    character_set: CharacterSet
    declared: str                        # MSH-18 as sent, empty where it was not


def decode(data: bytes, *, default: str, overrides: bool = False) -> Decoded:
    """The text of a message that begins with a header segment.

    `default` counts where MSH-18 says nothing and, with `overrides`, whatever it says. A byte order mark counts as
    UTF-8 where nothing is said. Raises Hl7Error for an unknown character set, and for bytes that are none of its text.
    """
    marked = data.startswith(BYTE_ORDER_MARK)
    body = data[len(BYTE_ORDER_MARK) :] if marked else data
    said = declared(body[: _end_of_segment(body)]) if body[:3].decode("latin-1") in HEADERS else ""
    name = default if overrides or not said else said
    chosen = character_set("UNICODE UTF-8" if marked and not said else name)
    try:
        return Decoded(body.decode(chosen.codec or ""), chosen, said)
    except UnicodeDecodeError as error:
        reason = "MSH-18 says so" if name == said else "nothing else is said in MSH-18"
        text = f"byte {error.start} is not {chosen.name}, and {reason}"
        raise Hl7Error(Condition.DATA_TYPE, MSH_18, text) from None


def encode(text: str, chosen: CharacterSet) -> bytes:
    """Text in a character set; what it does not have becomes a question mark."""
    return text.encode(chosen.codec or "ascii", "replace")


def is_ascii(data: bytes) -> bool:
    """Whether the bytes are the same in every character set here but the 7-bit Japanese."""
    return data.isascii() and b"\x1b" not in data


def _end_of_segment(data: bytes) -> int:
    ends = [at for at in (data.find(b"\r"), data.find(b"\n")) if at >= 0]
    return min(ends, default=len(data))


def _eighteenth(header: str) -> str:
    """MSH-18 of a header's text, first repetition; the separator itself is MSH-1."""
    if len(header) < 5:
        return ""
    fields = header.split(header[3], 18)
    if len(fields) < 18:
        return ""
    repetition = fields[1][1:2] or "~"
    return fields[17].split(repetition, 1)[0].strip()
