"""Rows of patients: stated, and merged within their assigning authority.

Whoever changes a patient locks its row first, the lower (patient id, authority) before the higher, so that no study
that arrives meanwhile escapes the change (pacsd.index.placement holds the row while it puts a study under it). Merged
patients are held less strictly than those that studies are put under: an arrival that names one of them waits only for
the patient that survives. Whoever changes who is merged into whom holds the surviving patients.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Rollback
from psycopg.types.json import Jsonb

from pacsd.index import patient_records as records
from pacsd.index import scheduled_steps
from pacsd.index.connect import Connection, again
from pacsd.index.effective import recompute
from pacsd.index.patient_records import Details
from pacsd.index.rows import PATIENT_ID, dumps
from pacsd.index.values import Attributes

_FIELDS = f"p.pk, p.overlay, p.stated_at, p.merged_into, {records.DETAILS_ARRAY}"
_JOINED = "patient p join asked using (patient_id, assigning_authority) left join patient_record r on r.patient = p.pk"
# %s the third time: the caller says whether one that is not there is made
_LOCK = f"""
with asked as (select %s::text as patient_id, %s::text as assigning_authority),
survivor as (select {_FIELDS} from {_JOINED} where p.unidentified = '' and p.merged_into is null for update of p),
merged as (
    select {_FIELDS} from {_JOINED} where p.unidentified = '' and p.merged_into is not null for no key update of p
),
made as (
    insert into patient (patient_id, assigning_authority)
    select patient_id, assigning_authority from asked
    where %s and not exists (select from survivor) and not exists (select from merged)
    on conflict do nothing returning pk, overlay, stated_at, merged_into
)
select *, false from survivor union all select *, false from merged
union all select pk, overlay, stated_at, merged_into, null, true from made
"""
_IS_THERE = "select from patient where patient_id = %s and assigning_authority = %s and unidentified = ''"
# Everybody whom a change of these patients may concern: those merged into them, and those they were merged into.
_FAMILY = """
with asked as (
    select p.pk, p.survivor from patient p
    join unnest(%s::text[], %s::text[]) as a(patient_id, assigning_authority) using (patient_id, assigning_authority)
    where p.unidentified = ''
)
select p.patient_id, p.assigning_authority from patient p
where p.pk in (select survivor from asked) or p.survivor in (select pk from asked union select survivor from asked)
"""
_OVERLAID_AT = "greatest(%s, (select max(merged_at) from patient c where c.merged_into = patient.pk))"
_STATE = f"""
update patient set overlay = %s, stated_at = coalesce(%s, now()),
    overlaid_at = {_OVERLAID_AT.replace("%s", "coalesce(%s, now())")}
where pk = %s
"""
_TELL = "insert into event (organisation, topic, subject, body) values (%s, %s, %s, %s)"
_STATE_AND_TELL = f"with stated as ({_STATE}), recorded as ({records.WRITE}) {_TELL}"
_MERGE = "update patient set merged_into = %s, survivor = %s, merged_at = %s where pk = %s"
# Under its own id it shows what is merged into it, and only then.
_SHOW_OWN_ID = f"""
update patient set overlaid_at = {_OVERLAID_AT.replace("%s", "stated_at")}, overlay = case
    when exists (select from patient c where c.merged_into = patient.pk)
    then overlay || jsonb_build_object('{PATIENT_ID}',
        jsonb_build_object('vr', 'LO', 'Value', jsonb_build_array(patient_id)))
    when overlay #>> '{{{PATIENT_ID},Value,0}}' = patient_id then overlay - '{PATIENT_ID}'
    else overlay end
where pk = %s
"""
_MERGED_INTO = """
with recursive family(pk) as (
    select %s::bigint union select p.pk from patient p join family f on p.merged_into = f.pk
)
select pk from family
"""
_STUDIES = "select pk from study where patient = %s order by study_instance_uid, organisation for no key update"
_STUDIES_NAMING = """
select pk from study where patient = %s and named_patient = any(%s)
order by study_instance_uid, organisation for no key update
"""
_KEY = "select assigning_authority, patient_id from patient where pk = %s"
_Name = tuple[str, str]                  # patient id, authority: locked in this order


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient that the caller's transaction has locked. `overlay`: what is stated of it, as DICOM JSON by tag."""

    pk: int
    patient_id: str
    assigning_authority: str
    overlay: Attributes
    stated_at: datetime | None
    merged_into: int | None
    details: Details | None              # what else is stated of it; None where nothing ever was
    made: bool                           # by this transaction: it has no studies

    def stated(self, overlay: Attributes | None = None) -> Attributes:
        """An overlay (its own) without the patient's own id, which only a merge puts there."""
        all_of_it = self.overlay if overlay is None else overlay
        return {tag: value for tag, value in all_of_it.items() if tag != PATIENT_ID or value != self.own_id}

    @property
    def own_id(self) -> Mapping[str, Any]:
        """Its id as an attribute."""
        return {"vr": "LO", "Value": [self.patient_id]}


