"""Resources that clients and the archive share: whose is which element.

What a client said stays as it was written, unless the archive knows something else now: a step was performed, a feed
stated another name, somebody amended the report. Then the archive's elements replace the client's of the same meaning.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fhir.projection import stated
from fhir.projection.projected import Projected, Resource

OFF = ("revoked", "entered-in-error", "on-hold", "draft", "unknown")     # no step of it is to be done
_STATED: Mapping[str, str] = {stated.NAME: "name", stated.BIRTH_DATE: "birthDate", stated.SEX: "gender"}
_BESIDES = {"phone": "telecom", "address": "address", "multiple_birth": "multipleBirthBoolean"}


def shared_body(body: Resource, one: Projected) -> Resource:
    """A client's resource with what the archive knows better."""
    if body["resourceType"] == "DiagnosticReport":
        return _diagnostic_report(dict(body), one.resource, others=not one.by_client)
    return _RULES[body["resourceType"]](dict(body), one.resource)


def _patient(body: Resource, ours: Resource) -> Resource:
    theirs, known = stated.attributes(body), stated.attributes(ours)
    changed = [_STATED[tag] for tag, value in known.items() if tag in theirs and theirs[tag] != value]
    said, kept = stated.details(body), stated.details(ours)
    changed += [element for name, element in _BESIDES.items() if said[name] != kept[name]]
    for element in changed:
        _put(body, element, ours.get(element))
    cards = [one for one in body.get("identifier", ()) if not (card := stated.card_of(one)) or said[card] == kept[card]]
    there = {stated.card_of(one) for one in cards}
    news = [one for one in ours.get("identifier", ()) if (card := stated.card_of(one)) and card not in there]
    _put(body, "identifier", _united([*cards, *news], ours.get("identifier", ())))
    return _merged(body, ours)


def _merged(body: Resource, ours: Resource) -> Resource:
    """Whether a patient is merged into another; links to others of the same person are added."""
    links = [one for one in body.get("link", ()) if one.get("type") != "replaced-by" or ours.get("active") is False]
    if ours.get("active") is False:
        links = [one for one in links if one.get("type") != "replaced-by"]
        body["active"] = False
    elif len(links) != len(body.get("link", ())):
        body["active"] = True
    _put(body, "link", _united(links, ours.get("link", ())))
    return body


def _service_request(body: Resource, ours: Resource) -> Resource:
    """How far the exam is, and the numbers that were given to it. Why nothing is to be done its client knows better."""
    if not (ours["status"] == "revoked" and body.get("status") in OFF):
        body["status"] = ours["status"]
    _put(body, "identifier", _united(body.get("identifier", ()), ours.get("identifier", ())))
    return body


def _diagnostic_report(body: Resource, ours: Resource, *, others: bool) -> Resource:
    """The studies that are here; and all of it, where another sender said it since."""
    if others:
        return {**ours, "id": body["id"], "meta": body.get("meta", {})}
    _put(body, "imagingStudy", _united(body.get("imagingStudy", ()), ours.get("imagingStudy", ())))
    return body


_RULES: Mapping[str, Callable[[Resource, Resource], Resource]] = {
    "Patient": _patient, "ServiceRequest": _service_request,
}  # fmt: skip


def _put(body: Resource, element: str, value: Any) -> None:
    if value or value is False:
        body[element] = value
    else:
        body.pop(element, None)


def _united(theirs: Iterable[Resource], ours: Iterable[Resource]) -> list[Resource]:
    """Both, each that means the same once."""
    found = list(theirs)
    there = {_meaning(one) for one in found}
    return [*found, *(one for one in ours if _meaning(one) not in there)]


def _meaning(one: Resource) -> tuple[object, ...]:
    """Of an identifier its system and value, of a link or reference what it leads to."""
    other = one.get("other") or one
    return one.get("system"), one.get("value"), one.get("type") if "other" in one else None, other.get("reference")
