"""What feeds of an assigning authority say of its patients: demographics, and that two of them are one.

A statement is an overlay on every study of the patient, those that are still to arrive among them; a merge puts the
studies of one patient under another of the same authority, until it is taken back. Stored bytes never change. All of it
is said to the unit of work, which journals it before it commits, so that a rebuild from blobs alone knows it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from pacsd.archive.journal import Fact, FactKind
from pacsd.archive.overlay import PATIENT_TAGS, Attributes
from pacsd.faults import Fault, PacsdError
from pacsd.index import identity_steps, organisations, outbox, patient_records
from pacsd.index import patients as rows
from pacsd.index.connect import Connection, Pool, retried
from pacsd.index.patient_records import DETAILS, Details
from pacsd.index.pipelined import Asked, Rows
from pacsd.index.work import Work

PATIENT_UPDATED, PATIENT_MERGED, PATIENT_UNMERGED = "patient.updated", "patient.merged", "patient.unmerged"
FEED, PERSON = "feed", "person"          # who says something
MERGED, UNMERGED = "merged", "unmerged"  # steps
_PATIENT_ID = "00100020"
_NO_DETAILS: Details = {}


class PatientKey(NamedTuple):
    """A patient of an assigning authority."""

    assigning_authority: str
    patient_id: str


class Statement(NamedTuple):
    """What a feed says of a patient, in the terms of `Patients.state`."""

    key: PatientKey
    changes: Attributes
    details: Details = _NO_DETAILS


@dataclass(frozen=True, slots=True)
class _Change:
    """What a statement changes: the attributes, what is stated by that, and the event that tells of it."""

    changed: dict[str, dict[str, Any]]
    stated: rows.Stated
    told: rows.Told

    @property
    def after(self) -> rows.Patient:
        """The patient as the next statement of the same unit of work finds it."""
        patient, overlay = self.stated.patient, self.stated.overlay
        return replace(patient, overlay=patient.overlay if overlay is None else overlay, details=self.stated.details)

    def since(self, before: rows.Stated | None) -> rows.Stated:
        """What is to be written where another statement changed the patient before and was not written."""
        if before is None or self.stated.overlay is not None or before.overlay is None:
            return self.stated
        return replace(self.stated, overlay=before.overlay, at=before.at)


class Patients:
    """States and merges patients, within the caller's unit of work."""

    def __init__(self) -> None:
        self._codes: dict[int, str] = {}         # of organisations, which never change

    def hold(self, work: Work, keys: Iterable[PatientKey]) -> None:
        """Lock several patients in the order that everybody keeps, before one after the other is changed."""
        asked = list(keys)
        for key in asked:
            _check(key, {})
        rows.hold(work.connection, [(key.patient_id, key.assigning_authority) for key in asked])

    def state(
        self, work: Work, key: PatientKey, changes: Attributes, details: Details = _NO_DETAILS
    ) -> dict[str, dict[str, Any]]:
        """Change what is stated of a patient, who may be new; the attributes that have changed by that.

        `changes`: DICOM JSON attributes by tag, without those that stay; None for one that is to be shown empty.
        `details`: what a feed says besides, by name of DETAILS; empty for one that is to be forgotten.
        Raises PacsdError NOT_FOUND for a patient that was merged, MALFORMED.
        """
        _check(key, changes, details)
        patient = self._live(work.connection, key)
        change = self._change(work, patient, Statement(key, changes, details))
        if change is not None:
            rows.state_all(work.connection, [change.stated], [change.told])
        return change.changed if change is not None else {}

    def asked(self, keys: Iterable[PatientKey]) -> Asked:
        """To lock several patients in the order that everybody keeps, for `state_all`. Raises PacsdError MALFORMED."""
        asked = list(keys)
        for key in asked:
            _check(key, {})
        return rows.locking_all(map(_name, asked))

    def state_all(self, work: Work, statements: Sequence["Statement"], locked: Rows) -> None:
        """As `state` for several statements in this order, of patients that were asked for; with the commit, if it can.

        Raises PacsdError NOT_FOUND where a patient was merged, or is being made or merged by somebody else.
        """
        for one in statements:
            _check(*one)
        found = rows.locked_all(work.connection, locked)
        changes: dict[int, rows.Stated] = {}
        told: list[rows.Told] = []
        for one in statements:
            patient = found.get(_name(one.key))
            if patient is None:
                raise PacsdError(Fault.NOT_FOUND, "the patient was merged into another")
            change = self._change(work, patient, one)
            if change is not None:
                found[_name(one.key)] = change.after
                changes[patient.pk] = change.since(changes.get(patient.pk))
                told.append(change.told)
        if not changes:
            return
        stating = rows.stating_all(list(changes.values()), told)
        if stating is None:
            rows.state_all(work.connection, list(changes.values()), told)
        else:
            work.last.append(stating)

    def merge(self, work: Work, *, prior: PatientKey, survivor: PatientKey) -> bool:
        """Make the studies of `prior`, and those that still arrive for it, those of `survivor`; whether that is new.

        Either may be unknown so far. Raises PacsdError CONFLICT for a merge with itself or across authorities,
        NOT_FOUND where either was merged into somebody else before.
        """
        if prior.assigning_authority != survivor.assigning_authority:
            raise PacsdError(Fault.CONFLICT, "patients of two assigning authorities are linked, never merged")
        if prior == survivor:
            raise PacsdError(Fault.CONFLICT, "a patient cannot be merged with itself")
        self.hold(work, (prior, survivor))
        one, other = rows.locked_pair(work.connection, prior.assigning_authority, prior.patient_id, survivor.patient_id)
        if other.merged_into is not None:
            raise PacsdError(Fault.NOT_FOUND, "the surviving patient was merged into another before")
        if one.merged_into is not None:
            if one.merged_into == other.pk:
                return False
            raise PacsdError(Fault.NOT_FOUND, "the prior patient was merged into another before")
        self._merge(work, one, other)
        return True

    def change_id(self, work: Work, *, prior: PatientKey, new: PatientKey) -> bool:
        """Give a patient another id (ADT^A47): what was stated and all studies go with it; whether that is new.

        Journalled as a statement and a merge, and taken back like one. Raises PacsdError CONFLICT where the new id is
        in use, or is the old one, or another authority's; NOT_FOUND where either was merged before.
        """
        if prior == new:
            raise PacsdError(Fault.CONFLICT, "the new patient id is the old one")
        if prior.assigning_authority != new.assigning_authority:
            raise PacsdError(Fault.CONFLICT, "a patient id is changed within its assigning authority")
        self.hold(work, (prior, new))
        one, other = rows.locked_pair(work.connection, prior.assigning_authority, prior.patient_id, new.patient_id)
        if one.merged_into is not None and one.merged_into == other.pk:
            return False
        if one.merged_into is not None or other.merged_into is not None:
            raise PacsdError(Fault.NOT_FOUND, "the patient was merged into another before")
        if rows.has_anything(work.connection, other):
            raise PacsdError(Fault.CONFLICT, "the new patient id belongs to another patient; two are merged by A40")
        self.state(work, new, {tag: value or None for tag, value in one.stated().items()}, one.details or _NO_DETAILS)
        return self.merge(work, prior=prior, survivor=new)

    def unmerge(self, work: Work, key: PatientKey, *, said_by: str = PERSON) -> PatientKey:
        """Take back the merge of a patient into another: all is shown as before it; into whom it had been merged.

        What was stated since stays. Raises PacsdError NOT_FOUND where it was not merged.
        """
        _check(key, {})
        rows.hold(work.connection, [(key.patient_id, key.assigning_authority)])
        patient = rows.locked(work.connection, key.assigning_authority, key.patient_id, make=False)
        if patient is None or patient.merged_into is None:
            raise PacsdError(Fault.NOT_FOUND, "the patient is merged into nobody")
        into = PatientKey(*rows.key_of(work.connection, patient.merged_into))
        at = work.say({
            "fact": FactKind.PATIENT_UNMERGE.value, "authority": key.assigning_authority, "patient_id": key.patient_id,
            "from": into.patient_id, "organisation": self._code(work), "by": said_by,
        })  # fmt: skip
        _unmerge(work.connection, patient, into, organisation=work.organisation, at=at, said_by=said_by)
        _tell(work, PATIENT_UNMERGED, into, {"prior": key.patient_id})
        return into

    def _merge(self, work: Work, prior: rows.Patient, survivor: rows.Patient) -> None:
        authority = prior.assigning_authority
        at = work.say({
            "fact": FactKind.PATIENT_MERGE.value, "authority": authority, "patient_id": prior.patient_id,
            "into": survivor.patient_id, "organisation": self._code(work), "by": FEED,
        })  # fmt: skip
        _merge(work.connection, prior, survivor, organisation=work.organisation, at=at, said_by=FEED)
        _tell(work, PATIENT_MERGED, PatientKey(authority, survivor.patient_id), {"prior": prior.patient_id})

    def _change(self, work: Work, patient: rows.Patient, said: "Statement") -> "_Change | None":
        """What a statement changes of a locked patient, said to the unit of work; None where it says nothing new."""
        key, _, details = said
        changed = {tag: value for tag, value in _stated(said.changes).items() if patient.overlay.get(tag) != value}
        known = patient.details or {}
        news = sorted(name for name, value in details.items() if known.get(name, "") != value)
        if not changed and not news and patient.details is not None:
            return None
        all_of_it = {name: value for name, value in {**known, **details}.items() if value}
        details_at = self._say_details(work, key, all_of_it) if news or patient.details is None else None
        overlay = at = None
        if changed:
            after = {**patient.stated(), **changed}
            at = work.say({
                "fact": FactKind.PATIENT_OVERLAY.value, "authority": key.assigning_authority,
                "patient_id": key.patient_id, "attributes": {tag: value or None for tag, value in after.items()},
            })  # fmt: skip
            overlay = patient.shown(after)
        body: dict[str, Any] = {"attributes": sorted(changed), **({"details": news} if news else {})}
        stated = rows.Stated(patient, work.organisation, overlay, at, all_of_it, at or details_at or work.clock())
        return _Change(changed, stated, _told(work, PATIENT_UPDATED, key, body))

    def _say_details(self, work: Work, key: PatientKey, details: Details) -> datetime:
        return work.say({
            "fact": FactKind.PATIENT_DETAILS.value, "authority": key.assigning_authority, "patient_id": key.patient_id,
            "organisation": self._code(work), "details": details,
        })  # fmt: skip

    def _code(self, work: Work) -> str:
        found = self._codes.get(work.organisation)
        if found is None:
            found = self._codes[work.organisation] = organisations.code(work.connection, work.organisation)
        return found

    def _live(self, connection: Connection, key: PatientKey) -> rows.Patient:
        patient = rows.locked(connection, key.assigning_authority, key.patient_id, make=True)
        if patient is None or patient.merged_into is not None:
            raise PacsdError(Fault.NOT_FOUND, "the patient was merged into another")
        return patient


