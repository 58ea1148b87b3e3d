"""What orders and the worklist are held to, each with its IHE transaction and the clause it comes from."""

from pydicom import Dataset

from conformance.judging import Checks, Failed, Level
from conformance.orders.messages import Order, appointment, general, imaging, order, patient
from conformance.orders.site import Site, keys

CHECKS: Checks[Site] = Checks()
check = CHECKS.add


def _items(site: Site, **given: str) -> list[Dataset]:
    items, last, _ = site.find(keys(**given))
    if last != 0x0000:
        raise Failed(f"expected the final status 0000, got {last:04X}")
    return items


def _one(site: Site, placed: Order, **given: str) -> Dataset:
    items = _items(site, AccessionNumber=placed.accession, **given)
    if len(items) != 1:
        raise Failed(f"expected one worklist item of the accession number, got {len(items)}")
    return items[0]


def _none(site: Site, what: str, **given: str) -> None:
    if found := _items(site, **given):
        raise Failed(f"expected no worklist item {what}, got {len(found)}")


def _is(what: str, got: object, expected: object) -> None:
    if str(got) != str(expected):
        raise Failed(f"expected {what} {expected}, got {got}")


def _placed(site: Site, **given: str) -> Order:
    made = order(site, **given)
    site.taken(imaging(site, "NW", made))
    return made


@check("place.imaging", "RAD-4", "IHE RAD TF-2 4.4, table B-1", "an imaging order (OMI) is an item of the worklist")
def place_imaging(site: Site) -> None:
    _compare(_one(site, placed := _placed(site)), placed)


@check("place.general", "RAD-4", "IHE RAD TF-2 4.4, table B-1", "a general order (ORM) is an item of the worklist")
def place_general(site: Site) -> None:
    placed = order(site)
    site.taken(general(site, "NW", placed))
    _compare(_one(site, placed), placed, station=False)


def _compare(item: Dataset, placed: Order, *, station: bool = True) -> None:
    steps = item.get("ScheduledProcedureStepSequence") or []
    if len(steps) != 1:
        raise Failed(f"expected one item in the Scheduled Procedure Step Sequence, got {len(steps)}")
    step = steps[0]
    pairs = [
        ("Patient ID", item.get("PatientID"), placed.patient),
        ("Patient's Name", item.get("PatientName"), placed.name),
        ("Study Instance UID", item.get("StudyInstanceUID"), placed.study),
        ("Requested Procedure ID", item.get("RequestedProcedureID"), placed.procedure),
        ("Modality", step.get("Modality"), placed.modality),
        ("Start Date", step.get("ScheduledProcedureStepStartDate"), placed.start[:8]),
        ("Scheduled Procedure Step ID", step.get("ScheduledProcedureStepID"), placed.step),
    ]
    if station:
        pairs.append(("Station AE Title", step.get("ScheduledStationAETitle"), placed.station))
    for what, got, expected in pairs:
        _is(what, got, expected)
    if not str(step.get("ScheduledProcedureStepStartTime", "")).startswith(placed.start[8:12]):
        raise Failed("expected the start time that was ordered")


@check("place.again", "RAD-4", "HL7 v2.5.1 2.9.2", "the same message again is acknowledged, and makes no second item")
def place_again(site: Site) -> None:
    placed = order(site)
    message = imaging(site, "NW", placed)
    site.taken(message)
    site.taken(message)
    _one(site, placed)


@check("acknowledge.control-id", "RAD-4", "HL7 v2.5.1 2.9.2", "MSA-2 is the MSH-10 of the message")
def acknowledge_control_id(site: Site) -> None:
    message = imaging(site, "NW", order(site))
    sent = message.split(b"\r")[0].split(b"|")[9].decode()
    _is("MSA-2", site.send(message).field("MSA", 2), sent)


@check("refuse.no-patient", "RAD-4", "HL7 v2.5.1 2.9.2, table 0357", "no patient id: refused, ERR says 101")
def refuse_no_patient(site: Site) -> None:
    placed = order(site, patient="")
    answer = site.send(imaging(site, "NW", placed))
    if answer.code not in ("AE", "AR"):
        raise Failed(f"expected AE or AR, got {answer.code or 'nothing'}")
    _is("the condition", answer.condition, "101")
    _none(site, "of an order that was refused", AccessionNumber=placed.accession)


@check("change.start", "RAD-13", "IHE RAD TF-2 4.13", "XO changes the item")
def change_start(site: Site) -> None:
    placed = _placed(site)
    site.taken(imaging(site, "XO", changed := placed.later(5, start="20300104101500")))
    _compare(_one(site, placed), changed)


@check("cancel", "RAD-13", "IHE RAD TF-2 4.13", "CA takes the item off the worklist")
def cancel(site: Site) -> None:
    placed = _placed(site)
    _one(site, placed)
    site.taken(imaging(site, "CA", placed.later(5)))
    _none(site, "of a canceled order", AccessionNumber=placed.accession)


@check("cancel.unknown", "RAD-13", "HL7 v2.5.1 4.5.1.1", "to cancel an unknown order is an error", Level.OPTIONAL)
def cancel_unknown(site: Site) -> None:
    answer = site.send(imaging(site, "CA", order(site)))
    if answer.code == "AA":
        raise Failed("expected an error, got AA")


@check("appointment", "RAD-48", "IHE RAD TF-2 4.48", "a rescheduled appointment (S13) moves the item", Level.OPTIONAL)
def appointments(site: Site) -> None:
    placed = _placed(site)
    site.taken(appointment(site, "S13", moved := placed.later(5, start="20300106110000")))
    _compare(_one(site, placed), moved)


