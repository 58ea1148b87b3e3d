"""Results of imaging orders as reports: ORU^R01 (IHE RAD-28 Structured Report Export, RAD-128 Send Imaging Result)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from config.hl7_mapping import FIELDS
from hl7.conditions import Condition, Hl7Error, Location
from hl7.ports import Handled, Sender
from hl7.reading import Reading
from hl7.times import moment
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
    sending_application,
    when,
)
from ihe_profiles.rd.observations import Observed, observed
from ihe_profiles.rd.reception import Taking, Told
from pacsd.index.work import Work
from pacsd.reports.report import Code, Content, Order, Status

RESULT_TYPES = (("R01", "ORU_R01", ("RAD-28", "RAD-128")),)          # event, structure, transactions

# HL7 table 0123
STATUSES: Mapping[str, Status] = {
    "F": Status.FINAL,
    "C": Status.CORRECTED,
    "P": Status.PRELIMINARY,
    "A": Status.PRELIMINARY,             # some results are there, not all
    "R": Status.PRELIMINARY,             # stored, not verified
    "M": Status.PRELIMINARY,             # corrected, not final
    "X": Status.CANCELLED,
}
NO_REPORT_YET = frozenset(("O", "I", "S", "N"))          # ordered, in process, scheduled, performed without results
_BEFORE_GROUP = ("NTE", "PRT", "TQ1", "TQ2")             # what may stand between an ORC and its OBR


class Results:
    """Acts on ORU messages."""

    def __init__(self, taking: Taking) -> None:
        self._taking = taking

    def handled(self) -> tuple[Handled, ...]:
        """The messages that are acted on."""
        return tuple(Handled("ORU", event, self.take, names, structure) for event, structure, names in RESULT_TYPES)

    def take(self, work: Work, reading: Reading, sender: Sender) -> Sequence[str]:
        """Every report that the message's orders got, and what is said of orders without one."""
        whose = patients(reading, sender)
        told, waiting = _told(reading)
        done = [f"no report yet: OBR-25 is {status}" for status in waiting]
        return [*done, *self._taking.take(work, reading, sender, whose, told)]


@dataclass(frozen=True, slots=True)
class _Result:
    """One group: an order, its status, and what was observed, None where no OBX stands there."""

    group: Group
    number: int
    status: str
    observed: Observed | None


def _told(reading: Reading) -> tuple[list[Told], list[str]]:
    """Reports, and the statuses of orders that have none yet.

    An order without observations beside one with them is answered by the same report (IHE RAD RD 4.128).
    """
    told: list[Told] = []
    waiting: list[str] = []
    also: list[Order] = []
    for number, group in enumerate(_groups(reading), 1):
        result = _result(group, number)
        if result.status in NO_REPORT_YET:
            waiting.append(result.status)
        elif result.observed is None and result.status != "X":
            also.append(order(group))
        else:
            told.append(_one(result))
    if also and not told:
        raise Hl7Error(Condition.SEGMENT_SEQUENCE, Location("OBX"), "a result without the segment OBX")
    if also:
        content = told[0].content
        told[0] = replace(told[0], content=replace(content, orders=(*content.orders, *also)))
    return told, waiting


def _groups(reading: Reading) -> list[Group]:
    """The orders of a message, each with what stands around its OBR. Raises Hl7Error for a message without any."""
    found = placed(reading)
    starts = [at for at, one in enumerate(found) if one.segment.name == "OBR"]
    if not starts:
        raise Hl7Error(Condition.SEGMENT_SEQUENCE, Location("OBR"), "without the segment OBR")
    if len(starts) > MOST_ORDERS:
        raise Hl7Error(Condition.VALUE_TOO_LONG, Location("OBR", MOST_ORDERS + 1), f"more than {MOST_ORDERS} orders")
    begins = [_begin(found, start) for start in starts]
    ends = [*begins[1:], len(found)]
    common = first_of(found[: begins[0]])
    return [Group(reading, found[at:end], common) for at, end in zip(begins, ends, strict=True)]