def appliers(pool: Pool) -> dict[FactKind, Callable[[Fact], None]]:
    """How facts of this room take effect again, after a crash or in a rebuild."""

    def again(work: Callable[[Connection, Mapping[str, Any], Fact], None]) -> Callable[[Fact], None]:
        return lambda fact: retried(pool, lambda connection: _durably(connection, work, fact))

    return {
        FactKind.PATIENT_MERGE: again(_merge_again),
        FactKind.PATIENT_UNMERGE: again(_unmerge_again),
        FactKind.PATIENT_DETAILS: again(_details_again),
    }


def _durably(
    connection: Connection, work: Callable[[Connection, Mapping[str, Any], Fact], None], fact: Fact
) -> None:
    with connection.transaction():
        connection.execute("set local synchronous_commit = on")
        work(connection, fact.body, fact)


def _merge_again(connection: Connection, body: Mapping[str, Any], fact: Fact) -> None:
    authority = body["authority"]
    rows.hold(connection, [(body["patient_id"], authority), (body["into"], authority)])
    prior, survivor = rows.locked_pair(connection, authority, body["patient_id"], body["into"])
    if prior.merged_into is None and survivor.merged_into is None and prior.pk != survivor.pk:
        whose = _whose(connection, body, prior.pk)
        _merge(connection, prior, survivor, organisation=whose, at=fact.at, said_by=body.get("by", FEED))


