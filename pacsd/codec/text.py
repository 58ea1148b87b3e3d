"""Text as it is searched: one normal form, a person name's groups, pinyin, and grams for infix search."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# Characters that NFKD leaves whole although people search them by their plain letters.
_FOLDED = str.maketrans({
    "ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d",
})
MAX_GRAM_TEXT = 1024


@dataclass(frozen=True, slots=True)
class NameKeys:
    """The normal forms of a person name's component groups (PS3.5 6.2.1.1), components joined by one space.

    `pinyin` holds the reading of the Chinese characters, wherever they stood, one syllable a character; it is
    empty without any.
    """

    alphabetic: str
    ideographic: str
    phonetic: str
    pinyin: str


def normalise(text: str) -> str:
    """The searchable form: NFKC, case folded, accents stripped, white space and carets collapsed, trimmed.

    Idempotent. Kana voicing marks stay: they are letters, not accents.
    """
    if text.isascii():
        return " ".join(text.replace("^", " ").replace("\0", " ").lower().split())
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = "".join(char for char in unicodedata.normalize("NFKD", folded) if not _is_accent(char))
    plain = unicodedata.normalize("NFKC", bare).translate(_FOLDED)
    return " ".join(plain.replace("^", " ").replace("\0", " ").split())


def _is_accent(char: str) -> bool:
    return "\u0300" <= char <= "\u036f" or "\u1ab0" <= char <= "\u1aff" or "\u1dc0" <= char <= "\u1dff"


def name_keys(person_name: str) -> NameKeys:
    """The keys of one decoded PN value; the pinyin also of Chinese characters in the alphabetic group."""
    groups = [normalise(group) for group in ([*person_name.split("="), "", "", ""])[:3]]
    chinese = next((group for group in (groups[1], groups[0]) if has_han(group)), "")
    return NameKeys(groups[0], groups[1], groups[2], pinyin(chinese) if chinese else "")


def has_han(text: str) -> bool:
    """Whether a CJK ideograph is in it."""
    return not text.isascii() and any(is_han(char) for char in text)


def is_han(char: str) -> bool:
    """Whether it is a CJK ideograph."""
    code = ord(char)
    return 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0x20000 <= code <= 0x3FFFF


@lru_cache(maxsize=4096)
def pinyin(name: str) -> str:
    """The reading of a normalised Chinese name without tones, the surname read as one (单 is shan), ü as v.

    Syllables are separated by one space. pypinyin is loaded at first use: its tables take 20 MB.
    """
    compact = name.replace(" ", "")
    surname = next((compact[:size] for size in (2, 1) if compact[:size] in SURNAMES), "")
    given = compact[len(surname) :]
    end = next((at for at, char in enumerate(given) if char.isascii()), len(given))
    if given[end:].isascii() and all(map(is_han, given[:end])):      # numbers behind characters stay as they are
        read = (*_read(given[:end]), *filter(None, (given[end:],)))
    else:
        read = _read(given)
    return " ".join((*SURNAMES.get(surname, "").split(), *read))


@lru_cache(maxsize=16_384)
def _read(characters: str) -> tuple[str, ...]:
    """The reading of characters, which are fewer than names: patients share them."""
    from pypinyin import Style, lazy_pinyin

    return tuple(lazy_pinyin(characters, style=Style.NORMAL)) if characters else ()


# Surnames read otherwise than the character alone usually is.
SURNAMES: dict[str, str] = {
    "单": "shan", "單": "shan", "曾": "zeng", "仇": "qiu", "解": "xie", "任": "ren", "朴": "piao",
    "查": "zha", "华": "hua", "華": "hua", "区": "ou", "區": "ou", "盖": "ge", "蓋": "ge", "覃": "qin",
    "翟": "zhai", "乐": "yue", "樂": "yue", "秘": "bi", "种": "chong", "员": "yun", "員": "yun",
    "繁": "po", "那": "na", "纪": "ji", "紀": "ji", "缪": "miao", "繆": "miao", "折": "she", "冼": "xian",
    "隗": "wei", "车": "che", "車": "che", "祭": "zhai", "句": "gou", "谌": "chen", "諶": "chen",
    "宁": "ning", "寧": "ning", "万俟": "mo qi", "尉迟": "yu chi", "尉遲": "yu chi", "澹台": "tan tai",
    "澹臺": "tan tai", "单于": "chan yu", "單于": "chan yu", "令狐": "ling hu", "长孙": "zhang sun",
    "長孫": "zhang sun",
}


def grams(text: str) -> set[str]:
    """What an infix search looks up: every bigram of the normal form, and every CJK character alone.

    Spaces are no part of a gram. Text beyond MAX_GRAM_TEXT characters is not indexed.
    """
    found: set[str] = set()
    for word in normalise(text)[:MAX_GRAM_TEXT].split():
        found.update(word[at : at + 2] for at in range(len(word) - 1))
        found.update(char for char in word if _is_whole(char))
        if len(word) == 1:
            found.add(word)
    return found


def _is_whole(char: str) -> bool:
    """Whether one character is searched for alone: ideographs, kana, hangul."""
    return is_han(char) or "\u3040" <= char <= "\u30ff" or "\uac00" <= char <= "\ud7a3"
