"""Finding or making the patient, study and series of arrivals: the path of the first object of a series.

Every writer locks in one order: patients by key, then studies by (Study Instance UID, organisation), each
with its series by UID, then the grams of names. So transactions wait for each other, and never in a circle.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import errors

from pacsd.index import outbox
from pacsd.index.connect import Connection
from pacsd.index.described import Above
from pacsd.index.keys import Table
from pacsd.index.names import name_grams
from pacsd.index.records import Arrival
from pacsd.index.rows import (
    ISSUER_OF_PATIENT_ID,
    PATIENT_ID,
    answer,
    column_names,
    column_types,
    column_values,
    dumps,
    filled,
    overlaid,
)
from pacsd.index.summary import summarise
from pacsd.index.values import Attributes, text_at

STUDY_RECEIVED = "study.received"

# Who the patient is follows from the first object alone.
_PATIENT_KEY_TAGS = frozenset((PATIENT_ID, ISSUER_OF_PATIENT_ID))

STUDY_FIELDS = (                         # of a new row: column and type, in the order of `study_values`
    ("study_instance_uid", "text"), ("organisation", "integer"), ("received_at", "timestamptz"),
    ("last_received_at", "timestamptz"), ("patient_id", "text"), ("assigning_authority", "text"),
    ("original", "jsonb"), ("attributes", "text"), ("more", "text"),
    *zip(column_names("study"), column_types("study"), strict=True),
)  # fmt: skip
SERIES_FIELDS = (                        # and in the order of `series_values`
    ("series_instance_uid", "text"), ("organisation", "integer"), ("last_received_at", "timestamptz"),
    ("sop_classes", "text[]"), ("original", "jsonb"), ("attributes", "text"), ("more", "text"),
    *zip(column_names("series"), column_types("series"), strict=True),
)  # fmt: skip

_STUDY_STATED, _SERIES_STATED = 6, 3     # from there on the fields say what the objects say


def _named(fields: Sequence[tuple[str, str]]) -> str:
    return ", ".join(name for name, _ in fields)


def _given(fields: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"%s::{kind}" for _, kind in fields)


def _set(fields: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} = %s::{kind}" for name, kind in fields)


# Only whom studies are put under is locked: a merged patient changes only while the one that survives is held.
_PATIENT = """
with asked as (select %s::text as patient_id, %s::text as assigning_authority, %s::text as unidentified),
alone as (select p.pk, p.overlay
    from patient p join asked using (patient_id, assigning_authority, unidentified)
    where p.survivor is null for key share of p),
merged as (select p.pk, p.overlay, p.survivor
    from patient p join asked using (patient_id, assigning_authority, unidentified) where p.survivor is not null),
made as (
    insert into patient (patient_id, assigning_authority, unidentified)
    select patient_id, assigning_authority, unidentified from asked
    where not exists (select from alone) and not exists (select from merged)
    on conflict do nothing returning pk, overlay
)
select pk, false as made, overlay, null::bigint from alone union all select pk, true, overlay, null from made
union all select pk, false, overlay, survivor from merged
"""
_SURVIVOR = "select pk, overlay from patient where pk = %s for key share"
_STILL_SURVIVES = "select from patient where pk = %s and survivor = %s"
# Who those of these patients that were merged are now.
_MERGED = """
select p.patient_id, p.assigning_authority, s.pk, s.patient_id, s.assigning_authority
from unnest(%s::text[], %s::text[]) as a(patient_id, assigning_authority)
join patient p using (patient_id, assigning_authority) join patient s on s.pk = p.survivor
where p.unidentified = ''
"""
_STUDY_FIND = """
select s.pk, s.patient, s.original, s.overlay, p.overlay
from study s join patient p on p.pk = s.patient
where s.study_instance_uid = %s and s.organisation = %s for no key update of s
"""
_STUDY_MAKE = f"""
insert into study (patient, named_patient, {_named(STUDY_FIELDS)}) values (%s, %s, {_given(STUDY_FIELDS)})
on conflict do nothing returning pk
"""
_STUDY_UPDATE = f"update study set {_set(STUDY_FIELDS[_STUDY_STATED:])} where pk = %s"
_SERIES_FIND = """
select pk, original, sop_classes from series where study = %s and series_instance_uid = %s for no key update
"""
_SERIES_MAKE = f"""
insert into series (study, {_named(SERIES_FIELDS)}) values (%s, {_given(SERIES_FIELDS)})
on conflict do nothing returning pk
"""
_SERIES_UPDATE = f"update series set {_set(SERIES_FIELDS[_SERIES_STATED:])} where pk = %s"
_GRAMS = """
insert into name_gram (gram, patient)
select gram, patient from unnest(%s::text[], %s::bigint[]) as g(gram, patient) order by patient, gram
on conflict do nothing
"""


class PatientsMoved(errors.SerializationFailure):
    """Patients were merged or parted while they were looked for: to be looked for again, in another transaction."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an arrival belongs. `other_patient`: the study is kept under another patient than the object names."""

    series: int
    study: int
    other_patient: bool


