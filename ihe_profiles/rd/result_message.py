"""A report as an ORU^R01 message (IHE RAD RD 4.128, RAD-28), in a destination's version and character set."""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hl7.acknowledgement import VERSIONS
from hl7.character_sets import CharacterSet
from hl7.delimiters import STANDARD
from hl7.escapes import escape
from pacsd.reports.counting import Counting
from pacsd.reports.report import Code, Document, Observation, Order, Patient, Person, Status
from pacsd.reports.sections import ADDENDUM, BY_NAME, DEFAULT
from pacsd.reports.wording import TEXTS, clean, worded

SENDING_APPLICATION = "PACSD"
MESSAGE_TYPE = "ORU^R01"
STATUSES = {Status.PRELIMINARY: "P", Status.FINAL: "F", Status.CORRECTED: "C", Status.CANCELLED: "X"}
_NO_PROCEDURE = Code("18748-4", "Diagnostic imaging study", "LN")
_UNNAMED = "^^^^^^U"                     # PID-5 is required: HL7 table 0200, unspecified
_STUDY = "113014^DICOM Study^DCM"
_PLACED = "JVBERi0="                     # stands for a document while a message is held against the standard
_CHUNK_BYTES = 3 << 18                   # a whole number of groups of base64


@dataclass(frozen=True, slots=True)
class Addressed:
    """To whom, and how. `facility`: ours, the organisation whose report it is."""

    application: str
    facility: str
    own_facility: str
    version: str
    character_set: CharacterSet


@dataclass(frozen=True, slots=True)
class Known:
    """Who the patient is now, after merges and updates: of the first identifier of the report that is known here."""

    patient_id: str
    assigning_authority: str
    patient: Patient


@dataclass(frozen=True, slots=True)
class ResultMessage:
    """A message, with its documents still outside of it."""

    segments: tuple[str, ...]
    documents: tuple[Document, ...]
    character_set: CharacterSet

    def example(self) -> bytes:
        """As it is checked: with a few bytes for each document. Raises UnicodeEncodeError."""
        return self._encoded(lambda document: iter((_PLACED.encode(),)))

    def whole(self, chunks: Callable[[Document], Iterator[bytes]]) -> bytes:
        """As it is sent; what the character set does not have, which an example finds, is a question mark."""
        return self._encoded(lambda document: _base64(chunks(document)), "replace")

    def _encoded(self, data: Callable[[Document], Iterator[bytes]], errors: str = "strict") -> bytes:
        made = bytearray()
        documents = iter(self.documents)
        for segment in self.segments:
            head, mark, tail = segment.partition("\0")
            made += head.encode(self.character_set.codec or "ascii", errors)
            if mark:
                for chunk in data(next(documents)):
                    made += chunk
            made += tail.encode(self.character_set.codec or "ascii", errors) + b"\r"
        return bytes(made)


def control_id(state: Counting) -> str:
    """MSH-10, which follows from the version: whoever gets the message twice can tell."""
    return base64.b32encode(hashlib.blake2b(state.newest.uid.encode(), digest_size=10).digest()).decode()


def message_of(state: Counting, known: Known, to: Addressed, *, at: datetime) -> ResultMessage:
    """The report as it reads in that state. `at`: MSH-7."""
    content = state.content
    status = STATUSES[state.status]
    observations = () if state.status is Status.CANCELLED else content.observations
    first, *more = content.orders or (Order(),)
    lines = [*_studies(content.orders), *_observations(observations, status, to.version)]
    if not observations:
        lines.append(_nothing(status))
    segments = [
        _msh(state, to, at), _pid(known, to.version),
        *_order(1, first, content.procedure, state, status),
        *_numbered(lines),
    ]  # fmt: skip
    for number, order in enumerate(more, 2):
        if order.placer_order_number or order.filler_order_number or order.accession_number:
            segments += _order(number, order, content.procedure, state, status)
            segments += _numbered([_nothing(status)] if _before(to.version, "2.5") else [])
    documents = tuple(one.document for one in observations if one.document is not None)
    return ResultMessage(tuple(segments), documents, to.character_set)


def _msh(state: Counting, to: Addressed, at: datetime) -> str:
    kind = MESSAGE_TYPE if to.version == "2.3" else "ORU^R01^ORU_R01"
    parts = map(_written, (SENDING_APPLICATION, to.own_facility, to.application, to.facility))
    return (
        f"MSH|^~\\&|{'|'.join(parts)}|{at:%Y%m%d%H%M%S%z}||{kind}|{control_id(state)}|P|{to.version}||||||"
        f"{to.character_set.name}"
    )


