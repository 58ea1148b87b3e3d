"""ServiceRequest: an imaging order becomes an order of the archive, with a step on the modality worklist.

It is one where its category says imaging (SNOMED CT 363679005, or RAD of HL7 table 0074), its intent is an order and
its status active. Other requests are kept, and nothing is done with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fhir.acting.deed import Body, Deed, listed
from fhir.acting.dicom import attribute, code_of, day_and_time, fits, item_of, name_of, text
from fhir.projection import stated
from fhir.projection.projected import BY_FHIR, about_order
from fhir.projection.service_request import PRIORITIES
from fhir.projection.systems import DCM, IDENTIFIER_TYPES, SNOMED, local
from fhir.store import shared
from fhir.store.stored import Change
from pacsd.faults import Fault, PacsdError
from pacsd.index import orders as rows
from pacsd.index import scheduled_steps
from pacsd.index.orders import Procedure
from pacsd.index.scheduled_steps import inner
from pacsd.index.sources import Patient
from pacsd.workflow.order_statuses import CANCELED, COMPLETED
from pacsd.workflow.ordered import Done, Ordered, OrderedStep, Said, Which
from pacsd.workflow.orders import Orders

_IMAGING = ((SNOMED, "363679005"), ("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD"))
_ORDERS = ("order", "original-order", "instance-order")
_ENDED, _WAITING = ("revoked", "entered-in-error"), ("on-hold", "draft", "unknown")
_DICOM_PRIORITIES = {fhir: dicom for dicom, fhir in PRIORITIES.items()} | {"routine": "ROUTINE"}
_MOST_NUMBER = 64
_TIMES = ("occurrenceDateTime", "occurrencePeriod", "occurrenceTiming", "authoredOn")


class ServiceRequestRule:
    """Acts on versions of ServiceRequest."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    def act(self, deed: Deed) -> Change:
        """The version with whose it is from now on. Raises FhirError, PacsdError."""
        if deed.change.deleted:
            return self._deleted(deed)
        body = deed.body()
        if not deed.is_shared and not (is_imaging_order(body) and body.get("status") == "active"):
            return deed.change
        which = _which(deed, body)
        if deed.is_shared and deed.previous is not None:
            if not deed.previous.owner.startswith(f"{shared.SHARED}order {which.placer} "):
                raise deed.refused("the placer's number of an order stays", "ServiceRequest.identifier")
            self._change(deed, body, which)
            return replace(deed.change, owner=deed.previous.owner)
        if _known(deed, which):
            raise deed.refused("another feed keeps an order of that number", "ServiceRequest.identifier")
        done = self._place(deed, body, which)
        procedure = done.procedure
        about = about_order(procedure.order_key, procedure.formerly or procedure.requested_procedure_id)
        return replace(deed.change, owner=shared.SHARED + about)

    def _deleted(self, deed: Deed) -> Change:
        if deed.is_shared and deed.before().get("status") not in (*_ENDED, "completed"):
            raise deed.refused("it is an order: revoke it first")
        return deed.change

    def _change(self, deed: Deed, body: Body, which: Which) -> None:
        status, before = body.get("status"), deed.before().get("status")
        patient, _ = _patient(deed, body)
        if status == "completed":
            if before != "completed":
                raise deed.refused("the exam says when an order is completed", "ServiceRequest.status")
        elif status in _ENDED:
            self._cancel(deed, which, patient)
        elif status in _WAITING:
            self._orders.hold(deed.work, (patient[1], patient[0]), (which.placer,))
            self._orders.reschedule(deed.work, which, {}, said_of(deed, _known(deed, which)), cancels=True)
        elif before != "completed":
            self._place(deed, body, which)

    def _cancel(self, deed: Deed, which: Which, patient: Patient) -> None:
        """Every step; what was performed is not undone. Raises FhirError CONFLICT."""
        self._orders.hold(deed.work, (patient[1], patient[0]), (which.placer,))
        known = _known(deed, which)
        if any(one.status == COMPLETED for one in scheduled_steps.of(deed.unit.connection, [one.pk for one in known])):
            raise deed.refused("the exam was done", "ServiceRequest.status")
        try:
            self._orders.change_status(deed.work, which, CANCELED, said_of(deed, known),
                                       patient=(patient[1], patient[0]))  # fmt: skip
        except PacsdError as error:
            if error.fault is not Fault.REFUSED:
                raise
            raise deed.refused(error.message, "ServiceRequest.status") from error

    def _place(self, deed: Deed, body: Body, which: Which) -> Done:
        patient, resource = _patient(deed, body)
        person = {tag: value for tag, value in stated.attributes(resource).items() if value}
        self._orders.hold(deed.work, (patient[1], patient[0]), (which.placer,))
        step = {**_step(deed, body), **_time_kept(deed, body, which)}
        ordered = Ordered(which, *patient, {**_procedure(deed, body), **person}, (OrderedStep("", step),),
                          said_of(deed, _known(deed, which)), renews=True)  # fmt: skip
        return self._orders.place(deed.work, ordered)


