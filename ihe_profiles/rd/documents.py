"""Documents about imaging as reports: MDM with content, and the cancellation of one (HL7 v2.5.1 9.4, 9.6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from config.hl7_mapping import FIELDS
from hl7.conditions import Condition, Hl7Error, Location
from hl7.ports import Handled, Sender
from hl7.reading import Reading
from ihe_profiles.rd.fields import (
    MOST_ORDERS,
    Group,
    Placed,
    code,
    entity,
    first_of,
    order,
    patients,
    person,
    placed,
    when,
)
from ihe_profiles.rd.observations import Observed, observed
from ihe_profiles.rd.reception import Taking, Told
from pacsd.index.work import Work
from pacsd.reports.report import Code, Content, Order, Status, same_orders


@dataclass(frozen=True, slots=True)
class DocumentType:
    """One event. `parent`: whether TXA-13 names the document that this one adds to or stands for."""

    event: str
    structure: str
    effect: str
    content: bool = True
    parent: bool = False
    addendum: bool = False


DOCUMENT_TYPES = (
    DocumentType("T02", "MDM_T02", "document"),
    DocumentType("T04", "MDM_T02", "document"),                          # its status changed
    DocumentType("T06", "MDM_T02", "addendum", parent=True, addendum=True),
    DocumentType("T08", "MDM_T02", "document"),                          # it was edited
    DocumentType("T10", "MDM_T02", "replacement", parent=True),
    DocumentType("T11", "MDM_T01", "cancellation", content=False),
)
# HL7 table 0271; and table 0273, which counts over it
COMPLETION: Mapping[str, Status] = {
    **dict.fromkeys(("AU", "LA"), Status.FINAL),
    **dict.fromkeys(("DI", "DO", "IN", "IP", "PA"), Status.PRELIMINARY),
}
TAKEN_BACK = frozenset(("CA", "OB"))             # deleted, obsolete
AVAILABILITY = frozenset(("", "AV", "UN", *TAKEN_BACK))


class Documents:
    """Acts on MDM messages."""

    def __init__(self, taking: Taking) -> None:
        self._taking = taking

    def handled(self) -> tuple[Handled, ...]:
        """The messages that are acted on."""
        return tuple(Handled("MDM", one.event, self._act(one), (), one.structure) for one in DOCUMENT_TYPES)

    def _act(self, kind: DocumentType) -> "_Action":
        return _Action(kind, self._taking)


@dataclass(frozen=True, slots=True)
class _Action:
    """Takes the document of one kind of message in."""

    kind: DocumentType
    taking: Taking

    def __call__(self, work: Work, reading: Reading, sender: Sender) -> Sequence[str]:
        whose = patients(reading, sender)
        return self.taking.take(work, reading, sender, whose, [_told(self.kind, reading)])


def _told(kind: DocumentType, reading: Reading) -> Told:
    found = placed(reading)
    at = next((number for number, one in enumerate(found) if one.segment.name == "TXA"), None)
    if at is None:
        raise Hl7Error(Condition.SEGMENT_SEQUENCE, Location("TXA"), "without the segment TXA")
    group = Group(reading, found[at:], first_of(found[:at]))
    names = _names(kind, group)
    status = _status(kind, group)
    segments = group.segments("OBX")
    said = observed(group, segments) if segments and kind.content else None
    if status is not Status.CANCELLED and (said is None or not said.observations):
        where = segments[0].location(5) if segments else Location("OBX")
        raise Hl7Error(Condition.REQUIRED_FIELD, where, "a document that says nothing")
    about = _orders(kind, group, found[:at], said)
    content = _content(group, status, about)
    return Told(1, Location("TXA", 1, 12), names, status, content, said, addendum=kind.addendum)


def _names(kind: DocumentType, group: Group) -> tuple[str, ...]:
    """What identifies the report: what the sender's mapping says does, else the numbers of the document and its parent.

    An addendum is part of its parent, and no report of its own; what replaces a document is known by both numbers.
    """
    mapping = group.reading.mapping
    own, parent = _number(group, "TXA-12"), _number(group, "TXA-13")
    if not own:
        raise Hl7Error(Condition.REQUIRED_FIELD, Location("TXA", 1, 12), "without a document's number")
    if kind.parent and not parent:
        raise Hl7Error(Condition.REQUIRED_FIELD, Location("TXA", 1, 13), "without the number of the parent document")
    if mapping.path("report_id") != FIELDS["report_id"] and (said := entity(group, "report_id", "")):
        return (f"report {said}",)
    if kind.addendum:
        return (f"document {parent}",)
    return (f"document {parent}", f"document {own}") if kind.parent else (f"document {own}",)


def _number(group: Group, place: str) -> str:
    value, namespace, universal = group.parts(place, 3)
    return f"{value}^{namespace or universal}".rstrip("^") if value else ""


def _status(kind: DocumentType, group: Group) -> Status:
    if not kind.content:
        return Status.CANCELLED
    availability = group.at("TXA-19")
    if availability not in AVAILABILITY:
        raise Hl7Error(Condition.TABLE_VALUE, Location("TXA", 1, 19), "no availability of table 0273")
    if availability in TAKEN_BACK:
        return Status.CANCELLED
    said = group.reading.mapping.code("report_status", group.at("TXA-17"))
    if not said:
        raise Hl7Error(Condition.REQUIRED_FIELD, Location("TXA", 1, 17), "without a completion status")
    if said not in COMPLETION:
        raise Hl7Error(Condition.TABLE_VALUE, Location("TXA", 1, 17), "no completion status of table 0271")
    if availability == "UN":                     # not yet for care, whatever is signed
        return Status.PRELIMINARY
    status = COMPLETION[said]
    corrects = kind.event in ("T08", "T10") and status is Status.FINAL
    return Status.CORRECTED if corrects else status


def _orders(
    kind: DocumentType, group: Group, before: Sequence[Placed], said: Observed | None
) -> tuple[Order, ...]:
    """Of TXA-14 and TXA-15, and of each OBR before TXA; a cancellation need not name any."""
    reading = group.reading
    uids = said.study_instance_uids if said else ()
    headers = [one for one in before if one.segment.name == "OBR"]
    if len(headers) > MOST_ORDERS:
        place = Location("OBR", headers[MOST_ORDERS].sequence)
        raise Hl7Error(Condition.VALUE_TOO_LONG, place, f"more than {MOST_ORDERS} orders")
    common = first_of((*(one for one in before if one.segment.name not in ("OBR", "ORC")), *group.own))
    uid = uids[0] if uids else ""
    own = [order(Group(reading, (one,), common), uid) for one in headers] or [order(Group(reading, (), common), uid)]
    placer, filler = group.at("TXA-14"), group.at("TXA-15")
    orders = same_orders((*(_completed(one, placer, filler) for one in own), *(Order(uid) for uid in uids[1:])))
    if not orders and kind.content and not kind.parent:
        text = "neither a study nor an accession number nor an order"
        raise Hl7Error(Condition.REQUIRED_FIELD, Location("TXA", 1, 15), text)
    return orders


def _completed(one: Order, placer: str, filler: str) -> Order:
    return replace(
        one, placer_order_number=one.placer_order_number or placer,
        filler_order_number=one.filler_order_number or filler,
    )  # fmt: skip


def _content(group: Group, status: Status, about: tuple[Order, ...]) -> Content:
    (header, *_) = group.segments("TXA")
    author, _ = person(group, "TXA-9")
    signer, signed = person(group, "TXA-22")
    assigned, _ = person(group, "TXA-10")
    final = status in (Status.FINAL, Status.CORRECTED)
    times = [when(group, group.at(f"TXA-{number}"), Location("TXA", 1, number)) for number in (8, 6, 4)]
    issued = next(filter(None, (signed, *times)), "")
    verifier = (signer or assigned) if final else None
    request = group.segment("OBR")
    procedure = code(group, request, 4) if request else None
    return Content(
        procedure=procedure or code(group, header, 2) or Code(""),
        orders=about,
        author=author or verifier,
        verifier=verifier,
        issued=issued,
        verified=(signed or issued) if verifier else "",
    )
