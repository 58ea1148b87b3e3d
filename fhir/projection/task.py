"""Task (http://hl7.org/fhir/R4/task.html): a unified procedure step (PS3.4 Annex CC)."""

from fhir.format.instants import instant
from fhir.projection.datatypes import coding, text
from fhir.projection.imaging_study import uid
from fhir.projection.projected import House, Known, Projected, Resource, feed, without_empty
from pacsd.index.sources import Patient, WorkitemSource

STATES = {"SCHEDULED": "requested", "IN PROGRESS": "in-progress", "COMPLETED": "completed", "CANCELED": "cancelled"}
PRIORITIES = {"HIGH": "urgent", "MEDIUM": "routine", "LOW": "routine"}


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
        "intent": "order",
        "priority": PRIORITIES.get(text(attributes, "00741200"), ""),
        "code": _code(house, source),
        "description": text(attributes, "00741204"),
        "focus": _study(house, source, known),
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


def _study(house: House, source: WorkitemSource, known: Known) -> Resource:
    study = study_of(source)
    if (source.organisation, study) in known.studies:
        return house.to("ImagingStudy", "study", study)
    return {"type": "ImagingStudy", "identifier": uid(study)} if study else {}