def is_imaging_order(body: Body) -> bool:
    """Whether a request asks for an exam that a worklist lists."""
    named = [one for each in listed(body, "category") for one in listed(each, "coding")]
    codes = {(one.get("system"), one.get("code")) for one in named}
    return body.get("intent") in _ORDERS and not codes.isdisjoint(_IMAGING)


def number(deed: Deed, identifier: Mapping[str, Any], kind: str) -> str:
    """An identifier as orders are numbered, "id^namespace"."""
    value, system = str(identifier.get("value") or ""), str(identifier.get("system") or "")
    if not fits(value, "LO") or "^" in value:
        raise deed.incomplete(f"an order's number has 1 to {_MOST_NUMBER} characters, no ^ and no backslash",
                              f"{deed.change.type}.identifier")  # fmt: skip
    authority = deed.house.systems.authority(system) or system
    return value if authority in ("", f"{deed.house.code} {kind}") else f"{value}^{authority}"


def identified(body: Body, kind: str) -> Body | None:
    """The identifier of a type of HL7 table 0203."""
    for one in listed(body, "identifier"):
        codes = listed(one.get("type") or {}, "coding")
        if any(each.get("code") == kind and each.get("system") == IDENTIFIER_TYPES for each in codes):
            return one
    return None


def placer_of(deed: Deed, body: Body) -> str:
    """The number of an order: its placer's, else its own id."""
    placer = identified(body, "PLAC")
    return number(deed, placer, "PLAC") if placer else f"{body.get('id', deed.change.id)}^{BY_FHIR}"


def _which(deed: Deed, body: Body) -> Which:
    """Its number; its accession number where it brings one."""
    accession = identified(body, "ACSN")
    said = str((accession or {}).get("value") or "")
    if said and not fits(said, "SH"):
        raise deed.incomplete("an accession number has at most 16 characters", "ServiceRequest.identifier")
    return Which(placer=placer_of(deed, body), accession_number=said)


def _patient(deed: Deed, body: Body) -> tuple[Patient, Body]:
    found = deed.patient(body.get("subject"))
    if found is None:
        text = "an order is for a patient on this server who has an identifier of a known assigning authority"
        raise deed.incomplete(text, "ServiceRequest.subject")
    return found


def _known(deed: Deed, which: Which) -> list[Procedure]:
    return rows.of_order(deed.unit.connection, deed.change.organisation, placer=which.placer, filler="")


def said_of(deed: Deed, known: Sequence[Procedure]) -> Said:
    """By whom and when something is said of an order: not before what clients said of it already. It follows that, by
    whichever resource and at whichever machine's clock it was said."""
    before = [one.said for one in known if one.said_by == BY_FHIR]
    return Said(BY_FHIR, max([f"{deed.change.updated:%Y%m%d%H%M%S.%f}", *before]))