@dataclass(frozen=True, slots=True)
class Holder:
    """The patient under whom something is put, until the transaction ends."""

    pk: int
    made: bool                           # just now: then its study hardly ever is there already
    overlay: Attributes                  # what is stated of it
    named: int | None = None             # whom the objects name, where that patient was merged into this one


@dataclass(frozen=True, slots=True)
class _Study:
    pk: int
    other_patient: bool
    grams: tuple[tuple[str, int], ...]
    made: bool = False                   # by this transaction: then it has no series of anybody else


def place(connection: Connection, arrivals: Sequence[tuple[Arrival, Above]]) -> list[Placed]:
    """Series keys for arrivals, in their order; call inside a transaction, which keeps the rows locked."""
    patients = _patients(connection, arrivals)
    studies: dict[tuple[str, int], _Study] = {}
    placed: dict[int, Placed] = {}
    grams: set[tuple[str, int]] = set()
    for n in sorted(range(len(arrivals)), key=lambda n: _order(arrivals[n][0])):
        arrival, above = arrivals[n]
        study = _study(connection, arrival, above, patients[patient_key(arrival, above)])
        studies.setdefault((arrival.study_instance_uid, arrival.organisation), study)
        grams.update(study.grams)
        placed[n] = Placed(_series(connection, arrival, above, study), study.pk, study.other_patient)
    add_grams(connection, grams)
    return [placed[n] for n in range(len(arrivals))]


def add_grams(connection: Connection, grams: Iterable[tuple[str, int]]) -> None:
    """Make patients findable by grams of their names."""
    both = sorted(grams)
    if both:
        connection.execute(_GRAMS, ([gram for gram, _ in both], [patient for _, patient in both]))


def _order(arrival: Arrival) -> tuple[str, int, str]:
    return arrival.study_instance_uid, arrival.organisation, arrival.series_instance_uid


def patient_key(arrival: Arrival, above: Above) -> tuple[str, str, str]:
    unidentified = "" if above.patient_id else f"{arrival.organisation} {arrival.study_instance_uid}"
    return above.patient_id, above.assigning_authority, unidentified


def _patients(
    connection: Connection, arrivals: Iterable[tuple[Arrival, Above]]
) -> dict[tuple[str, str, str], Holder]:
    """Raises PatientsMoved where somebody merges or parts them at this moment: they are locked out of order."""
    keys = {patient_key(arrival, above) for arrival, above in arrivals}
    if len(keys) == 1:
        return {key: holder(connection, key) for key in keys}
    found: dict[tuple[str, str, str], Holder] = {}
    for key, survivor in _in_order(connection, keys):
        found[key] = holder(connection, key)
        if (found[key].pk if found[key].named is not None else None) != survivor:
            raise PatientsMoved
    return found


def _in_order(
    connection: Connection, keys: Iterable[tuple[str, str, str]]
) -> list[tuple[tuple[str, str, str], int | None]]:
    """In the order in which everybody locks; a patient that was merged stands where the surviving one, told, does."""
    found = sorted(keys)
    asked = [key[0] for key in found], [key[1] for key in found]
    merged = {
        (patient_id, authority, ""): (pk, (survivor, survivors_authority, ""))
        for patient_id, authority, pk, survivor, survivors_authority in connection.execute(_MERGED, asked)
    }
    ordered = sorted(found, key=lambda key: (merged[key][1] if key in merged else key, key))
    return [(key, merged[key][0] if key in merged else None) for key in ordered]


def holder(connection: Connection, key: tuple[str, str, str]) -> Holder:
    """The row that is there, or the one made; a row made by somebody else meanwhile is found the second time.

    Where that patient was merged, the one that survives. Its row stays as it is until the transaction ends: whoever
    takes a merge back, or merges the survivor, must have it. Raises PatientsMoved where it was merged or parted while
    it was waited for.
    """
    waited = False
    while (row := connection.execute(_PATIENT, key, prepare=True).fetchone()) is None:
        waited = True
    named, made, overlay, survivor = row
    if survivor is None:
        return Holder(named, made, overlay)
    found = None if waited else connection.execute(_SURVIVOR, (survivor,)).fetchone()
    if found is None or connection.execute(_STILL_SURVIVES, (named, survivor)).fetchone() is None:
        raise PatientsMoved
    return Holder(survivor, False, found[1], named)


