"""What other models of the archive are made of: studies, patients, orders and workitems with all that hangs on them.

Every function answers for a whole list of subjects in a fixed number of statements, each row with its organisation.
What somebody else told meanwhile is read with it: whoever projects reads again when he hears of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from pacsd.access.scope import Scope
from pacsd.index.connect import Connection
from pacsd.index.patient_records import DETAILS
from pacsd.index.predicate import Params, within
from pacsd.index.values import Attributes

Subject = tuple[int, str]                # organisation, and a UID or number
Patient = tuple[str, str]                # assigning authority, id

# what a sweep walks along: its rows in the order of their keys
_SWEPT = {
    "study": "select pk, organisation, study_instance_uid, '' from study t where {mine} and pk > {after}",
    "patient": """select pk, 0, assigning_authority, patient_id from patient t
        where t.unidentified = '' and pk > {after}""",
    "order": "select pk, organisation, order_key, '' from requested_procedure t where {mine} and pk > {after}",
    "report": "select pk, organisation, names[1], '' from diagnostic_report t where {mine} and pk > {after}",
    "workitem": "select pk, organisation, sop_instance_uid, '' from workitem t where {mine} and pk > {after}",
}  # fmt: skip
SWEPT = tuple(_SWEPT)
# by what a procedure is known for good
_PROCEDURE = "case when r.formerly <> '' then r.formerly else r.requested_procedure_id end"


@dataclass(frozen=True, slots=True)
class SeriesSource:
    """A series that shows something."""

    pk: int
    series_instance_uid: str
    modality: str
    instances: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class StudySource:
    """A study as readers see it. `unidentified`: not empty where its patient has no id.

    `ordered`: of each procedure it was made for the number of the order and the id it is known by here.
    """

    pk: int
    organisation: int
    study_instance_uid: str
    patient: Patient
    unidentified: str
    instances: int
    received_at: datetime
    attributes: Attributes
    series: tuple[SeriesSource, ...] = ()
    ordered: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PatientSource:
    """A patient as one organisation has it.

    `attributes`: of its newest study there, under what is stated. `details`: what a feed of that organisation says
    besides. `into`: whom it was merged into. `same`: others of that organisation who are the same person.
    """

    organisation: int
    patient: Patient
    attributes: Attributes
    details: dict[str, str]
    stated_at: datetime | None
    into: Patient | None = None
    same: tuple[Patient, ...] = ()


@dataclass(frozen=True, slots=True)
class StepSource:
    """A scheduled step with its worklist item as readers see it."""

    step_id: str
    status: str
    status_at: datetime
    item: Attributes


@dataclass(frozen=True, slots=True)
class OrderSource:
    """A requested procedure with its steps. `name`: what tells it from others of its order, for good."""

    pk: int
    organisation: int
    order_key: str
    name: str
    patient: Patient
    placer_number: str
    filler_number: str
    accession_number: str
    study_instance_uid: str
    said_by: str
    stated_at: datetime
    steps: tuple[StepSource, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkitemSource:
    """A unified procedure step."""

    organisation: int
    sop_instance_uid: str
    state: str
    created_at: datetime
    changed_at: datetime
    attributes: Attributes


def swept(
    connection: Connection, scope: Scope, kind: str, *, after: int, limit: int
) -> list[tuple[int, int, str, str]]:
    """Key, organisation and name of the next subjects of a kind (of a patient: 0, authority, id)."""
    params = Params()
    text = _SWEPT[kind].format(mine=within(scope, params, "t"), after=params.add(after))
    statement = f"{text} order by pk limit {params.add(limit)}"
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(statement, params.values)]


def studies(connection: Connection, scope: Scope, subjects: Iterable[Subject]) -> list[StudySource]:
    """Studies by organisation and UID; those of which nothing is shown are not among them."""
    params = Params()
    statement = f"""
        select s.pk, s.organisation, s.study_instance_uid, p.assigning_authority, p.patient_id, p.unidentified,
            s.instances, s.received_at, s.attributes, s.more
        from {_asked(subjects, params)} join study s
            on s.study_instance_uid = a.name and s.organisation = a.organisation
        join patient p on p.pk = s.patient where {within(scope, params, "s")} and s.instances > 0 order by s.pk"""
    rows = connection.execute(statement, params.values).fetchall()
    keys = [row[0] for row in rows]
    series, ordered = _series(connection, scope, keys), _ordered(connection, scope, keys)
    return [
        StudySource(pk, organisation, uid, (authority, number), unidentified, instances, received_at,
                    _members(attributes, more), tuple(series.get(pk, ())), tuple(ordered.get(pk, ())))
        for pk, organisation, uid, authority, number, unidentified, instances, received_at, attributes, more in rows
    ]  # fmt: skip


def studies_of(connection: Connection, scope: Scope, patients: Iterable[Patient]) -> list[Subject]:
    """All studies of patients, those that name one who was merged among them."""
    return _subjects_of(connection, scope, patients, "study", "study_instance_uid")


def orders_of(connection: Connection, scope: Scope, patients: Iterable[Patient]) -> list[Subject]:
    """All orders of patients, those that name one who was merged among them."""
    return _subjects_of(connection, scope, patients, "requested_procedure", "order_key")


def _subjects_of(
    connection: Connection, scope: Scope, patients: Iterable[Patient], table: str, name: str
) -> list[Subject]:
    """Rows of a table whose patient is one of these, or who name one."""
    params = Params()
    statement = f"""
        with found as (select p.pk from {_named(patients, params)} join patient p
            on p.assigning_authority = a.authority and p.patient_id = a.id and p.unidentified = '')
        select t.organisation, t.{name} from {table} t where {within(scope, params, "t")}
            and t.patient in (select pk from found)
        union select t.organisation, t.{name} from {table} t where {within(scope, params, "t")}
            and t.named_patient in (select pk from found)"""
    return [(row[0], row[1]) for row in connection.execute(statement, params.values)]


def reports_of(connection: Connection, scope: Scope, patients: Iterable[Patient]) -> list[Subject]:
    """The first names of all reports that name one of these patients."""
    params = Params()
    theirs = _OF_PATIENT.format(report="r", patient_id="a.id", authority="a.authority")
    statement = f"""
        select distinct r.organisation, r.names[1] from {_named(patients, params)} join diagnostic_report r
            on {theirs} where {within(scope, params, "r")}"""
    return [(row[0], row[1]) for row in connection.execute(statement, params.values)]


def studies_ordered(connection: Connection, scope: Scope, orders: Iterable[Subject]) -> list[Subject]:
    """The studies that orders are of, by Study Instance UID or by accession number and patient."""
    params = Params()
    statement = f"""
        with found as (select r.organisation, r.study_instance_uid, r.accession_number, r.patient
            from {_asked(orders, params)} join requested_procedure r
            on r.order_key = a.name and r.organisation = a.organisation)
        select s.organisation, s.study_instance_uid from found f join study s
            on s.study_instance_uid = f.study_instance_uid and s.organisation = f.organisation
            where {within(scope, params, "s")}
        union select s.organisation, s.study_instance_uid from found f join study s
            on s.accession_number = f.accession_number and s.organisation = f.organisation and s.patient = f.patient
            where f.accession_number <> '' and {within(scope, params, "s")}"""
    return [(row[0], row[1]) for row in connection.execute(statement, params.values)]


def patients(
    connection: Connection, scope: Scope, asked: Iterable[Patient], also: Iterable[tuple[int, str, str]] = ()
) -> list[PatientSource]:
    """Patients in each organisation that has anything of them; `also`: (organisation, authority, id) besides."""
    params = Params()
    rows = connection.execute(_patients(scope, params, list(asked), list(also)), params.values).fetchall()
    same = _same(connection, scope, sorted({row[0] for row in rows}))
    found = []
    for pk, organisation, authority, number, overlay, stated_at, into, attributes, more, *details in rows:
        kept = {name: value for name, value in zip(DETAILS, details, strict=True) if value}
        shown = {**_members(attributes or "", more or ""), **overlay}
        found.append(PatientSource(
            organisation, (authority, number), {tag: value for tag, value in shown.items() if value}, kept, stated_at,
            (authority, into) if into is not None else None,
            tuple(other for whose, other in same.get(pk, ()) if whose == organisation),
        ))  # fmt: skip
    return found


def orders(connection: Connection, scope: Scope, subjects: Iterable[Subject]) -> list[OrderSource]:
    """The requested procedures of orders with their steps."""
    params = Params()
    statement = f"""
        select r.pk, r.organisation, r.order_key, {_PROCEDURE}, p.assigning_authority, p.patient_id,
            r.placer_number, r.filler_number, r.accession_number, r.study_instance_uid, r.said_by, r.stated_at
        from {_asked(subjects, params)} join requested_procedure r
            on r.order_key = a.name and r.organisation = a.organisation
        join patient p on p.pk = r.patient where {within(scope, params, "r")} order by r.pk"""
    rows = connection.execute(statement, params.values).fetchall()
    steps = _steps(connection, scope, [row[0] for row in rows])
    return [
        OrderSource(pk, organisation, key, name, (authority, number), placer, filler, accession, study, said_by,
                    stated_at, tuple(steps.get(pk, ())))
        for pk, organisation, key, name, authority, number, placer, filler, accession, study, said_by, stated_at in rows
    ]  # fmt: skip


def orders_numbered(connection: Connection, scope: Scope, numbers: Iterable[Subject]) -> dict[Subject, tuple[str, str]]:
    """By a placer's, filler's or accession number, or a Study Instance UID: the order and which procedure of it."""
    found: dict[Subject, tuple[str, str]] = {}
    asked = list(numbers)
    for column in ("accession_number", "study_instance_uid"):
        found.update(_numbered(connection, scope, asked, f"r.{column} = a.name", f"r.{column}"))
    for column in ("placer_number", "filler_number"):
        like = f"""r.{column} <> '' and r.{column} >= a.name and r.{column} < a.name || '_'
            and split_part(r.{column}, '^', 1) = a.name"""
        found.update(_numbered(connection, scope, asked, like, f"split_part(r.{column}, '^', 1)"))
    return found


def workitems(connection: Connection, scope: Scope, subjects: Iterable[Subject]) -> list[WorkitemSource]:
    """Workitems by organisation and UID."""
    params = Params()
    statement = f"""
        select w.organisation, w.sop_instance_uid, w.state, w.created_at, w.changed_at, w.attributes
        from {_asked(subjects, params)} join workitem w
            on w.sop_instance_uid = a.name and w.organisation = a.organisation
        where {within(scope, params, "w")} order by w.pk"""
    rows = connection.execute(statement, params.values)
    return [WorkitemSource(row[0], row[1], row[2], row[3], row[4], orjson.loads(row[5])) for row in rows]


def workitems_on(connection: Connection, scope: Scope, studies: Iterable[Subject]) -> list[Subject]:
    """The workitems that are about studies."""
    params = Params()
    statement = f"""
        select w.organisation, w.sop_instance_uid from {_asked(studies, params)} join workitem w
            on w.study_instance_uid = a.name and w.organisation = a.organisation
        where {within(scope, params, "w")}"""
    return [(row[0], row[1]) for row in connection.execute(statement, params.values)]


def studies_shown(connection: Connection, scope: Scope, subjects: Iterable[Subject]) -> set[Subject]:
    """Which of these studies show something."""
    params = Params()
    statement = f"""
        select s.organisation, s.study_instance_uid from {_asked(subjects, params)} join study s
            on s.study_instance_uid = a.name and s.organisation = a.organisation
        where {within(scope, params, "s")} and s.instances > 0"""
    return {(row[0], row[1]) for row in connection.execute(statement, params.values)}


def reports(connection: Connection, scope: Scope, subjects: Iterable[Subject]) -> list[tuple[int, int]]:
    """Organisation and key of the reports that have these names."""
    params = Params()
    statement = f"""
        select distinct r.organisation, r.pk from {_asked(subjects, params)} join diagnostic_report r
            on r.names @> array[a.name] and r.organisation = a.organisation
        where {within(scope, params, "r")} order by r.pk"""
    return [(row[0], row[1]) for row in connection.execute(statement, params.values)]


def reports_on(connection: Connection, scope: Scope, subjects: Iterable[Subject]) -> list[Subject]:
    """The first names of the reports that may be about studies: that name their UIDs or accession numbers."""
    params = Params()
    statement = f"""
        select distinct r.organisation, r.names[1] from {_asked(subjects, params)} join study s
            on s.study_instance_uid = a.name and s.organisation = a.organisation
        join diagnostic_report r on r.organisation = s.organisation and (r.studies @> array[s.study_instance_uid]
            or r.accessions @> array[s.accession_number] or r.fillers @> array[s.accession_number])
        where {within(scope, params, "s")} and {within(scope, params, "r")}"""
    return [(row[0], row[1]) for row in connection.execute(statement, params.values)]


def _series(connection: Connection, scope: Scope, study_keys: Sequence[int]) -> dict[int, list[SeriesSource]]:
    params = Params()
    statement = f"""
        select r.study, r.pk, r.series_instance_uid, coalesce(r.modality, ''), r.instances, r.attributes, r.more
        from series r where r.study = any({params.add(list(study_keys))}::bigint[]) and r.instances > 0
            and {within(scope, params, "r")} order by r.pk"""
    found: dict[int, list[SeriesSource]] = {}
    for row in connection.execute(statement, params.values):
        one = SeriesSource(row[1], row[2], row[3], row[4], _members(row[5], row[6]))
        found.setdefault(row[0], []).append(one)
    return found


def _ordered(connection: Connection, scope: Scope, study_keys: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    params = Params()
    keys = params.add(list(study_keys))
    statement = f"""
        select s.pk, r.order_key, {_PROCEDURE} from study s join requested_procedure r
            on r.study_instance_uid = s.study_instance_uid and r.organisation = s.organisation
            where s.pk = any({keys}::bigint[]) and {within(scope, params, "r")}
        union select s.pk, r.order_key, {_PROCEDURE} from study s join requested_procedure r
            on r.accession_number = s.accession_number and r.organisation = s.organisation and r.patient = s.patient
            where s.pk = any({keys}::bigint[]) and {within(scope, params, "r")} order by 1, 2, 3"""
    found: dict[int, list[tuple[str, str]]] = {}
    for pk, order_key, procedure in connection.execute(statement, params.values):
        found.setdefault(pk, []).append((order_key, procedure))
    return found


def _steps(connection: Connection, scope: Scope, procedures: Sequence[int]) -> dict[int, list[StepSource]]:
    params = Params()
    statement = f"""
        select t.procedure, t.step_id, t.status, t.status_at, t.attributes from scheduled_step t
        where t.procedure = any({params.add(list(procedures))}::bigint[]) and {within(scope, params, "t")}
        order by t.pk"""
    found: dict[int, list[StepSource]] = {}
    for procedure, step_id, status, at, attributes in connection.execute(statement, params.values):
        found.setdefault(procedure, []).append(StepSource(step_id, status, at, _members(attributes)))
    return found


# Whose a report is: pairs of id and authority belong together by their place; the index knows the ids.
_OF_PATIENT = """{report}.patient_ids @> array[{patient_id}] and exists (
        select from unnest({report}.patient_ids, {report}.authorities) k(id, authority)
        where k.id = {patient_id} and k.authority = {authority})"""

# Who was merged into one of these is told with it, as its survivor may be another now; and who survives one of them.
# What a feed says beside DICOM attributes is shown where that feed belongs, whoever else has studies of the patient.
_PATIENTS = """
with asked as ({asked}), these as (
    select p.pk, p.survivor, a.organisation
    from asked a join patient p on p.assigning_authority = a.authority and p.patient_id = a.id and p.unidentified = ''
), named as (
    select pk, organisation from these
    union select survivor, organisation from these where survivor is not null
), found as (
    select p.pk, p.assigning_authority, p.patient_id, p.overlay, p.stated_at, p.survivor, n.organisation
    from named n join patient p on p.pk = n.pk
    union select p.pk, p.assigning_authority, p.patient_id, p.overlay, p.stated_at, p.survivor, null::integer
    from patient p where p.survivor in (select pk from named)
), whose as (
    select f.pk, s.organisation from found f join study s on s.patient = f.pk
    union select f.pk, s.organisation from found f join study s on s.named_patient = f.pk
    union select f.pk, r.organisation from found f join patient_record r on r.patient = f.pk
    union select f.pk, q.organisation from found f join requested_procedure q on q.patient = f.pk
    union select f.pk, q.organisation from found f join requested_procedure q on q.named_patient = f.pk
    union select f.pk, d.organisation from found f join diagnostic_report d on {of_patient}
    union select f.pk, f.organisation from found f where f.organisation is not null
)
select f.pk, o.organisation, f.assigning_authority, f.patient_id, f.overlay, f.stated_at, m.patient_id,
    s.attributes, s.more, {details}
