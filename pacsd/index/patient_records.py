"""What feeds say of patients, a row for each: what matching compares and what demographic queries search.

The DICOM attributes stand in the patient's overlay as well, where images take them from; the details stand here alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pacsd.index.connect import Connection, again
from pacsd.index.names import name_columns
from pacsd.index.values import Attributes, bounded, date_of, text_at

Details = Mapping[str, str]              # by name of DETAILS; what is empty is not there

DETAILS = (
    "phone", "address", "id_card", "health_card", "social_security_card", "account_number", "mother_name",
    "multiple_birth",
)  # fmt: skip
DETAILS_ARRAY = (
    "case when r.patient is not null then array[" + ", ".join(f"coalesce(r.{name}, '')" for name in DETAILS) + "] end"
)
_SHOWN = ("name", "name_alphabetic", "name_ideographic", "name_phonetic", "name_pinyin", "birth_date", "sex")
_NAME, _BIRTH_DATE, _SEX = "00100010", "00100030", "00100040"

# Whose a record is: of whoever stated it first, else of the organisation that the authority is of.
_COLUMNS = (*_SHOWN, *DETAILS)
_REPLACED = ", ".join((
    "details_at = coalesce(excluded.details_at, patient_record.details_at)",
    *(f"{name} = excluded.{name}" for name in _COLUMNS),
))  # fmt: skip
WRITE = f"""
insert into patient_record (patient, organisation, assigning_authority, patient_id, details_at, {", ".join(_COLUMNS)})
select p.pk, coalesce(%s::integer,
        (select o.pk from organisation o where o.assigning_authority = p.assigning_authority order by o.pk limit 1),
        (select min(o.pk) from organisation o)),
    p.assigning_authority, p.patient_id, %s, {", ".join("%s::date" if c == "birth_date" else "%s" for c in _COLUMNS)}
from patient p where p.pk = %s
on conflict (patient) do update set due = true, {_REPLACED}
"""
_FIELDS = ("patient", "organisation", "assigning_authority", "patient_id", "details_at", *_COLUMNS)
_TYPES = {"patient": "bigint", "organisation": "integer", "details_at": "timestamptz", "birth_date": "date"}
TYPED = ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in _FIELDS)
"""The columns of a record, as a row of `named` has them."""
WRITE_ALL = f"""
insert into patient_record ({", ".join(_FIELDS)}) select {", ".join(_FIELDS)} from said order by patient
on conflict (patient) do update set due = true, {_REPLACED}
"""
_DETAILS_ALL = f"select r.patient, {DETAILS_ARRAY} from patient_record r where r.patient = any(%s)"
_MARK = "update patient_record set due = true where patient = any(%s)"
_ENSURE = """
insert into patient_record (patient, organisation, assigning_authority, patient_id)
select p.pk, coalesce(%s::integer,
        (select o.pk from organisation o where o.assigning_authority = p.assigning_authority order by o.pk limit 1),
        (select min(o.pk) from organisation o)), p.assigning_authority, p.patient_id
from patient p where p.pk = any(%s) order by p.pk on conflict (patient) do update set due = true
"""


def values(
    patient: int, organisation: int | None, overlay: Attributes, details: Details | None, *, at: datetime | None
) -> tuple[Any, ...]:
    """The values of WRITE. `at`: when the details were said, where they are new."""
    return (organisation, at, *_values(overlay, details or {}), patient)


def named(
    patient: int, organisation: int, overlay: Attributes, details: Details, *, at: datetime
) -> dict[str, Any]:
    """The same by name, for WRITE_ALL."""
    found = dict(zip(_COLUMNS, _values(overlay, details), strict=True))
    return {"patient": patient, "organisation": organisation, "details_at": at, **found}


def _values(overlay: Attributes, details: Details) -> tuple[Any, ...]:
    """In the order of _COLUMNS."""
    name = text_at(overlay, _NAME)
    shown = name, *name_columns(name), date_of(text_at(overlay, _BIRTH_DATE)), text_at(overlay, _SEX)
    return (*shown, *(bounded(details.get(one, "")) or None for one in DETAILS))


def details_all(connection: Connection, patients: Sequence[int]) -> dict[int, dict[str, str] | None]:
    """What else is stated of patients, by patient; of whom nothing ever was is not there."""
    return {row[0]: details_of(row[1]) for row in again(connection, _DETAILS_ALL, (list(patients),))}


def details_of(array: Sequence[str] | None) -> dict[str, str] | None:
    """From DETAILS_ARRAY; None where there is no record."""
    return None if array is None else {name: value for name, value in zip(DETAILS, array, strict=True) if value}


def mark(connection: Connection, patients: Iterable[int]) -> None:
    """Have patients matched again; those of whom nothing was stated are not matched."""
    connection.execute(_MARK, (sorted(set(patients)),))


def ensure(connection: Connection, patients: Iterable[int], *, organisation: int | None) -> None:
    """Have patients matched, of whom maybe nothing was stated."""
    connection.execute(_ENSURE, (organisation, sorted(set(patients))))


def details_at(connection: Connection, patient: int) -> datetime | None:
    """When the details were last said."""
    row = connection.execute("select details_at from patient_record where patient = %s", (patient,)).fetchone()
    return None if row is None else row[0]


def organisation_of(connection: Connection, patient: int) -> int:
    """Whose a patient is: of whoever stated it, else of the organisation that its authority is of, else the first."""
    row = connection.execute(
        """select coalesce((select r.organisation from patient_record r where r.patient = p.pk),
            (select o.pk from organisation o where o.assigning_authority = p.assigning_authority order by o.pk limit 1),
            (select min(o.pk) from organisation o)) from patient p where p.pk = %s""",
        (patient,),
    ).fetchone()
    if row is None or row[0] is None:
        raise LookupError("a patient of nobody")
    return int(row[0])