def _unmerge_again(connection: Connection, body: Mapping[str, Any], fact: Fact) -> None:
    rows.hold(connection, [(body["patient_id"], body["authority"])])
    prior = rows.locked(connection, body["authority"], body["patient_id"], make=False)
    if prior is not None and prior.merged_into is not None:
        into = PatientKey(*rows.key_of(connection, prior.merged_into))
        whose = _whose(connection, body, prior.pk)
        _unmerge(connection, prior, into, organisation=whose, at=fact.at, said_by=body.get("by", PERSON))


def _details_again(connection: Connection, body: Mapping[str, Any], fact: Fact) -> None:
    patient = rows.locked(connection, body["authority"], body["patient_id"], make=True)
    if patient is None:
        return
    said = patient_records.details_at(connection, patient.pk)
    if said is None or said < fact.at:
        whose = organisations.key_of(connection, body["organisation"])
        rows.state_details(connection, patient, body["details"], organisation=whose, at=fact.at)


def _whose(connection: Connection, body: Mapping[str, Any], patient: int) -> int:
    """Of which organisation a step is; facts of an older version do not say it."""
    found = organisations.key_of(connection, body.get("organisation"))
    return found if found is not None else patient_records.organisation_of(connection, patient)


def _merge(
    connection: Connection, prior: rows.Patient, survivor: rows.Patient, *, organisation: int, at: datetime,
    said_by: str,
) -> None:  # fmt: skip
    rows.merge(connection, prior, survivor, at=at)
    one, other = _pair(prior), _pair(survivor)
    identity_steps.note(connection, MERGED, one, other, organisation=organisation, at=at, said_by=said_by)


