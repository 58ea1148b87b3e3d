"""Task (http://hl7.org/fhir/R4/task.html): a unified procedure step (PS3.4 Annex CC)."""

from fhir.format.instants import instant
from fhir.projection.datatypes import coding, concepts, hl7_moment, text, values
from fhir.projection.imaging_study import uid
from fhir.projection.projected import House, Known, Projected, Resource, feed, without_empty
from pacsd.index.sources import Patient, WorkitemSource

STATES = {"SCHEDULED": "requested", "IN PROGRESS": "in-progress", "COMPLETED": "completed", "CANCELED": "cancelled"}
PRIORITIES = {"HIGH": "urgent", "MEDIUM": "routine", "LOW": "routine"}
PERFORMED, PROGRESS = "00741216", "00741002"
_REASON, _REASON_CODE, _START, _END = "00741238", "0074100E", "00404050", "00404051"


def patient_of(house: House, source: WorkitemSource) -> Patient | None:
    """Whose step it is."""
    number = text(source.attributes, "00100020")
    return (text(source.attributes, "00100021") or house.authority, number) if number else None


def study_of(source: WorkitemSource) -> str:
    """The study that a step is about; empty where it names none."""
    return text(source.attributes, "0020000D")


def task(house: House, source: WorkitemSource, known: Known) -> Projected:
    """A step, as far as it has come."""
    attributes, whose = source.attributes, patient_of(house, source)
    resource = {
        "resourceType": "Task",
        "id": house.id_of("workitem", source.sop_instance_uid),
        "identifier": [uid(source.sop_instance_uid)],
        "status": STATES[source.state],
        "statusReason": _reason(house, source),
        "intent": "order",
        "priority": PRIORITIES.get(text(attributes, "00741200"), ""),
        "code": _code(house, source),
        "description": text(attributes, "00741204"),
        "focus": _study(house, source, known),
        "executionPeriod": _period(house, source),
        "for": known.subject(house, whose) if whose else {},
        "authoredOn": instant(source.created_at),
        "lastModified": instant(source.changed_at),
        "owner": house.to("Organization", "organization"),
    }
    return Projected(source.organisation, feed("ups", house.code), without_empty(resource))


def _code(house: House, source: WorkitemSource) -> Resource:
    code = text(source.attributes, "00404018.00080100")
    if not code:
        return {}
    meaning = text(source.attributes, "00404018.00080104")
    designator = text(source.attributes, "00404018.00080102")
    return {"coding": [coding(house, code, meaning, designator)]}


def _reason(house: House, source: WorkitemSource) -> Resource:
    """Why it was cancelled, as far as somebody said (PS3.3 C.30.1)."""
    if STATES[source.state] != "cancelled":
        return {}
    progress = next((one for one in values(source.attributes, PROGRESS) if isinstance(one, dict)), {})
    code = next(iter(concepts(house, progress, _REASON_CODE)), {})
    said = text(progress, _REASON)
    return {**code, "text": said} if said else code


def _period(house: House, source: WorkitemSource) -> Resource:
    """When it was performed (PS3.3 C.30.3)."""
    item = next((one for one in values(source.attributes, PERFORMED) if isinstance(one, dict)), {})
    found = {name: hl7_moment(text(item, tag), house.zone) for name, tag in (("start", _START), ("end", _END))}
    return {name: instant(at) for name, at in found.items() if at is not None}


def _study(house: House, source: WorkitemSource, known: Known) -> Resource:
    study = study_of(source)
    if (source.organisation, study) in known.studies:
        return house.to("ImagingStudy", "study", study)
    return {"type": "ImagingStudy", "identifier": uid(study)} if study else {}
