"""Whose document it is, and what it is: the lines above every rendered document."""

import re
from collections.abc import Iterator

from pacsd.codec.documents.json_model import Attributes, date, date_time, items, string, time
from pacsd.codec.documents.structured_report import ContentItem
from pacsd.codec.documents.words import word
from pacsd.codec.text import has_han

Line = tuple[str, str]                   # label, text

_LANGUAGE_CODES = ("121049", "121045", "121046", "121047")      # PS3.16 TID 1204: language of content item …
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_FLAGS = ("0040A491", "0040A496", "0040A493")


def language(attributes: Attributes, root: ContentItem | None = None) -> str:
    """The document's language by what it says (PS3.16 TID 1204), else Chinese where its text is; "" if unknown."""
    for child in root.children if root else ():
        if child.concept and child.concept.value in _LANGUAGE_CODES and child.language:
            return child.language if _LANGUAGE.fullmatch(child.language) else ""
    texts = [string(attributes, tag) for tag in ("00080080", "00081030")]
    for one in root.walk() if root else ():
        texts += [one.text, str(one.concept or "")]
    return "zh" if any(map(has_han, texts)) else ""


def of_patient(attributes: Attributes, language: str) -> Iterator[Line]:
    """Patient and study (PS3.3 C.7.1.1, C.7.2.1), as far as they are known."""
    sex = string(attributes, "00100040")
    study_date = " ".join((date(string(attributes, "00080020")), time(string(attributes, "00080030")))).strip()
    lines = (
        ("patient", string(attributes, "00100010")),
        ("patient_id", string(attributes, "00100020")),
        ("birth_date", date(string(attributes, "00100030"))),
        ("sex", word(sex, language)),
        ("study", string(attributes, "00081030")),
        ("study_date", study_date),
        ("accession_number", string(attributes, "00080050")),
        ("referring_physician", string(attributes, "00080090")),
        ("institution", string(attributes, "00080080")),
    )
    return ((word(key, language), text) for key, text in lines if text)


def of_report(attributes: Attributes, language: str) -> Iterator[Line]:
    """What makes a report one: its date, its state, who verified it (PS3.3 C.17.2)."""
    when = " ".join((date(string(attributes, "00080023")), time(string(attributes, "00080033")))).strip()
    if when:
        yield word("content_date", language), when
    flags = [word(flag, language) for flag in (string(attributes, tag) for tag in _FLAGS) if flag]
    if flags:
        yield word("status", language), ", ".join(flags)
    for observer in items(attributes, "0040A073"):
        who = string(observer, "0040A075"), string(observer, "0040A027"), date_time(string(observer, "0040A030"))
        yield word("verified_by", language), ", ".join(filter(None, who))