def _pid(known: Known, version: str) -> str:
    patient = known.patient
    names = [one for one in (
        _name(patient.name, "A" if patient.ideographic else ""), _name(patient.ideographic, "I"),
    ) if one] or [_UNNAMED]  # fmt: skip
    identifier = f"{_written(known.patient_id)}^^^{_written(known.assigning_authority)}^MR"
    sex = patient.sex or "U"
    return f"PID|1||{identifier}||{'~'.join(names)}||{patient.birth_date}|{sex}"


def _name(name: str, representation: str) -> str:
    """XPN: HL7 has suffix and prefix the other way round."""
    if not name:
        return ""
    family, given, middle, prefix, suffix = map(_written, (*name.split("^"), "", "", "", "")[:5])
    return "^".join((family, given, middle, suffix, prefix, "", "L", representation)).rstrip("^")


def _order(number: int, order: Order, procedure: Code, state: Counting, status: str) -> tuple[str, str]:
    placer, filler = _written(order.placer_order_number), _written(order.filler_order_number)
    content = state.content
    fields = {
        1: str(number), 2: placer, 3: filler, 4: _code(procedure if procedure.value else _NO_PROCEDURE),
        7: _digits(content.observed), 18: _written(order.accession_number), 22: _digits(content.issued), 25: status,
        32: _reader(content.verifier, content.verified), 33: _reader(content.author, ""),
    }  # fmt: skip
    return f"ORC|RE|{placer}|{filler}", "OBR|" + "|".join(fields.get(at, "") for at in range(1, 34)).rstrip("|")


def _digits(text: str) -> str:
    return _written(text)


def _reader(person: Person | None, time: str) -> str:
    """NDL: the person in subcomponents, then when."""
    if person is None:
        return ""
    family, given, middle, prefix, suffix = map(_written, (*person.name.split("^"), "", "", "", "")[:5])
    named = "&".join((_written(person.identifier), family, given, middle, suffix, prefix)).rstrip("&")
    return f"{named}^{_digits(time)}".rstrip("^")


def _nothing(status: str) -> str:
    """An observation without a value: what a cancelled report, and a further order before v2.5, must have."""
    return f"TX|{_code(BY_NAME[DEFAULT].loinc)}|||||||{status}"


def _before(version: str, other: str) -> bool:
    return VERSIONS.index(version) < VERSIONS.index(other)


def _numbered(lines: Sequence[str]) -> Iterator[str]:
    """OBX-1 counts segments, OBX-4 those of one OBX-3: v2.3.1 has it required."""
    counts: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        kind, about, rest = line.split("|", 2)
        counts[about] += 1
        yield f"OBX|{number}|{kind}|{about}|{counts[about]}|{rest}"


def _studies(orders: Sequence[Order]) -> Iterator[str]:
    for uid in dict.fromkeys(one.study_instance_uid for one in orders if one.study_instance_uid):
        yield f"ST|{_STUDY}|{uid}||||||O"


def _observations(observations: Sequence[Observation], status: str, version: str) -> Iterator[str]:
    """OBX-2, OBX-3, and from OBX-5 on: a line of a text is a segment of its own."""
    for one in observations:
        about, flags = _about(one), "~".join(map(_written, one.flags))
        if one.document is not None:
            yield f"ED|{about}|^application^pdf^Base64^\0||||||{status}"
        elif one.kind in TEXTS:
            for line in clean(one.text).split("\n"):
                yield f"TX|{about}|{_written(line)}|||{flags}|||{status}"
        elif one.kind == "NM" and one.text and "\n" not in one.text:
            units = _code(one.units) if one.units else ""
            yield f"NM|{about}|{one.text}|{units}|{_written(one.reference_range)}|{flags}|||{status}"
        elif one.value is not None:
            kind = "CE" if _before(version, "2.5") else "CWE"
            yield f"{kind}|{about}|{_code(one.value)}|||{flags}|||{status}"
        else:
            yield f"TX|{about}|{_written(worded(replace(one, flags=())))}|||{flags}|||{status}"


def _about(one: Observation) -> str:
    if one.label and one.code.value and one.section != ADDENDUM:
        return _code(one.code if one.code.scheme else replace(one.code, scheme="L"))
    return _code(BY_NAME[one.section].loinc)


def _code(code: Code) -> str:
    return "^".join(map(_written, (code.value, code.meaning, code.scheme))).rstrip("^")


def _written(text: str) -> str:
    return escape(text.replace("\0", ""), STANDARD)


def _base64(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        end = len(data) // 3 * 3
        yield base64.b64encode(data[:end])
        rest = data[end:]
    yield base64.b64encode(rest)
