"""What a report says, free of the protocol it came by, and how it is written down as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

import orjson


class Status(Enum):
    """What a version of a report is; the value is what stands on record."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    CORRECTED = "corrected"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept; `scheme` as DICOM and HL7 table 0396 name it, empty where it is local."""

    value: str
    meaning: str = ""
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, with the name in the order of DICOM's VR PN."""

    name: str
    identifier: str = ""
    authority: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """An encapsulated document, kept as a blob."""

    key: str
    media_type: str
    size_bytes: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing a report says. `section`: of pacsd.reports.sections; `text`: as people read it, lines by line feeds.

    `label`: what it is about, where its section does not say that.
    """

    code: Code
    section: str
    kind: str                            # HL7 table 0125
    text: str
    value: Code | None = None            # where it is coded
    units: Code | None = None
    flags: tuple[str, ...] = ()          # HL7 table 0078
    reference_range: str = ""
    status: str = "F"                    # HL7 table 0085
    label: str = ""
    document: Document | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What a report answers; each empty where it is not said."""

    study_instance_uid: str = ""
    accession_number: str = ""
    placer_order_number: str = ""
    filler_order_number: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """Of whom, as the message had it: the name as VR PN, the date as DA."""

    name: str = ""
    ideographic: str = ""
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What one version says. Times as HL7 writes them: with an offset only where the sender gave one."""

    procedure: Code = Code("")
    patient: Patient = Patient()
    orders: tuple[Order, ...] = ()
    author: Person | None = None
    verifier: Person | None = None
    issued: str = ""
    verified: str = ""
    observed: str = ""
    observations: tuple[Observation, ...] = ()

    @property
    def documents(self) -> tuple[Document, ...]:
        """All of its encapsulated documents."""
        return tuple(one.document for one in self.observations if one.document is not None)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a message says of a report.

    `names`: any of them identifies it, the first is told to others. `patients`: assigning authority and id. `addendum`:
    it adds to the report and does not stand for it. `uid` follows from the message, so that it is never taken twice.
    """

    uid: str
    names: tuple[str, ...]
    patients: tuple[tuple[str, str], ...]
    status: Status
    sender: str
    content: Content
    addendum: bool = False
    critical: bool = False
    issued_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """A statement as it is kept: which of its report's, when it was said, and what was made of it (`objects`: UIDs)."""

    number: int
    uid: str
    said_at: datetime
    issued_at: datetime | None
    status: Status
    addendum: bool
    critical: bool
    sender: str
    content: Content = field(repr=False)
    objects: tuple[str, ...] = ()


def written(content: Content) -> bytes:
    """JSON."""
    return orjson.dumps(content)


def read(text: str | bytes) -> Content:
    """The content that was written."""
    body: dict[str, Any] = orjson.loads(text)
    return Content(
        procedure=Code(**body["procedure"]),
        patient=Patient(**body["patient"]),
        orders=tuple(Order(**one) for one in body["orders"]),
        author=_person(body["author"]),
        verifier=_person(body["verifier"]),
        issued=body["issued"],
        verified=body["verified"],
        observed=body["observed"],
        observations=tuple(_observation(one) for one in body["observations"]),
    )


def _person(body: Mapping[str, str] | None) -> Person | None:
    return None if body is None else Person(**body)


def _code(body: Mapping[str, str] | None) -> Code | None:
    return None if body is None else Code(**body)


def _observation(body: Mapping[str, Any]) -> Observation:
    document = body["document"]
    return Observation(**{
        **body,
        "code": Code(**body["code"]),
        "value": _code(body["value"]),
        "units": _code(body["units"]),
        "flags": tuple(body["flags"]),
        "document": None if document is None else Document(**document),
    })  # fmt: skip


def same_orders(orders: Sequence[Order]) -> tuple[Order, ...]:
    """Each once, without those that say nothing."""
    return tuple(dict.fromkeys(one for one in orders if one != Order()))