def locked(connection: Connection, assigning_authority: str, patient_id: str, *, make: bool) -> Patient | None:
    """The patient, until the transaction ends; one that is not there is made, with `make`, or None."""
    while (found := _locked_once(connection, assigning_authority, patient_id, make=make)) is None:
        if not make and connection.execute(_IS_THERE, (patient_id, assigning_authority)).fetchone() is None:
            return None                          # else somebody makes or merges it at this moment: look again
    return found


def _locked_once(
    connection: Connection, assigning_authority: str, patient_id: str, *, make: bool
) -> Patient | None:
    """None also where the patient was merged or parted while its row was waited for: it is locked as it was before."""
    row = again(connection, _LOCK, (patient_id, assigning_authority, make)).fetchone()
    if row is None:
        return None
    pk, overlay, stated_at, merged_into, details, made = row
    return Patient(
        pk, patient_id, assigning_authority, overlay, stated_at, merged_into, records.details_of(details), made
    )


def overlay_of(connection: Connection, patient: int) -> Attributes:
    """What is stated of a patient now."""
    row = connection.execute("select overlay from patient where pk = %s", (patient,), prepare=True).fetchone()
    return {} if row is None else row[0]


def locked_pair(
    connection: Connection, assigning_authority: str, first: str, second: str
) -> tuple[Patient, Patient]:
    """Two patients of one authority, made where they are not there."""
    found = {one: locked(connection, assigning_authority, one, make=True) for one in sorted({first, second})}
    pair = found[first], found[second]
    if pair[0] is None or pair[1] is None:
        raise LookupError("a patient that was made is not there")
    return pair[0], pair[1]


def hold(connection: Connection, keys: Iterable[tuple[str, str]]) -> None:
    """Lock patients, (patient id, authority), and whom their merges concern, in the order that everybody keeps.

    Where somebody merged or parted them meanwhile, all are let go and locked anew: whom nobody has locked in order
    must not be locked later.
    """
    asked = set(keys)
    family = _family(connection, asked)
    while (later := _locked_all(connection, asked, family)) is not None:
        family = later


def _locked_all(connection: Connection, asked: set[_Name], family: set[_Name]) -> set[_Name] | None:
    """None when all are locked, else who else is concerned by now; then none is."""
    later: set[_Name] = set()
    with connection.transaction():               # a savepoint: what it locked is free again when it is rolled back
        ordered = sorted(asked | family)
        done = all(
            _locked_once(connection, authority, patient_id, make=(patient_id, authority) in asked) is not None
            for patient_id, authority in ordered
        )
        later = _family(connection, asked)
        if not done or not later <= family:
            raise Rollback                       # one that was merged meanwhile is locked too strictly: arrivals wait
    return None if done and later <= family else later


def _family(connection: Connection, asked: Iterable[_Name]) -> set[_Name]:
    names = list(asked)
    values = [patient_id for patient_id, _ in names], [authority for _, authority in names]
    return {(row[0], row[1]) for row in connection.execute(_FAMILY, values, prepare=True)}


def key_of(connection: Connection, pk: int) -> tuple[str, str]:
    """Assigning authority and id of a patient."""
    row = connection.execute(_KEY, (pk,)).fetchone()
    if row is None:
        raise LookupError("a patient that others refer to is not there")
    return row[0], row[1]


@dataclass(frozen=True, slots=True)
class Told:
    """The event that tells of a change (pacsd.index.outbox)."""

    organisation: int
    topic: str
    subject: str
    body: Mapping[str, Any]