def _procedure(deed: Deed, body: Body) -> dict[str, Mapping[str, Any]]:
    code = code_of(body.get("code"))
    if not code.meaning:
        raise deed.incomplete("an order says what is to be done", "ServiceRequest.code")
    reason = code_of(next(iter(listed(body, "reasonCode")), None)).meaning
    notes = "\n".join(str(one.get("text") or "") for one in listed(body, "note"))
    authored = day_and_time(body.get("authoredOn"), deed)
    made: dict[str, Mapping[str, Any] | None] = {
        "00321060": attribute("LO", text(code.meaning, "LO")),
        "00321064": attribute("SQ", item) if (item := item_of(code)) else None,
        "00401003": attribute("SH", _DICOM_PRIORITIES.get(str(body.get("priority")), "ROUTINE")),
        "00321032": attribute("PN", name) if (name := name_of(deed, body.get("requester"))) else None,
        "00401002": attribute("LO", text(reason, "LO")) if reason else None,
        "00401400": attribute("LT", text(notes, "LT")) if notes.strip() else None,
        "00402004": attribute("DA", authored[0]) if authored else None,
        "00402005": attribute("TM", authored[1]) if authored else None,
        "00380010": attribute("LO", visit) if (visit := _visit(deed, body)) else None,
    }
    return {tag: value for tag, value in made.items() if value is not None}


def _visit(deed: Deed, body: Body) -> str:
    encounter = deed.resource(body.get("encounter"), "Encounter") or {}
    value = str(next(iter(listed(encounter, "identifier")), {}).get("value") or "")
    return value if fits(value, "LO") else ""


def _step(deed: Deed, body: Body) -> dict[str, Mapping[str, Any]]:
    code, modality = code_of(body.get("code")), _modality(body)
    if not modality:
        raise deed.incomplete("an imaging order names a modality (a DICOM code in orderDetail)",
                              "ServiceRequest.orderDetail")  # fmt: skip
    period = body.get("occurrencePeriod") or {}
    start = day_and_time(body.get("occurrenceDateTime") or period.get("start"), deed)
    now = deed.change.updated.astimezone(deed.house.zone)
    day, clock = start or day_and_time(body.get("authoredOn"), deed) or (f"{now:%Y%m%d}", f"{now:%H%M%S}")
    made = {
        "00080060": attribute("CS", modality), "00400002": attribute("DA", day), "00400003": attribute("TM", clock),
        "00400007": attribute("LO", text(code.meaning, "LO")),
    }  # fmt: skip
    if stations := _stations(deed, body):
        made["00400001"] = attribute("AE", *stations)
    return {**made, **({"00400008": attribute("SQ", item)} if (item := item_of(code)) else {})}


def _time_kept(deed: Deed, body: Body, which: Which) -> dict[str, Mapping[str, Any]]:
    """When the step is to begin by now, where the order asks for no other time than before: it may have been moved."""
    before = deed.before()
    if not deed.is_shared or any(body.get(one) != before.get(one) for one in _TIMES):
        return {}
    for step in scheduled_steps.of(deed.unit.connection, [one.pk for one in _known(deed, which)])[:1]:
        item = inner(step.original)
        return {tag: item[tag] for tag in ("00400002", "00400003") if tag in item}
    return {}


def _modality(body: Body) -> str:
    concepts = [*listed(body, "orderDetail"), body.get("code") or {}]
    codes = [one for each in concepts for one in listed(each, "coding") if one.get("system") == DCM]
    return next((str(one["code"]) for one in codes if fits(str(one.get("code") or ""), "CS")), "")


def _stations(deed: Deed, body: Body) -> list[str]:
    """The AE titles of the Devices that are to do it."""
    found = []
    for one in listed(body, "performer"):
        device = deed.resource(one, "Device") or {}
        for identifier in (*listed(device, "identifier"), one.get("identifier") or {}):
            value = str(identifier.get("value") or "")
            if identifier.get("system") == local(deed.house.code, "ae") and fits(value, "AE"):
                found.append(value)
    return list(dict.fromkeys(found))
