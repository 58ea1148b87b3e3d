"""Identifiers inside other text: found by what an object says elsewhere, and by how identifiers look.

Names are found in every order and spelling that people write them in: 张三丰, ZHANG SANFENG, Zhang San Feng,
Sanfeng Zhang, zhangsanfeng, 张先生. What is found is replaced by `REMOVED`, or by the pseudonym of a UID.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, permutations

from pacsd.codec.text import has_han, is_han, normalise, pinyin
from pacsd.faults import Fault, PacsdError

REMOVED = "***"
MAX_PATTERNS = 2_000                     # of one object, some ten for each person; hostile files name anybody
_MIN_WORD, _MIN_IDENTIFIER, _MIN_EXACT, _MAX_TOKENS = 3, 4, 6, 5
_TITLES = "先生|女士|小姐|太太|某|患者|病人|同志|医生|醫生|主任|教授|护士"
_COMPOUND = (
    "欧阳", "歐陽", "司马", "司馬", "上官", "诸葛", "諸葛", "尉迟", "尉遲", "令狐", "皇甫", "慕容", "司徒", "夏侯",
)  # fmt: skip
_SEPARATOR = r"[\s^,.'’_=\-]*"
_LETTER = r"[^\W\d_]"
_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_UID = re.compile(r"(?<![\d.])[0-2](?:\.\d+){5,}(?![\d.])")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DAY, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:19|20)"
_DATES = (
    r"(?<!\d)(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{6}(?:\.\d+)?)?(?!\d)",
    r"(?<!\d)(?:19|20)\d{2}\s?[-/.年]\s?(?:0?[1-9]|1[0-2])\s?[-/.月]\s?(?:0?[1-9]|[12]\d|3[01])(?!\d)日?",
    r"(?<!\d)(?:0?[1-9]|[12]\d|3[01])[-/.](?:0?[1-9]|[12]\d|3[01])[-/.](?:19|20)?\d{2}(?!\d)",
    rf"(?i)(?<!\w){_DAY}[- ]{_MONTH}[-, ]+{_YEAR}?\d{{2}}(?!\d)",
    rf"(?i)(?<!\w){_MONTH}\.? {_DAY},? {_YEAR}\d{{2}}(?!\d)",
)  # fmt: skip
_LOOKS = (
    r"(?<!\d)\d{17}[\dXx](?!\d)",                                       # GB 11643, the citizen identification number
    r"(?<!\d)\d{6}(?:\d{2})(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}(?!\d)",        # its form before 1999
    r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)",        # Chinese mobile telephones
    r"(?<!\d)0\d{2,3}[- ]\d{7,8}(?!\d)",                                # and others
    r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)",                                  # US social security
    r"(?<!\d)\+?\d{0,2}[ .-]?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)",    # North American telephones
    r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    r"(?i)\bhttps?://\S+",
    r"(?i)(?:\b(?:MRN|PID|patient\s*id|acc(?:ession)?(?:\s*(?:no|number|#))?)|住院号|门诊号|病历号|病案号|影像号|检查号|登记号|"
    r"床号|身份证号?|电话|手机)\s*[:：#]\s*[\w-]+",
    r"(?i)\b(?:patient(?:'s)?\s*name|name|dr\.?|prof\.?)\s*:\s*[^\s\d,;:]+(?:[ ,^][A-Z][^\s\d,;:]*)*",
    r"(?:姓名|患者姓名|病人姓名|报告医生|审核医生|申请医生|医师)\s*[:：]\s*[^\s,，;；。:：]{1,12}",
)


class Identifiers:
    """What is known to identify somebody in one object, and the cleaning of text that may repeat it.

    `uid` gives the pseudonym of a UID; `dates` tells whether dates in text stay (they do where full dates are kept).
    """

    def __init__(
        self, names: Iterable[str], values: Iterable[str], *, uid: Callable[[str], str] | None, dates: bool = False,
        also: Iterable[str] = (),
    ) -> None:  # fmt: skip
        """Raises PacsdError TOO_MUCH for more than can be looked for in reasonable time."""
        values = list(dict.fromkeys(values))
        patterns = sorted(_bounded_set(chain(_of_names(names), _of_values(values))), key=lambda one: (-len(one), one))
        self._known = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None
        exact = [re.escape(_aligned(one.strip())) for one in values if len(one.strip()) >= _MIN_EXACT]
        self._exact = re.compile("|".join(exact), re.IGNORECASE) if exact else None
        self._looks = [re.compile(one) for one in (*also, *_LOOKS, *(() if dates else _DATES))]
        self._uid = uid

    def cleaned(self, text: str) -> str:
        """The text without what identifies; the same text where nothing does."""
        folded = _aligned(text)
        spans = list(self._found(text, folded))
        if self._uid is not None:
            spans += [(*found.span(), self._uid(found[0])) for found in _UID.finditer(text)]
        return _replaced(text, spans) if spans else text

    def is_in(self, text: str) -> bool:
        """Whether a longer identifier stands in a word of a defined list, which is no text to be cleaned."""
        return self._exact is not None and self._exact.search(_aligned(text)) is not None

    def _found(self, text: str, folded: str) -> Iterator[tuple[int, int, str]]:
        if self._known is not None:
            yield from ((*found.span(), REMOVED) for found in self._known.finditer(folded) if found[0])
        for look in self._looks:
            yield from ((*found.span(), REMOVED) for found in look.finditer(text) if found[0])


def _replaced(text: str, spans: list[tuple[int, int, str]]) -> str:
    """Overlapping finds count as one; the first, of those that begin together the longest, says by what."""
    out, at = [], 0
    for start, end, by in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= at:
            out += [text[at:start], by]
        elif end > at and by != out[-1]:
            out.append(REMOVED)
        at = max(at, end)
    return "".join((*out, text[at:]))


def _aligned(text: str) -> str:
    """The text without accents, each character where it was."""
    if text.isascii():
        return text
    return "".join(plain if len(plain := normalise(char)) == 1 else char for char in text)


def _bounded_set(patterns: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        found.add(pattern)
        if len(found) > MAX_PATTERNS:
            raise PacsdError(Fault.TOO_MUCH, "the object names more people and identifiers than can be looked for")
    return found


def _of_names(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        for group in name.split("="):
            words = [word for word in _WORD.findall(normalise(group)) if not word.isdigit()]
            if not words:
                continue
            if has_han(group):
                yield from _of_han(words)
            else:
                yield from _of_words(words)


def _of_words(words: list[str]) -> Iterator[str]:
    """A name in letters: each longer word of it, and short ones next to each other."""
    yield from (_bounded(word) for word in words if len(word) >= _MIN_WORD)
    some = words[:_MAX_TOKENS] if len(words) < 5 else words[:3]
    if len(some) > 1:
        for order in permutations(some):
            for count in range(2, len(order) + 1):
                yield _whole(_SEPARATOR.join(map(re.escape, order[:count])))


def _of_han(words: list[str]) -> Iterator[str]:
    """A name in Chinese characters, its parts, its reading, and 张先生."""
    whole = "".join(word for word in words if has_han(word))
    han = "".join(filter(is_han, whole))
    if len(han) < 2:
        return
    surname = next((one for one in _COMPOUND if han.startswith(one)), han[0])
    given = han[len(surname) :]
    yield r"\s*".join(map(re.escape, han))
    if len(given) > 1:
        yield re.escape(given)
    yield f"{re.escape(surname)}(?:{_TITLES})"
    syllables = pinyin(han).split()
    first, rest = syllables[: len(surname)], syllables[len(surname) :]
    family, called = "".join(first), "".join(rest)
    if not called:
        return
    spaced = (_SEPARATOR.join(map(re.escape, part)) for part in (first, rest))
    one, other = spaced
    yield _whole(f"{one}{_SEPARATOR}{other}")
    yield _whole(f"{other}{_SEPARATOR}{one}")
    yield from (_whole(re.escape(part)) for part in (called, family) if len(part) > _MIN_WORD)


def _of_values(values: Iterable[str]) -> Iterator[str]:
    """Identifiers as they stand, between what are no letters or digits; numbers also without leading zeros."""
    for value in values:
        plain = _aligned(value.strip(" \0\r\n\t"))
        if len(plain) < 2 or (len(plain) < _MIN_IDENTIFIER and not has_han(plain)):
            continue
        if not any(char.isalnum() for char in plain):
            continue
        yield re.escape(plain) if has_han(plain) else _bounded(plain)
        bare = plain.lstrip("0")
        if bare != plain and bare.isdigit() and len(bare) >= _MIN_IDENTIFIER:
            yield _bounded(bare)


def _bounded(plain: str) -> str:
    """Long ones are found inside words, too."""
    return re.escape(plain) if len(plain) >= 6 else rf"(?<![^\W_]){re.escape(plain)}(?![^\W_])"


def _whole(pattern: str) -> str:
    return f"(?<!{_LETTER}){pattern}(?!{_LETTER})"
