"""$make-link, $links, $revoke-link, $close-film and $reopen-film: share links, and what they show.

They are operations of this server. SMART Health Links (HL7 FHIR SMART Health Cards and Links 1.0.0) is about encrypted
FHIR files that a viewer of the reader's fetches; a patient's phone has none, and images are no such file, so that the
link is a page of ours. Taken from there: a link expires, may ask for a PIN of which few are tried, and is revocable.
"""

import base64
from collections.abc import Mapping
from typing import Any

from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.parameters import Given, In, given, parameters
from fhir.outcome import FhirError
from fhir.projection import stated
from fhir.projection.projected import House
from pacsd.access.principal import PatientKey, Principal
from pacsd.faults import Fault
from pacsd.links import qr
from pacsd.links.link import Kept
from pacsd.links.links import MOST_STUDIES, Links, Made, Wanted
from pacsd.links.notices import NoticeTo

MAKE = (
    In("study", "uri", MOST_STUDIES), In("patient", "Identifier"), In("end", "dateTime"), In("download", "boolean"),
    In("protect", "boolean"), In("pin", "string"), In("views", "integer"), In("channel", "string"),
    In("recipient", "string"), In("language", "code"),
)  # fmt: skip
REVOKE = (In("name", "string"), In("reason", "string"))
FILM = (In("study", "uri"), In("reason", "string"))
MOST = 500                               # links in one answer
_OID = "urn:oid:"


def make_link(server: Server, request: Request) -> Answer:
    """200 with the link, its PIN where one was made up, and its QR code; told this once.

    Raises FhirError NOT_FOUND for what the asker does not see, INVALID.
    """
    told, (links, house, principal) = given(request, MAKE), _around(server, request)
    if any(name == "pin" for name, _ in request.parameters):
        raise FhirError(Fault.INVALID, "a PIN is told in the body: addresses are kept in records and logs")
    made = links.make(principal, request.asker.scope, _wanted(told, house))
    return Answer(200, resource=parameters(_made(made)))


def links(server: Server, request: Request) -> Answer:
    """200 with links that are not over, the last first: an administrator's the organisation's, else the asker's."""
    given(request, ())
    found, house, principal = _around(server, request)
    rows = found.listed(principal, house.organisation, limit=MOST)
    return Answer(200, resource=parameters([{"name": "link", "part": _kept(one)} for one in rows]))


def revoke_link(server: Server, request: Request) -> Answer:
    """200 once it is over, and soon what was opened with it. Raises FhirError NOT_FOUND."""
    told, (links, house, principal) = given(request, REVOKE), _around(server, request)
    name = str(told.required("name"))
    links.revoke(principal, house.organisation, name, reason=str(told.required("reason")))
    return Answer(200, resource=parameters([{"name": "name", "valueString": name}]))


def close_film(server: Server, request: Request) -> Answer:
    """200 once no link shows the study, as while a film of it that was printed is not paid. Raises NOT_FOUND."""
    return _film(server, request, closed=True)


def reopen_film(server: Server, request: Request) -> Answer:
    """200 once links show the study again. Raises FhirError NOT_FOUND."""
    return _film(server, request, closed=False)


def _film(server: Server, request: Request, *, closed: bool) -> Answer:
    told, (links, house, principal) = given(request, FILM), _around(server, request)
    study = str(told.required("study")).removeprefix(_OID)
    links.close_film(principal, house.organisation, study, closed=closed, reason=str(told.required("reason")))
    return Answer(200, resource=parameters([{"name": "study", "valueUri": _OID + study}]))


def _around(server: Server, request: Request) -> tuple[Links, House, Principal]:
    access = request.asker.access
    house = server.houses.get(request.asker.organisation)
    if server.links is None or access is None or house is None:
        raise FhirError(Fault.UNSUPPORTED, "there are no links here", code="not-supported")
    return server.links, house, access.principal


def _wanted(told: Given, house: House) -> Wanted:
    pin = told.text("pin") or (None if told.flag("protect", default=True) else "")
    return Wanted(
        studies=tuple(str(one).removeprefix(_OID) for one in told.all("study")), patient=_patient(told, house),
        until=told.instant("end"), download=told.flag("download"), pin=pin, max_views=told.number("views"),
        notice=_notice(told),
    )  # fmt: skip


def _notice(told: Given) -> NoticeTo | None:
    channel, recipient = told.text("channel"), told.text("recipient")
    if bool(channel) != bool(recipient):
        raise FhirError(Fault.INVALID, "a channel has a recipient, and a recipient a channel", code="required")
    return NoticeTo(channel, recipient, told.text("language")) if channel else None


def _patient(told: Given, house: House) -> PatientKey | None:
    identifier = told.object("patient")
    if identifier is None:
        return None
    found = stated.keys({"identifier": [identifier]}, house.systems)
    if not found:
        raise FhirError(Fault.INVALID, "the patient is an identifier of an assigning authority", code="value")
    return PatientKey(*found[0])


def _made(made: Made) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"name": "name", "valueString": made.link.name}, {"name": "url", "valueUrl": made.url},
        {"name": "end", "valueDateTime": made.link.expires_at.isoformat()},
    ]  # fmt: skip
    if made.pin:
        rows.append({"name": "pin", "valueString": made.pin})
    return [*rows, _picture("image/png", qr.png(made.url)), _picture("image/svg+xml", qr.svg(made.url))]


def _picture(content_type: str, data: bytes) -> dict[str, Any]:
    attachment = {"contentType": content_type, "data": base64.b64encode(data).decode("ascii")}
    return {"name": "qr", "valueAttachment": attachment}


def _kept(kept: Kept) -> list[dict[str, Any]]:
    """A link as who made it, and the administrator, may know it: neither token nor PIN are known to anybody."""
    link = kept.link
    rows: list[dict[str, Any]] = [{"name": "name", "valueString": link.name}]
    rows += [{"name": "study", "valueUri": _OID + one} for one in link.studies]
    if link.patient is not None:
        rows.append({"name": "patient", "valueIdentifier": _identifier(link.patient)})
    rows += [
        {"name": "by", "valueString": link.made_by}, {"name": "start", "valueDateTime": link.made_at.isoformat()},
        {"name": "end", "valueDateTime": link.expires_at.isoformat()},
        {"name": "download", "valueBoolean": link.download}, {"name": "protected", "valueBoolean": bool(link.pin)},
        {"name": "viewed", "valueInteger": kept.views},
    ]  # fmt: skip
    return [*rows, *([{"name": "views", "valueInteger": link.max_views}] if link.max_views is not None else [])]


def _identifier(patient: PatientKey) -> Mapping[str, Any]:
    return {"assigner": {"display": patient.assigning_authority}, "value": patient.patient_id}
