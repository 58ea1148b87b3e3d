"""A person across assigning authorities: patient records that are linked, never merged.

Whether two records are one person is decided by people and by feeds (ADT^A24, A37); what they decide is journalled, and
the machine, which links the rest (pacsd.identity.linking), never undoes it. The last decision on a pair counts.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pacsd.archive.journal import Fact, FactKind
from pacsd.faults import Fault, PacsdError
from pacsd.identity.patients import FEED, PatientKey
from pacsd.index import identity_links, identity_steps, organisations, patient_records
from pacsd.index import patients as rows
from pacsd.index.connect import Connection, Pool, retried
from pacsd.index.work import Work

LINKED, SEPARATED = "linked", "separated"        # steps
_KINDS = {True: FactKind.PERSON_LINK, False: FactKind.PERSON_SEPARATE}


class Persons:
    """Links and separates, within the caller's unit of work."""

    def decide(
        self, work: Work, one: PatientKey, other: PatientKey, *, linked: bool, said_by: str = FEED
    ) -> None:
        """From now on two records are one person, or two persons, whatever they look like.

        Raises PacsdError CONFLICT for a record and itself, NOT_FOUND where one of them was merged into another.
        """
        if one == other:
            raise PacsdError(Fault.CONFLICT, "a patient is linked to itself already")
        first, second = sorted((one, other))
        found = _held(work.connection, first, second)
        if any(patient.merged_into is not None for patient in found):
            raise PacsdError(Fault.NOT_FOUND, "the patient was merged into another")
        at = work.say({
            "fact": _KINDS[linked].value, "authority": first.assigning_authority, "patient_id": first.patient_id,
            "other_authority": second.assigning_authority, "other_id": second.patient_id,
            "organisation": organisations.code(work.connection, work.organisation), "by": said_by,
        })  # fmt: skip
        patient_records.ensure(work.connection, [one.pk for one in found], organisation=work.organisation)
        identity_links.decide(work.connection, found[0].pk, found[1].pk, linked=linked, at=at)
        identity_steps.note(
            work.connection, LINKED if linked else SEPARATED, first, second,
            organisation=work.organisation, at=at, said_by=said_by,
        )  # fmt: skip


    def link_unless_decided(self, work: Work, one: PatientKey, other: PatientKey) -> bool:
        """Link two records that a feed names as one patient, unless anybody decided on them; whether that is new."""
        first, second = sorted((one, other))
        found = _held(work.connection, first, second)
        if identity_links.is_decided(work.connection, found[0].pk, found[1].pk):
            return False
        self.decide(work, first, second, linked=True)
        return True


def appliers(pool: Pool) -> dict[FactKind, Callable[[Fact], None]]:
    """How decisions take effect again; what the machine linked is only remembered, and found anew."""

    def again(work: Callable[[Connection, Fact], None]) -> Callable[[Fact], None]:
        return lambda fact: retried(pool, lambda connection: work(connection, fact))

    return {
        FactKind.PERSON_LINK: again(_decide_again),
        FactKind.PERSON_SEPARATE: again(_decide_again),
        FactKind.PERSON_MATCHED: again(_remember),
    }


def _decide_again(connection: Connection, fact: Fact) -> None:
    body: Mapping[str, Any] = fact.body
    first = PatientKey(body["authority"], body["patient_id"])
    second = PatientKey(body["other_authority"], body["other_id"])
    linked = fact.kind is FactKind.PERSON_LINK
    with connection.transaction():
        found = _held(connection, first, second)
        whose = organisations.key_of(connection, body["organisation"])
        if identity_links.decide(connection, found[0].pk, found[1].pk, linked=linked, at=fact.at):
            patient_records.ensure(connection, [one.pk for one in found], organisation=whose)
        if whose is not None:
            identity_steps.note(
                connection, LINKED if linked else SEPARATED, first, second, organisation=whose, at=fact.at,
                said_by=body["by"],
            )  # fmt: skip


def _remember(connection: Connection, fact: Fact) -> None:
    body: Mapping[str, Any] = fact.body
    with connection.transaction():
        for step, authority, patient_id, other_authority, other_id, code in body["steps"]:
            whose = organisations.key_of(connection, code)
            if whose is not None:
                identity_steps.note(
                    connection, step, (authority, patient_id), (other_authority, other_id), organisation=whose,
                    at=fact.at, said_by="matching",
                )  # fmt: skip


def _held(connection: Connection, first: PatientKey, second: PatientKey) -> tuple[rows.Patient, rows.Patient]:
    rows.hold(connection, [(key.patient_id, key.assigning_authority) for key in (first, second)])
    found = [
        rows.locked(connection, key.assigning_authority, key.patient_id, make=True) for key in (first, second)
    ]
    if found[0] is None or found[1] is None:
        raise LookupError("a patient that was made is not there")
    return found[0], found[1]