from (select distinct pk, assigning_authority, patient_id, overlay, stated_at, survivor from found) f
join whose o on o.pk = f.pk left join patient m on m.pk = f.survivor
left join patient_record r on r.patient = f.pk and r.organisation = o.organisation
left join lateral (select attributes, more from study where patient = f.pk and organisation = o.organisation
    and instances > 0 order by received_at desc, pk desc limit 1) s on true
where {mine} order by f.pk, o.organisation
"""


def _patients(
    scope: Scope, params: Params, asked: Sequence[Patient], also: Sequence[tuple[int, str, str]]
) -> str:
    named = [*((None, *one) for one in asked), *also]
    columns = [params.add([one[n] for one in named]) for n in range(3)]
    asking = f"""select * from unnest({columns[0]}::integer[], {columns[1]}::text[], {columns[2]}::text[])
        a(organisation, authority, id)"""
    details = ", ".join(f"coalesce(r.{name}, '')" for name in DETAILS)
    theirs = _OF_PATIENT.format(report="d", patient_id="f.patient_id", authority="f.assigning_authority")
    return _PATIENTS.format(asked=asking, details=details, of_patient=theirs, mine=within(scope, params, "o"))


def _same(
    connection: Connection, scope: Scope, patient_keys: Sequence[int]
) -> dict[int, list[tuple[int, Patient]]]:
    params = Params()
    statement = f"""
        select k.patient, r.organisation, r.assigning_authority, r.patient_id from person_member k
        join person_member n on n.person = k.person and n.patient <> k.patient
        join patient_record r on r.patient = n.patient join patient p on p.pk = n.patient and p.merged_into is null
        where k.patient = any({params.add(list(patient_keys))}::bigint[]) and {within(scope, params, "r")}
        order by r.assigning_authority, r.patient_id"""
    found: dict[int, list[tuple[int, Patient]]] = {}
    for pk, organisation, authority, number in connection.execute(statement, params.values):
        found.setdefault(pk, []).append((organisation, (authority, number)))
    return found


def _numbered(
    connection: Connection, scope: Scope, numbers: Sequence[Subject], condition: str, column: str
) -> dict[Subject, tuple[str, str]]:
    params = Params()
    statement = f"""
        select r.organisation, {column}, r.order_key, {_PROCEDURE}
        from {_asked(numbers, params)} join requested_procedure r on r.organisation = a.organisation and {condition}
        where a.name <> '' and {within(scope, params, "r")} order by r.pk"""
    return {(row[0], row[1]): (row[2], row[3]) for row in connection.execute(statement, params.values)}


def _asked(subjects: Iterable[Subject], params: Params) -> str:
    """A table of what is asked for."""
    listed = sorted(set(subjects))
    organisations, names = params.add([one[0] for one in listed]), params.add([one[1] for one in listed])
    return f"unnest({organisations}::integer[], {names}::text[]) a(organisation, name)"


def _named(patient_keys: Iterable[Patient], params: Params) -> str:
    listed = sorted(set(patient_keys))
    authorities, numbers = params.add([one[0] for one in listed]), params.add([one[1] for one in listed])
    return f"unnest({authorities}::text[], {numbers}::text[]) a(authority, id)"


def _members(*texts: str) -> dict[str, Any]:
    """Attributes by tag from JSON members texts."""
    found: dict[str, Any] = orjson.loads("{" + ",".join(text for text in texts if text) + "}")
    return found
