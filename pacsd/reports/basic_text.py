"""A report as Basic Text SR (PS3.3 A.35.1) by the template Basic Diagnostic Imaging Report (PS3.16 TID 2000)."""

from collections.abc import Iterable, Mapping
from typing import Any

from pacsd.codec.text import has_han
from pacsd.reports import document
from pacsd.reports.document import Attributes, Subject, coded, element, sequence
from pacsd.reports.report import Code, Observation, Person
from pacsd.reports.sections import SECTIONS, Section
from pacsd.reports.wording import worded

SOP_CLASS_UID, KIND = "1.2.840.10008.5.1.4.1.1.88.11", "basic text"
SERIES_NUMBER = 9001
# schemes that HL7 table 0396 and PS3.16 8 call the same: others are written as words
_SCHEMES = frozenset(("LN", "SCT", "DCM", "RADLEX", "I10", "I9C", "UCUM", "SRT"))
_LANGUAGE = Code("121049", "Language of Content Item and Descendants", "DCM")
_CHINESE, _ENGLISH = Code("zh", "Chinese", "RFC5646"), Code("en", "English", "RFC5646")
_OBSERVER_TYPE, _PERSON = Code("121005", "Observer Type", "DCM"), Code("121006", "Person", "DCM")
_OBSERVER_NAME = Code("121008", "Person Observer Name", "DCM")


def has_text(subject: Subject) -> bool:
    """Whether there is anything to write."""
    return any(_said(one) for one in subject.state.content.observations)


def attributes(subject: Subject) -> Attributes:
    """The object's attributes, in the DICOM JSON Model."""
    made = document.common(
        subject, kind=KIND, sop_class_uid=SOP_CLASS_UID, modality="SR", series_number=SERIES_NUMBER
    )
    template = {"00080105": element("CS", "DCMR"), "0040DB00": element("CS", "2000")}
    return {
        **made,
        **document.requests(subject),
        **document.verifying_observers(subject),
        **document.author_observers(subject),
        **document.predecessors(subject, kind=KIND, sop_class_uid=SOP_CLASS_UID),
        "0040A040": element("CS", "CONTAINER"),
        "0040A043": sequence(coded(document.TITLE)),
        "0040A050": element("CS", "SEPARATE"),
        "0040A372": sequence(),
        "0040A491": element("CS", "COMPLETE" if subject.is_final else "PARTIAL"),
        "0040A496": element("CS", "FINAL" if subject.is_final else "PRELIMINARY"),
        "0040A504": sequence(template),
        "0040A730": sequence(*_content(subject)),
    }


def _content(subject: Subject) -> list[Attributes]:
    content = subject.state.content
    words = "".join(worded(one) for one in content.observations)
    language = _CHINESE if has_han(words) else _ENGLISH
    found = [_item("HAS CONCEPT MOD", "CODE", _LANGUAGE, {"0040A168": sequence(coded(language))})]
    if content.author is not None:
        found += _observer(content.author)
    for section in SECTIONS:
        items = list(_items(section, (one for one in content.observations if one.section == section.name)))
        if items:
            inside = {"0040A050": element("CS", "SEPARATE"), "0040A730": sequence(*items)}
            found.append(_item("CONTAINS", "CONTAINER", section.heading, inside))
    return found


def _observer(author: Person) -> list[Attributes]:
    """PS3.16 TID 1001, 1002, 1003."""
    return [
        _item("HAS OBS CONTEXT", "CODE", _OBSERVER_TYPE, {"0040A168": sequence(coded(_PERSON))}),
        _item("HAS OBS CONTEXT", "PNAME", _OBSERVER_NAME, {"0040A123": document.name(author.name)}),
    ]


def _items(section: Section, observations: Iterable[Observation]) -> Iterable[Attributes]:
    for one in observations:
        said = _said(one)
        if said:
            yield _item("CONTAINS", said[0], section.element, said[1])


def _said(one: Observation) -> tuple[str, Mapping[str, Any]] | None:
    """Value type and value; numbers are words, as a Basic Text SR has no others."""
    if one.document is not None:
        return None
    if one.value is not None and one.value.scheme in _SCHEMES and one.value.value and not one.label and not one.flags:
        return "CODE", {"0040A168": sequence(coded(one.value))}
    text = worded(one)
    return ("TEXT", {"0040A160": element("UT", text)}) if text else None


def _item(relationship: str, kind: str, concept: Code, value: Mapping[str, Any]) -> Attributes:
    return {
        "0040A010": element("CS", relationship), "0040A040": element("CS", kind),
        "0040A043": sequence(coded(concept)), **value,
    }  # fmt: skip
