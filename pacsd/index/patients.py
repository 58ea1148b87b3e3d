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

import orjson
from psycopg import Rollback
from psycopg.types.json import Jsonb

from pacsd.index import patient_records as records
from pacsd.index import scheduled_steps
from pacsd.index.connect import Connection, again
from pacsd.index.effective import recompute
from pacsd.index.patient_records import Details
from pacsd.index.pipelined import Asked, Row, Rows, Statement, numbered
from pacsd.index.rows import PATIENT_ID, dumps
from pacsd.index.values import Attributes

_FIELDS = "p.pk, p.overlay, p.stated_at, p.merged_into"
_JOINED = "patient p join asked using (patient_id, assigning_authority)"
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
union all select *, true from made
"""
# Those that are not there are made first, then the others locked, each in the order of the arrays. One that was merged
# does not come. Laterals and offsets have each row looked up by its key: planned while tables are small, a join would
# read all of them, and go on to when they are large. Selected, arrays have no length to plan by anew.
_LOCK_ALL = """
with asked as (select * from unnest((select %s::text[]), (select %s::text[])) as a(patient_id, assigning_authority)),
made as (
    insert into patient (patient_id, assigning_authority)
    select patient_id, assigning_authority from asked a
    where not exists (select from patient p where p.patient_id = a.patient_id
        and p.assigning_authority = a.assigning_authority and p.unidentified = '' offset 0)
    on conflict do nothing returning pk, patient_id, assigning_authority
)
select pk, patient_id, assigning_authority, '{}'::jsonb, null::timestamptz, true from made
union all
select p.*, false from asked a cross join lateral (
    select p.pk, p.patient_id, p.assigning_authority, p.overlay, p.stated_at from patient p
    where p.patient_id = a.patient_id and p.assigning_authority = a.assigning_authority and p.unidentified = ''
        and p.merged_into is null for update of p
) p
"""
_LOCKING_ALL = Statement("pacsd_lock_patients", numbered(_LOCK_ALL), ("text[]", "text[]"))
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
# The same, and details, of many patients, with the events that tell of it; whose attributes stay has no overlay here.
_STATE_ALL = f"""
with said as (
    select * from jsonb_to_recordset(%s::jsonb)
        as s(made boolean, overlay jsonb, stated_at timestamptz, {records.TYPED})
),
stated as (
    insert into patient (pk, patient_id, assigning_authority, overlay, stated_at, overlaid_at) overriding system value
    select patient, patient_id, assigning_authority, overlay, stated_at, case when made then stated_at
        else greatest(stated_at, (select max(merged_at) from patient c where c.merged_into = patient)) end
    from said where overlay is not null
    on conflict (pk) do update
        set overlay = excluded.overlay, stated_at = excluded.stated_at, overlaid_at = excluded.overlaid_at
),
recorded as ({records.WRITE_ALL})
insert into event (organisation, topic, subject, body)
select * from jsonb_to_recordset(%s::jsonb) as e(organisation integer, topic text, subject text, body jsonb)
"""
_STATING_ALL = Statement("pacsd_state_patients", numbered(_STATE_ALL), ("jsonb", "jsonb"))
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
_STUDIES = """
select pk from study where patient = any(%s) order by study_instance_uid, organisation for no key update
"""
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

    def shown(self, overlay: Attributes) -> Attributes:
        """What another overlay shows of it: its own id, where that is shown now."""
        found = dict(self.stated(overlay))
        if self.overlay.get(PATIENT_ID) == self.own_id:
            found.setdefault(PATIENT_ID, self.own_id)
        return found

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
    pk, overlay, stated_at, merged_into, made = row
    # Of whoever held the row before, the statement above may have seen the patient alone, and not yet the record.
    details = None if made else records.details_all(connection, [pk]).get(pk)
    return Patient(pk, patient_id, assigning_authority, overlay, stated_at, merged_into, details, made)


def locking_all(keys: Iterable[_Name]) -> Asked:
    """Lock several patients, (patient id, authority), until the transaction ends; those that are not there are made."""
    asked = sorted(set(keys))
    return Asked(_LOCKING_ALL, ([patient_id for patient_id, _ in asked], [authority for _, authority in asked]))


def locked_all(connection: Connection, rows: Rows) -> dict[_Name, Patient]:
    """Those of `locking_all`.

    One that was merged, or is made or merged by somebody else at this moment, is missing in the answer.
    """
    known = [int(row[0] or 0) for row in rows if row[-1] == b"f"]
    details = records.details_all(connection, known) if known else {}
    found = (_locked(row, details) for row in rows)
    return {(one.patient_id, one.assigning_authority): one for one in found}


def _locked(row: Row, details: Mapping[int, Details | None]) -> Patient:
    pk, patient_id, authority, overlay, stated_at, made = (None if one is None else one.decode() for one in row)
    key = int(pk or 0)
    at = None if stated_at is None else datetime.fromisoformat(stated_at)
    return Patient(key, patient_id or "", authority or "", orjson.loads(overlay or "{}"), at, None, details.get(key),
                   made == "t")  # fmt: skip


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


def state(connection: Connection, patient: Patient, overlay: Attributes, *, at: datetime | None) -> int:
    """Replace the attributes that are stated of a locked patient; how many studies read differently now."""
    shown = patient.shown(overlay)
    connection.execute(_STATE, (Jsonb(shown, dumps=dumps), at, at, patient.pk))
    connection.execute(records.WRITE, records.values(patient.pk, None, shown, patient.details, at=None))
    return 0 if patient.made else _shown_anew(connection, [patient.pk])


@dataclass(frozen=True, slots=True)
class Stated:
    """What is stated of a locked patient from now on: `details` is all there is besides the attributes.

    `overlay` is what it shows, said `at`; None where the attributes stay as they are.
    """

    patient: Patient
    organisation: int
    overlay: Attributes | None
    at: datetime | None
    details: Details
    details_at: datetime


def state_all(connection: Connection, changes: Sequence[Stated], told: Sequence[Told]) -> None:
    """The same for many patients at once, details among it, and the events that tell of it."""
    again(connection, _STATE_ALL, _said(changes, told))
    _shown_anew(connection, _shown_otherwise(changes))


def stating_all(changes: Sequence[Stated], told: Sequence[Told]) -> Asked | None:
    """The same as a question among others; None where more is to be done than that."""
    return None if _shown_otherwise(changes) else Asked(_STATING_ALL, _said(changes, told))


def _said(changes: Sequence[Stated], told: Sequence[Told]) -> tuple[str, str]:
    rows = [_row(one) for one in changes]
    events = [{"organisation": one.organisation, "topic": one.topic, "subject": one.subject, "body": one.body}
              for one in told]  # fmt: skip
    return dumps(rows), dumps(events)


def _shown_otherwise(changes: Sequence[Stated]) -> list[int]:
    """The patients of whom there may be something that shows them: those that were made just now have nothing."""
    return [one.patient.pk for one in changes if one.overlay is not None and not one.patient.made]


def _row(one: Stated) -> Mapping[str, Any]:
    shows = one.patient.overlay if one.overlay is None else one.overlay
    return {
        "made": one.patient.made, "overlay": one.overlay, "stated_at": one.at,
        "assigning_authority": one.patient.assigning_authority, "patient_id": one.patient.patient_id,
        **records.named(one.patient.pk, one.organisation, shows, one.details, at=one.details_at),
    }  # fmt: skip


def _shown_anew(connection: Connection, patients: Sequence[int]) -> int:
    """Work out again what readers see of everything under these patients; how many studies there are."""
    if not patients:
        return 0
    found = recompute(connection, _studies(connection, *patients))
    for patient in scheduled_steps.patients_with(connection, patients):
        scheduled_steps.recompute(connection, patient)
    return found


def state_details(
    connection: Connection, patient: Patient, details: Details, *, organisation: int | None, at: datetime
) -> None:
    """Replace what is stated of a locked patient beside its DICOM attributes."""
    connection.execute(records.WRITE, records.values(patient.pk, organisation, patient.overlay, details, at=at))


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


def _studies(connection: Connection, *patients: int) -> Sequence[int]:
    return [row[0] for row in connection.execute(_STUDIES, (list(patients),), prepare=True)]
