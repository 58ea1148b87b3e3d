"""Acknowledgements: which are wanted, and how they are written (HL7 v2.5.1 2.9.2, 2.9.3, 2.15.5, 2.15.8).

Original mode, where MSH-15 and MSH-16 are empty: one answer, AA, AE or AR. Enhanced mode: an accept acknowledgement
(CA, CE, CR) where MSH-15 asks for it, and an application acknowledgement (AA, AE, AR) where MSH-16 does; an empty one
of the two means never. Here both are made after the message took effect, and the one follows the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hl7.character_sets import BY_NAME, encode
from hl7.conditions import Condition, Hl7Error, Location
from hl7.escapes import escape
from hl7.header import Header

VERSIONS = ("2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2")
OUR_VERSION = "2.5.1"

# table 0155 -> whether a success, whether a failure is told
_TOLD = {"AL": (True, True), "NE": (False, False), "SU": (True, False), "ER": (False, True), "": (False, False)}
_ALWAYS = (True, True)                           # also for what is not in the table: silence would hang the sender


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which acknowledgements a message asks for; the codes of table 0008 begin with `accept` C, `application` A."""

    enhanced: bool
    accept: bool
    application: bool


def wanted(header: Header, *, success: bool) -> Wanted:
    """What MSH-15 and MSH-16 ask for, of a success or a failure (HL7 table 0155)."""
    accept, application = header.sent(15).upper(), header.sent(16).upper()
    if not accept and not application:
        return Wanted(False, False, True)
    which = 0 if success else 1
    return Wanted(True, _TOLD.get(accept, _ALWAYS)[which], _TOLD.get(application, _ALWAYS)[which])


def answers(
    header: Header | None, error: Hl7Error | None, *, at: datetime, control_ids: Iterable[str]
) -> list[bytes]:
    """The acknowledgements a message gets, in their order; none where it asks for none.

    `header` is None where the message has none: then nothing can be echoed. `control_ids` are for as many answers.
    """
    if header is None:
        failed = error or Hl7Error(Condition.SEGMENT_SEQUENCE, Location("MSH"), "a message begins with MSH")
        return [_unaddressed(failed, at, next(iter(control_ids)))]
    asked = wanted(header, success=error is None)
    kinds = [kind for kind, told in (("C", asked.accept), ("A", asked.application)) if told]
    return [
        _written(header, _code(kind, error), error, at, control_id, enhanced=asked.enhanced)
        for kind, control_id in zip(kinds, control_ids, strict=False)
    ]


def _code(kind: str, error: Hl7Error | None) -> str:
    """Table 0008: Accept, Error, Reject."""
    return kind + ("A" if error is None else "R" if error.rejected else "E")


def _written(
    header: Header, code: str, error: Hl7Error | None, at: datetime, control_id: str, *, enhanced: bool
) -> bytes:
    known = answered_version(header)
    msh = answer_header(header, _type(header, known), at, control_id, enhanced=enhanced)
    msa = ["MSA", code, header.sent(10)]
    lines = [msh, msa]
    if error is not None:
        if _before(known, "2.7"):
            msa.append(escape(error.text, header.delimiters))
        lines.append(error_segment(header, error))
    return written(header, lines)


def answered_version(header: Header) -> str:
    """The version of the answer: that of the message, where it is read here."""
    version = header.sent(12).split(header.delimiters.component)[0]
    return version if version in VERSIONS else OUR_VERSION


def answer_header(header: Header, kind: str, at: datetime, control_id: str, *, enhanced: bool) -> list[str]:
    """MSH of an answer to a message; `kind` is its MSH-9."""
    marks, known = header.delimiters, answered_version(header)
    version = header.sent(12).split(marks.component)[0]
    charset = BY_NAME.get(header.declared_character_set.upper())
    return [
        "MSH", marks.encoding_characters, header.sent(5), header.sent(6), header.sent(3), header.sent(4),
        f"{at:%Y%m%d%H%M%S%z}", "", kind, control_id, header.sent(11) or "P",
        header.sent(12) if known == version else OUR_VERSION, "", "",
        "NE" if enhanced else "", "NE" if enhanced else "", "", charset.name if charset and charset.codec else "",
    ]  # fmt: skip


def error_segment(header: Header, error: Hl7Error) -> list[str]:
    """ERR in the form of the message's version."""
    marks = header.delimiters
    text = escape(error.text, marks)
    return _err(error, text, answered_version(header), marks.component, marks.subcomponent or "&")


def written(header: Header, lines: Sequence[Sequence[str]]) -> bytes:
    """Segments in the separators and the character set of the message they answer."""
    mark = header.delimiters.field
    return encode("".join(mark.join(line).rstrip(mark) + "\r" for line in lines), header.character_set)


def _type(header: Header, version: str) -> str:
    event, mark = header.first(9, 2), header.delimiters.component
    if version == "2.2" or not event:
        return "ACK"
    return mark.join(("ACK", event) if version == "2.3" else ("ACK", event, "ACK"))


def _err(error: Hl7Error, text: str, version: str, component: str, subcomponent: str) -> list[str]:
    condition, place = error.condition, error.location
    coded = (condition.code, condition.meaning, "HL70357")
    if _before(version, "2.5"):                  # data type ELD: segment, sequence, field, coded error
        parts = (place.parts() if place else [])[:3]
        return ["ERR", component.join([*parts, *[""] * (3 - len(parts)), subcomponent.join(coded)])]
    where = component.join(place.parts()) if place else ""
    return ["ERR", "", where, component.join(coded), "E", "", "", "", text]


def _before(version: str, other: str) -> bool:
    return VERSIONS.index(version) < VERSIONS.index(other)


def _unaddressed(error: Hl7Error, at: datetime, control_id: str) -> bytes:
    lines = (
        f"MSH|^~\\&|||||{at:%Y%m%d%H%M%S%z}||ACK|{control_id}|P|{OUR_VERSION}",
        "MSA|AR|",
        "|".join(_err(error, error.text, OUR_VERSION, "^", "&")),
    )
    return "".join(f"{line}\r" for line in lines).encode("ascii")
