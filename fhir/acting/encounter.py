"""Encounter (http://hl7.org/fhir/R4/encounter.html): a patient who is, or was lately, with an organisation is cared for
there, as one is for whom it has an order.

It counts for a patient of an assigning authority for which its writer speaks, from its start (else from when it is
written) on, while it goes on or is finished: what is planned or cancelled says nothing of care.
"""

from dataclasses import replace

from fhir.acting.deed import Body, Deed
from fhir.interaction.times import period
from fhir.store import shared
from fhir.store.stored import Change
from pacsd.access.principal import PatientKey
from pacsd.index import care_encounters
from pacsd.index.care_encounters import CareEncounter

STANDING = frozenset({"arrived", "triaged", "in-progress", "onleave", "finished"})


class EncounterRule:
    """Acts on versions of Encounter."""

    def act(self, deed: Deed) -> Change:
        """The version with whose it is from now on. Raises FhirError for a period that is none."""
        name = f"Encounter/{deed.change.id}"
        found = None if deed.change.deleted else self._care(deed, deed.body(), name)
        if found is None:
            care_encounters.withdraw(deed.work, name)
            return deed.change
        care_encounters.say_and_keep(deed.work, found)
        return replace(deed.change, owner=f"{shared.SHARED}care {deed.change.id}")

    def _care(self, deed: Deed, body: Body, name: str) -> CareEncounter | None:
        if body.get("status") not in STANDING:
            return None
        patient = deed.patient(body.get("subject"))
        if patient is None or patient[0][0] not in deed.spoken:
            return None
        told = body.get("period") or {}
        starts = period(str(told["start"]), "Encounter.period.start")[0] if told.get("start") else deed.unit.now()
        ends = period(str(told["end"]), "Encounter.period.end")[1] if told.get("end") else None
        if ends is None and body["status"] == "finished":
            ends = deed.unit.now()
        return CareEncounter(name, PatientKey(*patient[0]), starts, ends)
