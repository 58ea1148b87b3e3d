"""$share, $unshare, $shares, $masked-studies and $break-glass: how one study or patient is opened to somebody.

They are operations of this server. An administrator opens what the own organisation has. A reader with a care relation
learns by $masked-studies that there is something elsewhere, and may open a study with $break-glass, with a reason and
for some hours. Where there is no care relation the answer is that there is no such study, in the same words as where
there is none.
"""

from collections.abc import Mapping
from typing import Any

from fhir.interaction.bundle import bundle
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.parameters import Given, In, given, parameters
from fhir.outcome import FhirError
from fhir.projection import stated
from fhir.projection.imaging_study import uid
from fhir.projection.projected import House
from fhir.projection.systems import DCM
from pacsd.access.grants import Grant, Grants, Stub
from pacsd.access.principal import PatientKey, Principal
from pacsd.faults import Fault

SHARE = (In("study", "uri"), In("patient", "Identifier"), In("organisation", "string"), In("subject", "string"),
         In("start", "dateTime"), In("end", "dateTime"), In("reason", "string"))  # fmt: skip
UNSHARE = (In("name", "string"), In("reason", "string"))
MASKED = (In("patient", "string"),)
BREAK_GLASS = (In("study", "uri"), In("reason", "string"))
MOST = 500                               # grants, and studies, in one answer
_MASK = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "MASKED"}
_OID = "urn:oid:"


def share(server: Server, request: Request) -> Answer:
    """200 with the grant. Raises FhirError NOT_FOUND for what the own organisation does not have, INVALID."""
    told, (grants, house, principal) = given(request, SHARE), _around(server, request)
    grantee = next((key for key, one in server.houses.items() if one.code == told.required("organisation")), None)
    if grantee is None:
        raise FhirError(Fault.INVALID, "there is no such organisation", code="value")
    made = grants.share(
        principal, house.organisation, grantee=grantee, subject=told.text("subject"), study=_uid(told.text("study")),
        patient=_patient(told, house), since=told.instant("start"), until=told.instant("end"),
        reason=str(told.required("reason")),
    )  # fmt: skip
    return Answer(200, resource=parameters(_rows(server, made)))


def unshare(server: Server, request: Request) -> Answer:
    """200 once it is closed again. Raises FhirError NOT_FOUND for what the own organisation did not open."""
    told, (grants, house, principal) = given(request, UNSHARE), _around(server, request)
    name = str(told.required("name"))
    grants.revoke(principal, house.organisation, name, reason=str(told.required("reason")))
    return Answer(200, resource=parameters([{"name": "name", "valueString": name}]))


def shares(server: Server, request: Request) -> Answer:
    """200 with what the own organisation opened and did not close, the last first."""
    given(request, ())
    grants, house, _ = _around(server, request)
    found = grants.listed(house.organisation, limit=MOST)
    return Answer(200, resource=parameters([{"name": "grant", "part": _rows(server, one)} for one in found]))


def masked_studies(server: Server, request: Request) -> Answer:
    """200 with stubs of the studies elsewhere of a patient for whom the own organisation has an order; maybe none."""
    told, (grants, house, _) = given(request, MASKED), _around(server, request)
    system, _, value = str(told.required("patient")).rpartition("|")
    patient = _key({"system": system, "value": value}, house)
    found = grants.stubs(request.asker.scope, patient, limit=MOST) if patient is not None else ()
    entries = ({"resource": _stub(one), "search": {"mode": "match"}} for one in found)
    return Answer(200, resource=bundle("searchset", entries, total=len(found)))


def break_glass(server: Server, request: Request) -> Answer:
    """200 with the study and until when it is open. Raises FhirError NOT_FOUND, INVALID, FORBIDDEN."""
    told, (grants, _, principal) = given(request, BREAK_GLASS), _around(server, request)
    study = _uid(str(told.required("study")))
    made = grants.break_glass(principal, request.asker.scope, study, reason=str(told.required("reason")))
    return Answer(200, resource=parameters(_rows(server, made)))


def _around(server: Server, request: Request) -> tuple[Grants, House, Principal]:
    access = request.asker.access
    house = server.houses.get(request.asker.organisation)
    if server.grants is None or access is None or house is None:
        raise FhirError(Fault.UNSUPPORTED, "nothing is opened one by one here", code="not-supported")
    return server.grants, house, access.principal


def _uid(text: str) -> str:
    return text.removeprefix(_OID)


def _patient(told: Given, house: House) -> PatientKey | None:
    identifier = told.object("patient")
    if identifier is None:
        return None
    found = _key(identifier, house)
    if found is None:
        raise FhirError(Fault.INVALID, "the patient is an identifier of an assigning authority", code="value")
    return found


def _key(identifier: Mapping[str, Any], house: House) -> PatientKey | None:
    found = stated.keys({"identifier": [identifier]}, house.systems)
    return PatientKey(*found[0]) if found else None


def _rows(server: Server, grant: Grant) -> list[dict[str, Any]]:
    """A grant as the owner's administrator, or who broke the glass, may know it."""
    about = {"valueUri": _OID + grant.study_instance_uid} if grant.patient is None else {"valueIdentifier": {
        "assigner": {"display": grant.patient.assigning_authority}, "value": grant.patient.patient_id}}  # fmt: skip
    rows: list[dict[str, Any]] = [{"name": "name", "valueString": grant.name}]
    rows.append({"name": "study" if grant.patient is None else "patient", **about})
    grantee = None if grant.grantee is None else server.houses.get(grant.grantee)
    if grantee is not None:
        rows.append({"name": "organisation", "valueString": grantee.code})
    if grant.subject:
        rows.append({"name": "subject", "valueString": grant.subject})
    rows.append({"name": "start", "valueDateTime": grant.valid_from.isoformat()})
    if grant.valid_until is not None:
        rows.append({"name": "end", "valueDateTime": grant.valid_until.isoformat()})
    return [*rows, {"name": "reason", "valueString": grant.reason}]


def _stub(stub: Stub) -> dict[str, Any]:
    """What is declared in `Stub`, and nothing else: no name, no number, no description, no counts."""
    told: dict[str, Any] = {
        "resourceType": "ImagingStudy", "meta": {"security": [_MASK]}, "identifier": [uid(stub.study_instance_uid)],
        "status": "available", "subject": {"display": "masked"},
        "modality": [{"system": DCM, "code": one} for one in stub.modalities],
        "location": {"display": stub.organisation_name},
    }  # fmt: skip
    if not stub.modalities:
        del told["modality"]
    return {**told, **({"started": stub.study_date} if stub.study_date else {})}