def state(
    connection: Connection,
    patient: Patient,
    overlay: Attributes,
    *,
    at: datetime | None,
    details: Details | None = None,
    told: Told | None = None,
) -> int:
    """Replace what is stated of a locked patient, and tell of it; how many studies read differently now.

    `details`: all that is stated besides; as it was, where it is None.
    """
    shown = dict(patient.stated(overlay))
    if patient.overlay.get(PATIENT_ID) == patient.own_id:
        shown.setdefault(PATIENT_ID, patient.own_id)
    values = (Jsonb(shown, dumps=dumps), at, at, patient.pk)
    organisation = told.organisation if told else None
    said = patient.details if details is None else details
    record = records.values(patient.pk, organisation, shown, said, at=None if details is None else at)
    if told is None:
        connection.execute(_STATE, values)
        connection.execute(records.WRITE, record)
    else:                                        # one statement: feeds state thousands of patients a minute
        event = (told.organisation, told.topic, told.subject, Jsonb(dict(told.body)))
        again(connection, _STATE_AND_TELL, (*values, *record, *event))
    if patient.made:
        return 0
    found = recompute(connection, _studies(connection, patient.pk))
    scheduled_steps.recompute(connection, patient.pk)
    return found


def state_details(
    connection: Connection, patient: Patient, details: Details, *, organisation: int | None, at: datetime,
    told: Told | None = None,
) -> None:  # fmt: skip
    """Replace what is stated of a locked patient beside its DICOM attributes."""
    record = records.values(patient.pk, organisation, patient.overlay, details, at=at)
    connection.execute(records.WRITE, record)
    if told is not None:
        event = (told.organisation, told.topic, told.subject, Jsonb(dict(told.body)))
        connection.execute(_TELL, event)


def merge(connection: Connection, prior: Patient, survivor: Patient, *, at: datetime) -> int:
    """All studies and orders of `prior` become those of `survivor`, and show its id; how many studies it has now.

    Each study keeps whom it was first placed under, so that this can be taken back. Both are locked, and neither is
    merged into anybody.
    """
    moved = _studies(connection, prior.pk)
    connection.execute("update patient set survivor = %s where survivor = %s", (survivor.pk, prior.pk))
    connection.execute(_MERGE, (survivor.pk, survivor.pk, at, prior.pk))
    connection.execute(
        "update study set named_patient = coalesce(named_patient, patient), patient = %s where pk = any(%s)",
        (survivor.pk, moved),
    )
    scheduled_steps.move(connection, prior.pk, survivor.pk)
    connection.execute(_SHOW_OWN_ID, (survivor.pk,))
    records.mark(connection, (prior.pk, survivor.pk))
    found = recompute(connection, _studies(connection, survivor.pk))
    scheduled_steps.recompute(connection, survivor.pk)
    return found


def unmerge(connection: Connection, prior: Patient, *, into: int, survivor: int) -> int:
    """What naming `prior` and those merged into it put under `survivor` is theirs again; how many studies there are.

    `into`: whom it was merged into; all of them are held. Everything reads as before that merge, but for what was said
    since.
    """
    family = [row[0] for row in connection.execute(_MERGED_INTO, (prior.pk,))]
    moved = [row[0] for row in connection.execute(_STUDIES_NAMING, (survivor, family))]
    connection.execute("update patient set survivor = %s where pk = any(%s)", (prior.pk, family))
    connection.execute(_MERGE, (None, None, None, prior.pk))
    connection.execute(
        "update study set patient = %s, named_patient = nullif(named_patient, %s) where pk = any(%s)",
        (prior.pk, prior.pk, moved),
    )
    scheduled_steps.move_back(connection, survivor, named=family, owner=prior.pk)
    for one in (prior.pk, into):
        connection.execute(_SHOW_OWN_ID, (one,))
    records.mark(connection, (prior.pk, into, survivor))
    for one in (prior.pk, survivor):
        scheduled_steps.recompute(connection, one)
    kept = recompute(connection, _studies(connection, survivor))
    return kept + recompute(connection, moved)


def has_anything(connection: Connection, patient: Patient) -> bool:
    """Whether anything was stated of a patient, anybody merged into it, or any study or order put under it."""
    return connection.execute(
        """select from patient p where p.pk = %s and (p.overlay <> '{}'
            or exists (select from patient_record where patient = p.pk)
            or exists (select from patient where merged_into = p.pk) or exists (select from study where patient = p.pk)
            or exists (select from requested_procedure where patient = p.pk))
        """, (patient.pk,)
    ).fetchone() is not None  # fmt: skip


def survivor_of(connection: Connection, patient: Patient) -> int | None:
    """Under whom the studies of a merged patient stand."""
    row = connection.execute("select survivor from patient where pk = %s", (patient.pk,)).fetchone()
    return None if row is None else row[0]


def _studies(connection: Connection, patient: int) -> Sequence[int]:
    return [row[0] for row in connection.execute(_STUDIES, (patient,), prepare=True)]
