"""Patients as apps are launched with them (SMART App Launch 2.2): by the ids of their FHIR resources, and back."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fhir.format import json
from fhir.interaction.services import Server
from fhir.matching.candidates import by_identifiers
from fhir.matching.traits import identifiers, rows
from fhir.projection.systems import Systems
from fhir.search.query import TokenIs
from fhir.store import resources
from fhir.store.stored import Name
from pacsd.access.launch_patient import LaunchPatient
from pacsd.access.principal import PatientKey, Principal
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index import identity_search
from pacsd.index.identity_search import Demographics

MOST = 20                                # on one screen

Resource = dict[str, Any]


class LaunchPatients:
    """`of_principal`: what somebody may see; `of_organisation`: what is an organisation's own."""

    def __init__(
        self, server: Server, systems: Systems, *, of_principal: Callable[[Principal], Scope],
        of_organisation: Callable[[str], Scope], authorities: Sequence[str],
    ) -> None:  # fmt: skip
        self._server = server
        self._systems = systems
        self._of_principal = of_principal
        self._of_organisation = of_organisation
        self._authorities = authorities

    def by_id(self, principal: Principal, patient: str) -> LaunchPatient | None:
        """The patient of a FHIR Patient, if somebody may see them."""
        scope = self._seen_by(principal)
        return None if scope is None else self._read(scope, patient)

    def key_of(self, organisation: str, patient: str) -> PatientKey | None:
        """Authority and id of a FHIR Patient that an organisation may see."""
        found = self._read(self._of_organisation(organisation), patient)
        return None if found is None else found.key

    def of_key(self, organisation: str, key: PatientKey) -> LaunchPatient | None:
        """The same by assigning authority and id."""
        return next(iter(self._known(self._of_organisation(organisation), [key])), None)

    def search(self, principal: Principal, text: str) -> Sequence[LaunchPatient]:
        """Those that somebody may see, by the beginning of a name, or an id; a screenful.

        Wildcards are letters like others here.
        """
        scope, wanted = self._seen_by(principal), text.strip().replace("*", " ").replace("?", " ").strip()
        if scope is None or not wanted:
            return ()
        pool = self._server.pool
        exact = [identity_search.record(pool, scope, (authority, wanted)) for authority in self._authorities]
        named = identity_search.search(pool, scope, Demographics(name=f"{wanted}*"), after=0, limit=MOST)
        keys = [PatientKey(*one.key) for one in (*exact, *named) if one is not None]
        return self._known(scope, list(dict.fromkeys(keys))[:MOST])

    def _read(self, scope: Scope, patient: str) -> LaunchPatient | None:
        stored = resources.read(self._server.pool, scope, Name("Patient", patient))
        if stored is None or stored.deleted:
            return None
        return self._patient(json.read(stored.body))

    def _seen_by(self, principal: Principal) -> Scope | None:
        try:
            return self._of_principal(principal)
        except PacsdError as error:
            if error.fault in (Fault.FORBIDDEN, Fault.UNAUTHENTICATED):
                return None
            raise

    def _known(self, scope: Scope, keys: Sequence[PatientKey]) -> list[LaunchPatient]:
        """The live FHIR Patients of some keys, in their order."""
        if not keys:
            return []
        tokens = tuple(TokenIs(self._systems.of(one.assigning_authority), one.patient_id) for one in keys)
        hits = by_identifiers(self._server.searches, self._server.pool, scope, tokens).values()
        told = [json.read(one.body) for one in hits]
        found = {one.key: one for one in map(self._patient, told) if one is not None}
        return [found[key] for key in keys if key in found]

    def _patient(self, resource: Resource) -> LaunchPatient | None:
        """None for one that was merged, or that no authority gave an id."""
        key = next(self._keys(resource), None)
        if key is None or resource.get("active") is False:
            return None
        return LaunchPatient(str(resource["id"]), key, _name(resource) or key.patient_id,
                             str(resource.get("birthDate", "")))  # fmt: skip

    def _keys(self, resource: Resource) -> Iterator[PatientKey]:
        for system, value, _ in identifiers(resource):
            authority = self._systems.authority(system)
            if authority is not None:
                yield PatientKey(authority, value)


def _name(resource: Resource) -> str:
    """Names as people read them: the one in characters beside the one in letters."""
    told = []
    for one in rows(resource, "name"):
        given = one.get("given")
        parts = [str(one.get("family") or ""), *(map(str, given) if isinstance(given, list) else ())]
        told.append(str(one.get("text") or " ".join(part for part in parts if part)))
    return " / ".join(one for one in dict.fromkeys(told) if one)