@check("patient.update", "RAD-12", "IHE RAD TF-2 4.12", "A08 shows on the worklist")
def patient_update(site: Site) -> None:
    placed = _placed(site)
    site.taken(patient(site, "A08", placed.later(5), name="RENAMED^THEN"))
    _is("Patient's Name", _one(site, placed).get("PatientName"), "RENAMED^THEN")


@check("patient.merge", "RAD-12", "IHE RAD TF-2 4.12", "A40 shows the surviving patient on the worklist")
def patient_merge(site: Site) -> None:
    placed, survivor = _placed(site), order(site)
    site.taken(patient(site, "A40", survivor.later(5), name="SURVIVING^ONE", prior=placed.patient))
    item = _one(site, placed)
    _is("Patient ID", item.get("PatientID"), survivor.patient)
    _is("Patient's Name", item.get("PatientName"), "SURVIVING^ONE")


@check("find.station", "RAD-5", "PS3.4 Table K.6-1", "Scheduled Station AE Title is matched by single value")
def find_station(site: Site) -> None:
    placed = _placed(site)
    _one(site, placed, ScheduledStationAETitle=placed.station)
    _none(site, "of another station", AccessionNumber=placed.accession, ScheduledStationAETitle="ELSEWHERE")


@check("find.modality", "RAD-5", "PS3.4 Table K.6-1", "Modality is matched by single value")
def find_modality(site: Site) -> None:
    placed = _placed(site)
    _one(site, placed, Modality="CT")
    _none(site, "of another modality", AccessionNumber=placed.accession, Modality="MR")


@check("find.date-range", "RAD-5", "PS3.4 Table K.6-1", "the start date is matched by range")
def find_date_range(site: Site) -> None:
    placed = _placed(site)
    _one(site, placed, ScheduledProcedureStepStartDate="20300101-20300103")
    _none(site, "of other days", AccessionNumber=placed.accession, ScheduledProcedureStepStartDate="20300103-20300131")


@check("find.date-time", "RAD-5", "PS3.4 Table K.6-1", "date and time ranges are one period")
def find_date_time(site: Site) -> None:
    placed = _placed(site)
    day = {"ScheduledProcedureStepStartDate": "20300101-20300103"}
    _one(site, placed, **day, ScheduledProcedureStepStartTime="230000-010000")
    before = {"ScheduledProcedureStepStartDate": "20300102-20300103"}
    _none(site, "before the period", AccessionNumber=placed.accession, **before,
          ScheduledProcedureStepStartTime="090000-100000")  # fmt: skip


@check("find.name", "RAD-5", "PS3.4 Table K.6-1, C.2.2.2.4", "names are matched by wildcards")
def find_name(site: Site) -> None:
    placed = _placed(site, name="WILDCARD^NAME")
    _one(site, placed, PatientName="WILDC*")
    _one(site, placed, PatientName="W?LDCARD^N*")
    _none(site, "of another name", AccessionNumber=placed.accession, PatientName="OTHER*")


@check("find.patient", "RAD-5", "PS3.4 Table K.6-1", "Patient ID is matched by single value")
def find_patient(site: Site) -> None:
    placed = _placed(site)
    found = _items(site, PatientID=placed.patient)
    _is("the accession number", [one.get("AccessionNumber") for one in found], [placed.accession])


@check("find.type-2", "RAD-5", "PS3.4 K.2.2.1, Table K.6-1", "return keys of type 2 are there, with a value or without")
def find_type_2(site: Site) -> None:
    placed = _placed(site)
    asked = ("RequestingPhysician", "AdmissionID", "CurrentPatientLocation", "PatientBirthDate", "MedicalAlerts")
    items, _, _ = site.find(keys(asked, AccessionNumber=placed.accession))
    missing = [name for name in asked if not items or name not in items[0]]
    if missing:
        raise Failed(f"expected every return key, {', '.join(missing)} is missing")


@check("find.unsupported", "RAD-5", "PS3.4 Table K.4-1", "an attribute that is no key of the worklist: pending is FF01")
def find_unsupported(site: Site) -> None:
    placed = _placed(site)
    _, _, pending = site.find(keys(("SeriesDescription",), AccessionNumber=placed.accession))
    _is("the pending status", [f"{one:04X}" for one in pending], ["FF01"])


@check("find.bad-date", "RAD-5", "PS3.4 Table K.4-1", "a start date that is none is refused", Level.OPTIONAL)
def find_bad_date(site: Site) -> None:
    items, last, _ = site.find(keys(ScheduledProcedureStepStartDate="20301399"))
    if last == 0x0000 and items:
        raise Failed("expected a failure or nothing, got items")


@check("names.utf-8", "RAD-4", "HL7 v2.5.1 2.15.9.18, PS3.5 6.1", "a Chinese name in UTF-8 arrives")
def names_utf_8(site: Site) -> None:
    placed = _placed(site, name="张^三")
    _is("Patient's Name", _one(site, placed).get("PatientName"), "张^三")


@check("names.gb18030", "RAD-4", "HL7 v2.5.1 table 0211", "a name in GB 18030, with | as a second byte, arrives")
def names_gb18030(site: Site) -> None:
    character = b"\x81\x7c".decode("gb18030")
    placed = order(site, name=f"王^{character}")
    site.taken(imaging(site, "NW", placed, charset="GB 18030-2000", encoding="gb18030"))
    _is("Patient's Name", _one(site, placed).get("PatientName"), f"王^{character}")