def _found_or_made(
    connection: Connection, find: str, find_by: Sequence[Any], make: str, values: Sequence[Any], *, make_first: bool
) -> tuple[Any, ...]:
    """The row that is there, or the one made; a row made by somebody else meanwhile is found the second time."""
    row = connection.execute(make, values, prepare=True).fetchone() if make_first else None
    while row is None:
        row = connection.execute(find, find_by, prepare=True).fetchone()
        row = row or connection.execute(make, values, prepare=True).fetchone()
    return row


def _study(connection: Connection, arrival: Arrival, above: Above, patient: Holder) -> _Study:
    key = (arrival.study_instance_uid, arrival.organisation)
    new = (patient.pk, patient.named, *study_values(arrival, above, patient.overlay))
    row = _found_or_made(connection, _STUDY_FIND, key, _STUDY_MAKE, new, make_first=patient.made)
    if len(row) == 1:
        subject = arrival.study_instance_uid
        outbox.append(
            connection, organisation=arrival.organisation, topic=STUDY_RECEIVED, subject=subject,
            body={"study_instance_uid": subject},
        )
        effective = overlaid({**above.patient, **above.study}, patient.overlay)
        return _Study(row[0], False, _grams(effective, patient.pk), made=True)
    return _known_study(connection, row, above)


def study_values(arrival: Arrival, above: Above, patient_overlay: Attributes) -> list[Any]:
    """Of a study that is new, in the order of STUDY_FIELDS."""
    original = {**above.patient, **above.study}
    effective = overlaid(original, patient_overlay)
    return [
        arrival.study_instance_uid, arrival.organisation, arrival.received_at, arrival.received_at,
        text_at(effective, PATIENT_ID) or "", above.assigning_authority, *_stated("study", original, effective),
    ]  # fmt: skip


def _known_study(connection: Connection, row: tuple[Any, ...], above: Above) -> _Study:
    pk, patient, original, overlay, patient_overlay = row
    other_patient = _names_other_patient(original, above)
    later = above.study if other_patient else {**above.patient, **above.study}
    merged = filled(original, {tag: later[tag] for tag in later if tag not in _PATIENT_KEY_TAGS})
    if merged == original:
        return _Study(pk, other_patient, ())
    effective = overlaid(merged, patient_overlay, overlay)
    connection.execute(_STUDY_UPDATE, (*_stated("study", merged, effective), pk))
    return _Study(pk, other_patient, _grams(effective, patient))


def _names_other_patient(original: Attributes, above: Above) -> bool:
    issuers = {text_at(original, ISSUER_OF_PATIENT_ID), text_at(above.patient, ISSUER_OF_PATIENT_ID)} - {None}
    return above.patient_id != (text_at(original, PATIENT_ID) or "") or len(issuers) > 1


def _series(connection: Connection, arrival: Arrival, above: Above, study: _Study) -> int:
    key = (study.pk, arrival.series_instance_uid)
    new = (study.pk, *series_values(arrival, above))
    row = _found_or_made(connection, _SERIES_FIND, key, _SERIES_MAKE, new, make_first=study.made)
    if len(row) > 1:
        _fill_series(connection, row, arrival, above, study.pk)
    pk: int = row[0]
    return pk


def series_values(arrival: Arrival, above: Above) -> list[Any]:
    """Of a series that is new, in the order of SERIES_FIELDS."""
    return [
        arrival.series_instance_uid, arrival.organisation, arrival.received_at, [arrival.sop_class_uid],
        *_stated("series", above.series, above.series),
    ]  # fmt: skip


def _fill_series(
    connection: Connection, row: tuple[Any, ...], arrival: Arrival, above: Above, study: int
) -> None:
    pk, original, sop_classes = row
    merged = filled(original, above.series)
    if merged == original and arrival.sop_class_uid in sop_classes:
        return
    classes = sorted({*sop_classes, arrival.sop_class_uid})
    connection.execute(_SERIES_UPDATE, (classes, *_stated("series", merged, merged), pk))
    summarise(connection, [study])


def _grams(attributes: Attributes, patient: int) -> tuple[tuple[str, int], ...]:
    return tuple((gram, patient) for gram in name_grams(column_values("study", attributes)[:4]))


def _stated(table: Table, original: Attributes, effective: Attributes) -> list[Any]:
    """The original, the ready answers and the key columns."""
    ready = answer(table, effective)
    return [dumps(original), ready.attributes, ready.more, *column_values(table, effective)]
