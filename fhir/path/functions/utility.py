"""Utility functions (http://hl7.org/fhirpath/N1/#utility-functions) and types (#reflection)."""

from collections.abc import Mapping
from decimal import Decimal

from fhir.definitions.structures import structures
from fhir.path.evaluation import Frame, Items, Lambda
from fhir.path.functions.table import Function
from fhir.path.nodes import SYSTEM, TYPE_INFO, Node, of
from fhir.path.temporal import DATE, DATE_TIME, TIME, Temporal


def trace(frame: Frame, items: Items, name: Lambda, projection: Lambda | None = None) -> Items:
    """The input as it is: nothing is logged, it may be a patient's."""
    return items


def now(frame: Frame, items: Items) -> Items:
    """The date-time of the evaluation, to the millisecond."""
    moment = frame.now()
    zone = moment.utcoffset()
    seconds = moment.second + Decimal(moment.microsecond // 1000) / 1000
    fields = (moment.year, moment.month, moment.day, moment.hour, moment.minute, seconds)
    return (of(Temporal(DATE_TIME, fields, 0 if zone is None else int(zone.total_seconds() // 60))),)


def today(frame: Frame, items: Items) -> Items:
    """The date of the evaluation."""
    moment = frame.now()
    return (of(Temporal(DATE, (moment.year, moment.month, moment.day))),)


def time_of_day(frame: Frame, items: Items) -> Items:
    """The time of the evaluation, to the millisecond."""
    moment = frame.now()
    return (of(Temporal(TIME, (moment.hour, moment.minute,
                               moment.second + Decimal(moment.microsecond // 1000) / 1000))),)


def kinds(frame: Frame, items: Items) -> Items:
    """`type()`: for each item a namespace and a name."""
    return [_info(item.type) for item in items]


def _info(kind: str) -> Node:
    if kind.startswith(SYSTEM):
        space, name = "System", kind.removeprefix(SYSTEM)
    else:
        backbone = kind in structures() and structures()[kind].kind == "backbone"
        space, name = "FHIR", structures()[kind].base if backbone else kind
    return Node({"namespace": space, "name": name}, TYPE_INFO)


PLAIN: Mapping[str, Function] = {
    "now": Function(now), "today": Function(today), "timeOfDay": Function(time_of_day), "type": Function(kinds)}
ITERATING: Mapping[str, Function] = {"trace": Function(trace, 1, 2)}
