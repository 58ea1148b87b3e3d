"""Patient: what an organisation states of patients of its own assigning authority (IHE ITI-104) is stated of them in
the archive, and so is shown in DICOM, and matched. Of others' patients a client keeps a record of its own."""

from dataclasses import replace

from fhir.acting.deed import Body, Deed, listed
from fhir.format import json
from fhir.projection import stated
from fhir.projection.projected import House, about_patient
from fhir.store import resources, shared
from fhir.store.stored import Change, Name, Stored
from pacsd.access.scope import Scope
from pacsd.identity.patients import PatientKey, Patients
from pacsd.index.sources import Patient


class PatientRule:
    """Acts on versions of Patient."""

    def __init__(self, patients: Patients) -> None:
        self._patients = patients

    def act(self, deed: Deed) -> Change:
        """The version with whose it is from now on. Raises FhirError, PacsdError."""
        if deed.change.deleted:
            if deed.previous is not None and deed.previous.owner:
                raise deed.refused("a patient of the archive is not deleted; active=false with a link merges it")
            return deed.change
        body = deed.body()
        mine = [one for one in stated.keys(body, deed.house.systems) if one[0] in deed.spoken]
        if deed.previous is not None and deed.previous.owner:
            mine = [self._same(deed, mine)]
        if not mine or (deed.previous is None and self._is_known(deed, mine[0])):
            return deed.change
        self._state(deed, mine[0], body)
        return replace(deed.change, owner=shared.SHARED + about_patient(mine[0]))

    def _same(self, deed: Deed, named: list[Patient]) -> Patient:
        """The patient whom this resource was about before. Raises FhirError CONFLICT where it names him no more."""
        before = [one for one in stated.keys(deed.before(), deed.house.systems) if one[0] in deed.spoken]
        found = next((one for one in before if one in named), None)
        if found is None:
            raise deed.refused("its identifiers of our assigning authorities stay", "Patient.identifier")
        return found

    def _is_known(self, deed: Deed, patient: Patient) -> bool:
        """Whether there is a resource of that patient already: then this is another record, and its writer's own."""
        made = Name("Patient", deed.house.id_of("patient", *patient))
        if made == deed.change.name:
            return False
        connection, organisation = deed.unit.connection, deed.change.organisation
        there = resources.held(connection, [made]).get(made)
        if there is not None and not there.deleted:
            return True
        scope = Scope((organisation,), organisation)
        return bool(shared.names(connection, scope, [(organisation, about_patient(patient))]))

    def _state(self, deed: Deed, patient: Patient, body: Body) -> None:
        work, key = deed.work, PatientKey(*patient)
        into = self._into(deed, body)
        was = self._into(deed, deed.before())
        if was is not None and into is None:
            self._patients.unmerge(work, key, said_by="feed")
        if into is None:
            self._patients.state(work, key, stated.attributes(body), stated.details(body))
        elif into != was:
            self._patients.merge(work, prior=key, survivor=PatientKey(*into))

    def _into(self, deed: Deed, body: Body) -> Patient | None:
        """Whom a patient was merged into: not active, and replaced by another of the same authority."""
        if body.get("active") is not False:
            return None
        for link in listed(body, "link"):
            if link.get("type") == "replaced-by":
                found = deed.patient(link.get("other"))
                if found is None or found[0][0] not in deed.spoken:
                    raise deed.incomplete("who replaces it has no identifier of the same authority", "Patient.link")
                return found[0]
        return None


def may_state(house: House, spoken: frozenset[str], current: Stored) -> bool:
    """Whether a client may write what follows a version that a feed made: of patients it speaks for."""
    if current.type != "Patient" or current.deleted:
        return False
    return any(one[0] in spoken for one in stated.keys(json.read(current.body), house.systems))
