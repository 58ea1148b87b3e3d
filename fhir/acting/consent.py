"""Consent (http://hl7.org/fhir/R4/consent.html; IHE PCF ITI-108): what a patient permits and denies of an
organisation's own data, in force as soon as it is written.

An active Consent of the scope patient-privacy, about a patient of an assigning authority for which its writer speaks,
is enforced. It is read by organisation, role, purpose and period, and of data by one class: images (the FHIR resource
type ImagingStudy), of some modalities (codes of DICOM) or all. What names anything else is refused, for a condition
that is not heeded would open or close something else. A provision that is denied as a whole closes the data to every
other organisation but those that an exception in it permits. Of two that are in force a denial wins. A Consent about
anybody else is kept and enforces nothing here: there is nothing of theirs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fhir.acting.deed import Body, Deed, listed
from fhir.interaction.times import period
from fhir.projection.projected import House
from fhir.projection.systems import DCM
from fhir.store import shared
from fhir.store.stored import Change
from pacsd.access.grants import CONSENT, Grant
from pacsd.access.principal import HELD, PatientKey
from pacsd.index import access_grants

PRIVACY = "patient-privacy"
HEEDED = frozenset({"id", "type", "period", "actor", "purpose", "class", "code", "provision"})
TYPES, IMAGES = "http://hl7.org/fhir/resource-types", "ImagingStudy"
ROLES = "urn:pacsd:role"                 # system of an actor's identifier that names a role
CODES = "urn:pacsd:organisation"         # and of one that names an organisation


@dataclass(frozen=True, slots=True)
class _Said:
    """One provision: to which organisations (None: all), roles, purposes, how long, and of what.

    `images`: None where it is about everything, else the modalities meant, empty for all.
    """

    permits: bool
    grantees: tuple[int | None, ...]
    roles: tuple[str, ...]
    purposes: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    images: tuple[str, ...] | None = None


class ConsentRule:
    """Acts on versions of Consent."""

    def __init__(self, houses: Mapping[int, House]) -> None:
        self._houses = houses
        self._names = {f"Organization/{one.id_of('organization')}": key for key, one in houses.items()}
        self._codes = {one.code: key for key, one in houses.items()}

    def act(self, deed: Deed) -> Change:
        """The version with whose it is from now on. Raises FhirError for what is not enforced here."""
        body = {} if deed.change.deleted else deed.body()
        found = self._patient(deed, body) if _is_in_force(body) else None
        former = f"consent {deed.house.code} {deed.change.id} "
        access_grants.revoke_all(deed.work, former)
        if found is None:
            return deed.change
        provision = body.get("provision")
        for number, said in enumerate(self._grants(deed, provision) if isinstance(provision, dict) else ()):
            access_grants.say_and_add(deed.work, replace(
                said, name=f"{former}{deed.change.version} {number}", patient=found,
            ))  # fmt: skip
        return replace(deed.change, owner=f"{shared.SHARED}consent {deed.change.id}")

    def _patient(self, deed: Deed, body: Body) -> PatientKey | None:
        found = deed.patient(body.get("patient"))
        return PatientKey(*found[0]) if found is not None and found[0][0] in deed.spoken else None

    def _grants(self, deed: Deed, root: Body) -> Iterator[Grant]:
        said = self._said(deed, root, "Consent.provision")
        exceptions = [_narrowed(deed, said, self._said(deed, one, "Consent.provision.provision"))
                      for one in listed(root, "provision")]  # fmt: skip
        if any(one.permits == said.permits for one in exceptions):
            raise deed.incomplete("an exception is of the other type", "Consent.provision.provision.type")
        if not said.permits:
            if any(None in one.grantees or one.roles or one.purposes or one.end or one.images != said.images
                   for one in exceptions):  # fmt: skip
                told = "what is permitted within a denial names organisations, and nothing else"
                raise deed.incomplete(told, "Consent.provision.provision")
            spared = {one for each in exceptions for one in each.grantees}
            said = replace(said, grantees=tuple(self._others(deed, said, spared)))
        for one in (said, *exceptions):
            for grantee in one.grantees:
                yield _grant(deed, one, grantee)

    def _others(self, deed: Deed, said: _Said, spared: set[int | None]) -> Iterator[int]:
        """Whom a denial closes out: those named, else every other organisation; never the exceptions."""
        named = [one for one in said.grantees if one is not None]
        everybody = [one for one in self._houses if one != deed.change.organisation]
        return (one for one in (named or everybody) if one not in spared)

    def _said(self, deed: Deed, one: Body, where: str) -> _Said:
        if extra := sorted(set(one) - HEEDED):
            raise deed.incomplete(f"{extra[0]} of a provision is not enforced here", f"{where}.{extra[0]}")
        if where.endswith("provision.provision") and one.get("provision"):
            raise deed.incomplete("exceptions of exceptions are not enforced here", f"{where}.provision")
        kind = one.get("type")
        if kind not in ("permit", "deny"):
            raise deed.incomplete("a provision permits or denies", f"{where}.type")
        roles, grantees = self._actors(deed, one, where)
        purposes = tuple(str(each.get("code")) for each in listed(one, "purpose") if each.get("code"))
        start, end = _times(one.get("period") or {})
        return _Said(kind == "permit", grantees, roles, purposes, start, end, _images(deed, one, where))

    def _actors(self, deed: Deed, one: Body, where: str) -> tuple[tuple[str, ...], tuple[int | None, ...]]:
        roles: list[str] = []
        grantees: list[int | None] = []
        for actor in listed(one, "actor"):
            reference = actor.get("reference") or {}
            identifier = reference.get("identifier") or {}
            key = self._names.get(str(reference.get("reference", "")).removeprefix(f"{deed.unit.base}/"))
            if key is None and identifier.get("system") == CODES:
                key = self._codes.get(str(identifier.get("value")))
            if key is not None:
                grantees.append(key)
            elif identifier.get("system") == ROLES and identifier.get("value") in _ROLE_NAMES:
                roles.append(identifier["value"])
            else:
                raise deed.incomplete("an actor is an organisation of this server, or a role", f"{where}.actor")
        return tuple(roles), tuple(grantees) or (None,)


_ROLE_NAMES = frozenset(one.value for one in HELD)


def _images(deed: Deed, one: Body, where: str) -> tuple[str, ...] | None:
    """Of which images a provision is; None where it is about everything. Raises FhirError for other classes, codes."""
    classes, codes = listed(one, "class"), [coding for code in listed(one, "code") for coding in listed(code, "coding")]
    if any((each.get("system"), each.get("code")) != (TYPES, IMAGES) for each in classes):
        told = f"of classes {IMAGES} of {TYPES} is enforced here, and no other"
        raise deed.incomplete(told, f"{where}.class")
    if "code" not in one:
        return () if classes else None
    if not classes or not codes or any(each.get("system") != DCM or not each.get("code") for each in codes):
        told = f"codes are modalities of {DCM}, of the class {IMAGES}; others are not enforced here"
        raise deed.incomplete(told, f"{where}.code")
    return tuple(dict.fromkeys(str(each["code"]) for each in codes))


def _narrowed(deed: Deed, root: _Said, one: _Said) -> _Said:
    """An exception is about what the provision is about, or less of it. Raises FhirError for one that is about more."""
    if one.images is None:
        return replace(one, images=root.images)
    if root.images and not (one.images and set(one.images) <= set(root.images)):
        raise deed.incomplete("an exception names other modalities", "Consent.provision.provision.code")
    return one


def _is_in_force(body: Body) -> bool:
    codings = listed(body.get("scope") or {}, "coding")
    return body.get("status") == "active" and any(one.get("code") == PRIVACY for one in codings)


def _times(told: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """From the first moment of its start to the last of its end."""
    start = period(str(told["start"]), "period.start")[0] if told.get("start") else None
    end = period(str(told["end"]), "period.end")[1] if told.get("end") else None
    return start, end


def _grant(deed: Deed, said: _Said, grantee: int | None) -> Grant:
    first = said.start or datetime(1, 1, 2, tzinfo=UTC)
    return Grant(
        "", deed.change.organisation, CONSENT, grantee, "", "", None, first, said.end, f"Consent/{deed.change.id}",
        "consent", said.permits, said.roles, said.purposes, said.images is not None, said.images or (),
    )  # fmt: skip