def _begin(found: Sequence[Placed], start: int) -> int:
    """Where the group of an OBR begins: at its ORC, where it has one."""
    for at in range(start - 1, 0, -1):
        if found[at].segment.name == "ORC":
            return at
        if found[at].segment.name not in _BEFORE_GROUP:
            break
    return start


def _result(group: Group, number: int) -> _Result:
    segments = group.segments("OBX")
    found = observed(group, segments) if segments else None
    status = group.reading.mapping.code("report_status", group.value("report_status"))
    return _Result(group, number, status or _followed(group, found), found)


def _followed(group: Group, found: Observed | None) -> str:
    """The status that follows from those of the observations, where OBR-25 says nothing."""
    said = found.statuses - {"O", "N", ""} if found else frozenset()
    if not said:
        raise Hl7Error(Condition.REQUIRED_FIELD, group.location("report_status"), "without a status of the result")
    if said <= {"F", "U", "X"}:
        return "F"
    return "X" if said <= {"D", "W"} else "C" if said <= {"F", "U", "C", "D", "W", "X"} else "P"


def _one(result: _Result) -> Told:
    group, found = result.group, result.observed
    status = STATUSES.get(result.status)
    if status is None:
        where, text = group.location("report_status"), "no status of a report in table 0123, or of the sender's mapping"
        raise Hl7Error(Condition.TABLE_VALUE, where, text)
    if status is not Status.CANCELLED and (found is None or not found.observations):
        first = group.segments("OBX")[:1]
        where = first[0].location(5) if first else Location("OBX")
        raise Hl7Error(Condition.REQUIRED_FIELD, where, "a report that says nothing")
    about = _orders(group, found)
    names, content = _names(group, about[0]), _content(group, status, about)
    return Told(result.number, group.location("report_id"), names, status, content, found)


def _orders(group: Group, found: Observed | None) -> tuple[Order, ...]:
    first, *more = (found.study_instance_uids if found else ()) or ("",)
    about = order(group, first)
    if about == Order():
        text = "neither a study nor an accession number nor an order"
        raise Hl7Error(Condition.REQUIRED_FIELD, group.location("accession_number"), text)
    return (about, *(Order(uid) for uid in more))


def _names(group: Group, about: Order) -> tuple[str, ...]:
    """What identifies the report: what the sender's mapping says, else the filler's order number, else what else is."""
    mapping = group.reading.mapping
    if mapping.path("report_id") != FIELDS["report_id"]:
        said = entity(group, "report_id", "")
        if not said:
            raise Hl7Error(Condition.REQUIRED_FIELD, group.location("report_id"), "without a report's identifier")
        return (f"report {said}",)
    filler = entity(group, "filler_order_number", sending_application(group.reading))
    if filler:
        return (f"order {filler}",)
    procedure = group.at("OBR-4")
    name = next(filter(None, (about.accession_number, about.study_instance_uid, about.placer_order_number)))
    return (f"procedure {name} {procedure}".rstrip(),)


def _content(group: Group, status: Status, about: tuple[Order, ...]) -> Content:
    verifier, verified = person(group, group.reading.mapping.path("report_verifier"))
    author, _ = person(group, group.reading.mapping.path("report_author"))
    observer, _ = person(group, "OBX-16")
    final = status in (Status.FINAL, Status.CORRECTED)
    issued = when(group, group.value("report_time"), group.location("report_time"))
    observed_at = group.at("OBR-7")
    return Content(
        procedure=code(group, group.segments("OBR")[0], 4) or Code(""),
        orders=about,
        author=author or verifier or observer,
        verifier=verifier if final else None,
        issued=issued,
        verified=(verified or issued) if final and verifier else "",
        observed=observed_at if moment(observed_at) else "",
    )