def _unmerge(
    connection: Connection, prior: rows.Patient, into: PatientKey, *, organisation: int, at: datetime, said_by: str
) -> None:
    survivor = rows.survivor_of(connection, prior)
    if prior.merged_into is None or survivor is None:
        raise LookupError("a merged patient without one that survives")
    rows.unmerge(connection, prior, into=prior.merged_into, survivor=survivor)
    identity_steps.note(
        connection, UNMERGED, _pair(prior), into, organisation=organisation, at=at, said_by=said_by
    )


def _name(key: PatientKey) -> tuple[str, str]:
    """As rows are named and locked in order."""
    return key.patient_id, key.assigning_authority


def _pair(patient: rows.Patient) -> tuple[str, str]:
    return patient.assigning_authority, patient.patient_id


def _told(work: Work, topic: str, key: PatientKey, body: Mapping[str, Any]) -> rows.Told:
    named = {"assigning_authority": key.assigning_authority, "patient_id": key.patient_id}
    return rows.Told(work.organisation, topic, f"{key.assigning_authority} {key.patient_id}", {**named, **body})


def _tell(work: Work, topic: str, key: PatientKey, body: Mapping[str, Any]) -> None:
    told = _told(work, topic, key, body)
    outbox.append(
        work.connection, organisation=told.organisation, topic=told.topic, subject=told.subject, body=dict(told.body)
    )


def _check(key: PatientKey, changes: Attributes, details: Details = _NO_DETAILS) -> None:
    if not 1 <= len(key.patient_id) <= 64 or "\\" in key.patient_id:         # PS3.5 6.2, VR LO
        raise PacsdError(Fault.MALFORMED, "a patient id has 1 to 64 characters, and no backslash")
    if not 1 <= len(key.assigning_authority) <= 64 or "\\" in key.assigning_authority:
        raise PacsdError(Fault.MALFORMED, "an assigning authority has 1 to 64 characters, and no backslash")
    for tag in changes:
        if tag not in PATIENT_TAGS or tag == _PATIENT_ID:
            raise PacsdError(Fault.MALFORMED, f"{tag} is nothing that a feed states of a patient")
    for name in details:
        if name not in DETAILS:
            raise PacsdError(Fault.MALFORMED, f"{name} is nothing that a feed states of a patient")


def _stated(changes: Attributes) -> dict[str, dict[str, Any]]:
    """As the index keeps it: an empty object takes an attribute away."""
    return {tag: {} if value is None else dict(value) for tag, value in changes.items()}
