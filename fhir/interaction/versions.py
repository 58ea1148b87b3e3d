"""How a version follows another: what every interaction that writes has in common."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fhir.format import json
from fhir.format.instants import instant
from fhir.interaction.request import Request, checked_id, etag
from fhir.interaction.services import Server
from fhir.outcome import FhirError, Issue
from fhir.store.shared import is_shared
from fhir.store.stored import Change, Name, Stored
from fhir.store.unit import Unit
from pacsd.faults import Fault

_REFUSING = ("fatal", "error")


def stated(resource: Mapping[str, Any], *, logical_id: str, version: int, updated: datetime) -> dict[str, Any]:
    """A resource with what the server says of it: id, meta.versionId, meta.lastUpdated (http.html#update)."""
    given = resource.get("meta")
    kept = {name: value for name, value in given.items() if name not in ("versionId", "lastUpdated")} if given else {}
    told = {"resourceType": resource["resourceType"], "id": logical_id,
            "meta": {"versionId": str(version), "lastUpdated": instant(updated), **kept}}  # fmt: skip
    told.update((name, value) for name, value in resource.items() if name not in told)
    return told


def acceptable(server: Server, resource: Mapping[str, Any], type_name: str) -> tuple[Issue, ...]:
    """What there is to say of a resource that is to be kept, where nothing speaks against it.

    Raises FhirError MALFORMED where it is of another type than the URL's, INVALID where a rule is broken.
    """
    if resource.get("resourceType") != type_name:
        raise FhirError(Fault.MISMATCH, f"a {type_name} is expected here", expression=("resourceType",))
    if "meta" in resource and not isinstance(resource["meta"], dict):
        raise FhirError(Fault.INVALID, "meta is an object", code="structure", expression=("meta",))
    issues = tuple(server.check(resource))
    if any(one.severity in _REFUSING for one in issues):
        raise FhirError(Fault.INVALID, "the resource breaks rules", issues=issues)
    return tuple(one for one in issues if one.severity == "warning")


def first(server: Server, unit: Unit, name: Name, resource: Mapping[str, Any], *, method: str, pk: int) -> Change:
    """The first version of a resource whose name nobody has."""
    return _version(server, unit, name, resource, method=method, pk=pk, number=1, updated=unit.now())


def following(
    server: Server, unit: Unit, current: Stored, name: Name, resource: Mapping[str, Any], *, method: str
) -> Change | None:
    """The version that comes after `current`; None where it would say nothing new.

    Raises FhirError CONFLICT or REFUSED where the resource is another's.
    """
    guard(unit, current)
    if not current.deleted:
        same = stated(resource, logical_id=name.id, version=current.version, updated=current.updated)
        if json.write(same) == current.body:
            return None
    return _version(server, unit, name, resource, method=method, pk=current.pk, number=current.version + 1,
                    updated=unit.after(current))  # fmt: skip


def _version(
    server: Server, unit: Unit, name: Name, resource: Mapping[str, Any], *, method: str, pk: int, number: int,
    updated: datetime,
) -> Change:
    told = stated(resource, logical_id=name.id, version=number, updated=updated)
    return Change(pk, unit.organisation, *name, number, updated, method, json.write(told), found=server.extract(told))


def removal(unit: Unit, current: Stored) -> Change | None:
    """The version that says a resource was deleted; None where one says so already."""
    guard(unit, current)
    if current.deleted:
        return None
    return Change(current.pk, current.organisation, *current.name, current.version + 1, unit.after(current), "DELETE",
                  b"", deleted=True)  # fmt: skip


def guard(unit: Unit, current: Stored) -> None:
    """Whether who works here may write what comes after a version. Raises FhirError."""
    if current.organisation != unit.organisation:
        if current.organisation in unit.scope.organisations:
            raise FhirError(Fault.REFUSED, "this resource is another organisation's")
        raise FhirError(Fault.CONFLICT, "this id cannot be used", code="duplicate")
    if current.owner and not is_shared(current.owner) and not unit.effects.takes(unit, current):
        raise FhirError(Fault.CONFLICT, "this resource is kept by another feed, which alone changes it",
                        code="business-rule")  # fmt: skip


def matches(condition: str, current: Stored | None) -> bool:
    """Whether If-Match or If-None-Match names the newest version (RFC 9110 13.1, http.html#concurrency)."""
    there = current is not None and not current.deleted
    if condition.strip() == "*":
        return there
    tags = [one.strip().removeprefix("W/").strip('"') for one in condition.split(",")]
    return there and current is not None and str(current.version) in tags


def held_to(request: Request, current: Stored | None) -> None:
    """Raises FhirError STALE where the request's conditions for writing do not hold."""
    conditions = request.conditions
    if conditions.if_match and not matches(conditions.if_match, current):
        headers = {"ETag": etag(current)} if current is not None and not current.deleted else {}
        raise FhirError(Fault.STALE, "the newest version is another than If-Match names", headers=headers)
    if conditions.if_none_match and matches(conditions.if_none_match, current):
        raise FhirError(Fault.STALE, "there is such a version already")


def named(resource: Mapping[str, Any], logical_id: str) -> None:
    """Raises FhirError MISMATCH where the body has no id, or another than the URL (http.html#update)."""
    if resource.get("id") != logical_id:
        raise FhirError(Fault.MISMATCH, "the body must have the id of the URL", expression=("id",))
    checked_id(logical_id)
