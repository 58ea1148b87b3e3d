"""Person names as keys: what is stored, and what a query compares with it."""

from collections.abc import Iterable

from pacsd.codec.text import grams, has_han, name_keys
from pacsd.index.values import bounded

GROUPS = ("alphabetic", "ideographic", "phonetic", "pinyin")

NameColumns = tuple[str | None, str | None, str | None, str | None]


def name_columns(name: str | None) -> NameColumns:
    """The four key columns of a person name (groups joined by `=`), None where a group says nothing."""
    if not name:
        return (None, None, None, None)
    keys = name_keys(name)
    alphabetic, ideographic, phonetic, pinyin = (
        bounded(key) or None for key in (keys.alphabetic, keys.ideographic, keys.phonetic, keys.pinyin)
    )
    if ideographic is None and alphabetic is not None and has_han(alphabetic):
        ideographic = alphabetic               # sent in one group, as most Chinese devices do
    return (alphabetic, joined(ideographic), joined(phonetic), joined(pinyin))


def joined(key: str | None) -> str | None:
    """A key of the other groups: where the family name ends is rarely marked there, 张^三 and 张三 are one name."""
    return (key.replace(" ", "") or None) if key else None


def name_grams(columns: Iterable[str | None]) -> set[str]:
    """The grams of all groups, for infix search."""
    return {gram for column in columns if column for gram in grams(column)}
