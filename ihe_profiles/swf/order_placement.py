"""Orders and procedures placed, changed, canceled and told of (IHE RAD-2, RAD-3, RAD-4, RAD-13) as scheduled steps."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hl7.conditions import Condition, Hl7Error, Location
from hl7.header import header_in
from hl7.message import NULL
from hl7.ports import Handled, Sender
from hl7.reading import Reading
from ihe_profiles.exchange.conditions import located
from ihe_profiles.swf import values
from ihe_profiles.swf.order_attributes import procedure_attributes, step_attributes
from ihe_profiles.swf.order_control import Control, control_of, status_said
from ihe_profiles.swf.order_groups import Group, groups
from ihe_profiles.swf.ordered_patient import OrderedPatient, ordered_patient, state
from pacsd.identity.patients import Patients
from pacsd.index.work import Work
from pacsd.workflow.order_statuses import CANCELED, DISCONTINUED
from pacsd.workflow.ordered import Done, Ordered, OrderedStep, Said, Which
from pacsd.workflow.orders import Orders

ORDER_TYPES = (                                  # code, event, structure, transactions
    ("ORM", "O01", "ORM_O01", ("RAD-2", "RAD-3", "RAD-4", "RAD-13")),
    ("OMG", "O19", "OMG_O19", ("RAD-2", "RAD-3")),
    ("OMI", "O23", "OMI_O23", ("RAD-4", "RAD-13")),
)  # fmt: skip
_PLACES = (Control.NEW, Control.CHANGE)
_ENDS = {Control.CANCEL: CANCELED, Control.DISCONTINUE: DISCONTINUED}
MOST_NUMBER = 64                                 # characters of a placer's or filler's number (PS3.3 C.4.12, VR LO)


class OrderPlacement:
    """Acts on messages of orders."""

    def __init__(self, orders: Orders, patients: Patients) -> None:
        self._orders = orders
        self._patients = patients

    def handled(self) -> tuple[Handled, ...]:
        """The messages that are acted on."""
        return tuple(Handled(code, event, self.act, names, shape) for code, event, shape, names in ORDER_TYPES)

    def act(self, work: Work, reading: Reading, sender: Sender) -> Sequence[str]:
        """Do what each order of a message says, all of them or none."""
        patient, said = ordered_patient(reading, sender), said_of(reading)
        asked = [(group, _control(group)) for group in groups(reading)]
        done: list[str] = []
        if any(control in _PLACES for _, control in asked):
            done += state(self._patients, work, patient)
        numbers = {number for group, _ in asked for number in _numbers(group)}
        self._orders.hold(work, (patient.key.patient_id, patient.key.assigning_authority), numbers)
        for members, control in _procedures(asked):
            if control in _PLACES:
                done.append(self._place(work, members, control, patient, said))
            else:
                done += self._change(work, members, control, patient, said)
        return done

    def _place(
        self, work: Work, members: Sequence[Group], control: Control, patient: OrderedPatient, said: Said
    ) -> str:
        first = members[0]
        for group in members:
            _check_request(group)
        with first.located():
            attributes = {**procedure_attributes(first), **patient.stated}
        steps = tuple(_step(group) for group in members)
        which = _which(first)
        ordered = Ordered(
            which, patient.key.assigning_authority, patient.key.patient_id, attributes, steps, said,
            renews=control is Control.NEW,
        )  # fmt: skip
        with located(_number_place(first)):
            return _told(self._orders.place(work, ordered))

    def _change(
        self, work: Work, members: Sequence[Group], control: Control, patient: OrderedPatient, said: Said
    ) -> Iterator[str]:
        for group in members:
            with group.located():
                status = _ENDS.get(control) or status_said(group, required=True) or ""
                step_id = _identifier(group, "step_id")
            which = replace(_which(group), step_ids=(step_id,) if step_id else ())
            with located(_number_place(group)):
                touched = self._orders.change_status(
                    work, which, status, said, patient=(patient.key.patient_id, patient.key.assigning_authority)
                )
            steps = ", ".join(one.step_id for one in touched)
            yield f"order {_shown(which)}: {f'steps {steps} {status}' if steps else 'nothing new'}"


def said_of(reading: Reading) -> Said:
    """Who says it, and when by its own clock: MSH-3, MSH-4 and MSH-7."""
    header = header_in(reading.message)
    at = header.first(7).partition("+")[0].partition("-")[0]
    return Said(f"{header.first(3)}|{header.first(4)}"[:256], at if at.replace(".", "", 1).isdigit() else "")


def order_number(group_reading: Reading, name: str) -> str:
    """A number of data type EI as "id^namespace", empty where there is none. Raises Hl7Error."""
    parts = [*group_reading.parts(name), "", "", ""][:3]
    number, namespace = parts[0], parts[1] or parts[2]
    if not number or number == NULL:
        return ""
    where = group_reading.where(name)
    if len(number) > MOST_NUMBER or len(namespace) > MOST_NUMBER:
        raise Hl7Error(Condition.VALUE_TOO_LONG, where, f"a number of more than {MOST_NUMBER} characters")
    values.identifier(number, "LO", where)
    return f"{number}^{values.text(namespace, 'LO')}" if namespace else number


def _control(group: Group) -> Control:
    with group.located():
        return control_of(group)


def _numbers(group: Group) -> tuple[str, str]:
    """The placer's and the filler's number. Raises Hl7Error where there is neither."""
    with group.located():
        placer = order_number(group.reading, "placer_order_number")
        filler = order_number(group.reading, "filler_order_number")
        if not placer and not filler:
            where = Location("ORC", 1, 2)
            raise Hl7Error(Condition.REQUIRED_FIELD, where, "without a placer's and without a filler's order number")
    return placer, filler


def _number_place(group: Group) -> Location:
    placer, filler = group.where("placer_order_number"), group.where("filler_order_number")
    return filler if group.reading.said("filler_order_number") else placer


def _which(group: Group) -> Which:
    placer, filler = _numbers(group)
    with group.located():
        study = group.reading.said("study_instance_uid")
        return Which(
            placer, filler,
            requested_procedure_id=_identifier(group, "requested_procedure_id"),
            accession_number=_identifier(group, "accession_number"),
            study_instance_uid=values.uid(study, group.reading.where("study_instance_uid")) if study else "",
        )  # fmt: skip


def _identifier(group: Group, name: str) -> str:
    return values.identifier(group.reading.said(name), "SH", group.reading.where(name))


def _check_request(group: Group) -> None:
    if group.reading.message.segment("OBR") is None:
        raise Hl7Error(Condition.SEGMENT_SEQUENCE, Location("OBR"), "an order without the segment OBR")


def _step(group: Group) -> OrderedStep:
    with group.located():
        status = status_said(group, required=False)
        return OrderedStep(_identifier(group, "step_id"), step_attributes(group), status)


def _procedures(asked: Sequence[tuple[Group, Control]]) -> list[tuple[list[Group], Control]]:
    """Groups of one order, one Requested Procedure ID and one control are steps of one procedure (RAD-4)."""
    found: dict[tuple[str, str, str, Control], list[Group]] = {}
    for group, control in asked:
        which = _which(group)
        found.setdefault((which.placer, which.filler, which.requested_procedure_id, control), []).append(group)
    return [(members, control) for (*_, control), members in found.items()]


def _told(done: Done) -> str:
    """What became of an order, in a line."""
    one = done.procedure
    if done.what == "older":
        return f"order {one.placer_number or one.filler_number}: older than what is known, without effect"
    ids = f"accession {one.accession_number}, procedure {one.requested_procedure_id}, study {one.study_instance_uid}"
    steps = "; ".join(f"step {step.step_id} {step.status}" for step in done.steps)
    return f"order {one.placer_number or one.filler_number} is {done.what}: {ids}; {steps}"


def _shown(which: Which) -> str:
    return which.placer or which.filler
