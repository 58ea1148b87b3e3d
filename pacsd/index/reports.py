"""Rows of reports: found by any of their names, with all their versions; and the studies that they are about.

Whoever adds a version holds the names it has for the report, so that two do not make two reports of one, and then the
report, so that of its versions each knows the former ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, lent
from pacsd.index.packs import THROW
from pacsd.index.predicate import Params, visible, within

_LOCK_CLASS = 0x727074                   # "rpt": advisory locks of two keys, this and a report's name

_LOCK = """
select pg_advisory_xact_lock(%s, key) from
    (select distinct hashtext(%s::integer || ' ' || name) as key from unnest(%s::text[]) n(name) order by key) locked
"""
_FIND = """
select r.pk from diagnostic_report r where r.organisation = %(organisation)s and r.names && %(names)s::text[]
order by (select min(place) from unnest(%(names)s::text[]) with ordinality n(name, place) where name = any(r.names))
limit 1 for no key update of r
"""
_MAKE = "insert into diagnostic_report (organisation, changed_at, names) values (%s, %s, %s) returning pk"
_JOIN = "(select coalesce(array_agg(distinct one), '{{}}') from unnest({name} || %({name})s::text[]) j(one))"
_ADD = f"""
update diagnostic_report r set versions = versions + 1, changed_at = %(said_at)s,
    names = names || array(select n.name from unnest(%(names)s::text[]) n(name) where n.name <> all(r.names)
        and not exists (select from diagnostic_report o
            where o.organisation = r.organisation and o.names @> array[n.name])),
    {", ".join(f"{name} = {_JOIN.format(name=name)}" for name in ("studies", "accessions", "placers", "fillers"))},
    (patient_ids, authorities) = (select coalesce(array_agg(id order by id, authority), '{{}}'),
            coalesce(array_agg(authority order by id, authority), '{{}}')
        from (select * from unnest(r.patient_ids, r.authorities) k(id, authority)
            union select * from unnest(%(patient_ids)s::text[], %(authorities)s::text[]) k(id, authority)) known)
where pk = %(pk)s returning versions
"""
_INSERT = """
insert into diagnostic_report_version (report, organisation, number, said_at, issued_at, addendum, critical, uid,
    status, sender, content_key, content)
values (%(pk)s, %(organisation)s, %(number)s, %(said_at)s, %(issued_at)s, %(addendum)s, %(critical)s, %(uid)s,
    %(status)s, %(sender)s, %(content_key)s, %(content)s)
returning pk
"""
_DOCUMENT = """
insert into diagnostic_report_document (key, version, size_bytes) values (%s, %s, %s) on conflict do nothing
"""
_COUNT = "update diagnostic_report set counting = %s, status = %s, critical = %s where pk = %s"
_VERSION = (
    "number", "uid", "said_at", "issued_at", "status", "addendum", "critical", "sender", "content", "objects",
)  # fmt: skip
_VERSIONS = f"select {', '.join(_VERSION)} from diagnostic_report_version where report = %s order by number"
_REPORT = (
    "pk", "organisation", "versions", "counting", "status", "critical", "changed_at", "names", "patient_ids",
    "authorities", "studies", "accessions", "placers", "fillers",
)  # fmt: skip
_FIELDS = ", ".join(f"r.{name}" for name in _REPORT)
# A study is a report's where it is named, and is of the patient the report is of, or of nobody that is known. Where
# no accession number was said, the filler's order number may be one (IHE RAD TF-2 Table B-1 has both of one system).
ABOUT = """
s.organisation = r.organisation and (s.study_instance_uid = any(r.studies)
    or s.accession_number = any(case when r.accessions = '{}' then r.fillers else r.accessions end))
and (p.unidentified <> '' or s.patient in (select coalesce(n.survivor, n.pk)
    from unnest(r.patient_ids, r.authorities) k(id, authority)
    join patient n on n.patient_id = k.id and n.assigning_authority = k.authority and n.unidentified = ''))
"""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A report. `counting`: the number of the version that counts."""

    pk: int
    organisation: int
    versions: int
    counting: int
    status: str
    critical: bool
    changed_at: datetime
    names: tuple[str, ...]
    patient_ids: tuple[str, ...]
    authorities: tuple[str, ...]
    studies: tuple[str, ...]
    accessions: tuple[str, ...]
    placers: tuple[str, ...]
    fillers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version; `content` as JSON."""

    number: int
    uid: str
    said_at: datetime
    issued_at: datetime | None
    status: str
    addendum: bool
    critical: bool
    sender: str
    content: str
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class About:
    """What a version is about, beside its content."""

    names: Sequence[str]
    patients: Sequence[tuple[str, str]]  # assigning authority, id
    studies: Sequence[str]
    accessions: Sequence[str]
    placers: Sequence[str]
    fillers: Sequence[str]


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study that a report is about. `patient`: current id and authority; `attributes`: DICOM JSON members text."""

    study_instance_uid: str
    patient_id: str
    assigning_authority: str
    attributes: str
    more: str


def locked(connection: Connection, organisation: int, names: Sequence[str]) -> None:
    """Nobody else adds to a report of these names until the transaction ends."""
    connection.execute(_LOCK, (_LOCK_CLASS, organisation, list(names)), prepare=True)


def found(connection: Connection, organisation: int, names: Sequence[str]) -> int | None:
    """The report that has the first of these names that one of the organisation has; nobody else adds to it now."""
    values = {"organisation": organisation, "names": list(names)}
    row = connection.execute(_FIND, values, prepare=True).fetchone()
    return None if row is None else int(row[0])


def knows(connection: Connection, uid: str) -> bool:
    """Whether there is such a version."""
    row = connection.execute("select from diagnostic_report_version where uid = %s", (uid,), prepare=True).fetchone()
    return row is not None


def made(connection: Connection, organisation: int, names: Sequence[str], *, at: datetime) -> int:
    """A new report."""
    row = connection.execute(_MAKE, (organisation, at, list(names)), prepare=True).fetchone()
    return 0 if row is None else int(row[0])


def add(
    connection: Connection, report: int, organisation: int, version: VersionRow, about: About, *,
    content_key: str | None, documents: Sequence[tuple[str, int]],
) -> int:  # fmt: skip
    """Add a version to a report that is locked; its number."""
    arrays = {name: list(getattr(about, name)) for name in ("names", "studies", "accessions", "placers", "fillers")}
    patients = {"patient_ids": [one for _, one in about.patients], "authorities": [one for one, _ in about.patients]}
    values = {"pk": report, "said_at": version.said_at, **arrays, **patients}
    row = connection.execute(_ADD, values, prepare=True).fetchone()
    number = 0 if row is None else int(row[0])
    columns = {name: getattr(version, name) for name in _VERSION if name != "objects"}
    values = {**columns, "pk": report, "organisation": organisation, "number": number, "content_key": content_key}
    row = connection.execute(_INSERT, values, prepare=True).fetchone()
    for key, size_bytes in documents:
        connection.execute(_DOCUMENT, (key, row and row[0], size_bytes))
    return number


def count(connection: Connection, report: int, number: int, status: str, *, critical: bool) -> None:
    """Say which version counts."""
    connection.execute(_COUNT, (number, status, critical, report), prepare=True)


def versions(connection: Connection, report: int) -> list[VersionRow]:
    """All versions of a report, as they came."""
    return [_version(row) for row in connection.execute(_VERSIONS, (report,), prepare=True)]


def of_version(pool: Pool, organisation: int, uid: str) -> tuple[ReportRow, list[VersionRow]] | None:
    """The report that has this version, with all of them."""
    statement = f"""
        select {_FIELDS} from diagnostic_report_version v join diagnostic_report r on r.pk = v.report
        where v.organisation = %s and v.uid = %s"""
    with lent(pool) as connection:
        row = connection.execute(statement, (organisation, uid)).fetchone()
        return None if row is None else (_report(row), versions(connection, row[0]))


def of_study(pool: Pool, scope: Scope, study_instance_uid: str) -> list[tuple[ReportRow, list[VersionRow]]]:
    """The reports about a study that the scope sees, the first to be known first."""
    statement, values = reports_of(scope, study_instance_uid)
    with lent(pool, scope) as connection:
        rows = [_report(row) for row in connection.execute(statement, values).fetchall()]
        return [(row, versions(connection, row.pk)) for row in rows]


def of_another(pool: Pool, scope: Scope, study_instance_uid: str) -> list[tuple[ReportRow, list[VersionRow]]]:
    """The reports that name a study of another patient than theirs, and of which objects were made somewhere."""
    statement, values = reports_of(scope, study_instance_uid, theirs=False)
    with lent(pool, scope) as connection:
        rows = [_report(row) for row in connection.execute(statement, values).fetchall()]
        found = [(row, versions(connection, row.pk)) for row in rows]
    return [(row, those) for row, those in found if any(one.objects for one in those)]


def reports_of(scope: Scope, study_instance_uid: str, *, theirs: bool = True) -> tuple[str, dict[str, Any]]:
    """The statement that finds the reports about a study, and its values.

    Not `theirs`: those that name it although it is of another patient.
    """
    params = Params()
    statement = f"""
        select {_FIELDS} from study s join patient p on p.pk = s.patient
        cross join lateral reports_naming(s.study_instance_uid, s.accession_number) k
        join diagnostic_report r on r.pk = k and r.organisation = s.organisation
        where {visible(scope, params)} and {within(scope, params, "r")} and {"" if theirs else "not"} ({ABOUT})
            and s.study_instance_uid = {params.add(study_instance_uid)} order by r.pk"""
    return statement, params.values


def of_patient(pool: Pool, organisation: int, assigning_authority: str, patient_id: str) -> list[str]:
    """Study Instance UIDs of an organisation's studies of a patient, who may be one that others were merged into."""
    statement = """
        select s.study_instance_uid from patient p join study s on s.patient = p.pk
        where p.patient_id = %s and p.assigning_authority = %s and p.unidentified = ''
            and s.organisation = %s and s.instances > 0 order by s.pk"""
    with lent(pool) as connection:
        rows = connection.execute(statement, (patient_id, assigning_authority, organisation)).fetchall()
    return [row[0] for row in rows]


def studies_of(pool: Pool, scope: Scope, report: int) -> list[StudyRow]:
    """The studies of a report that are here, those that it names itself first."""
    statement, values = named_by(scope, report)
    with lent(pool, scope) as connection:
        return [StudyRow(*row) for row in connection.execute(statement, values).fetchall()]


def named_by(scope: Scope, report: int) -> tuple[str, dict[str, Any]]:
    """The statement that finds the studies of a report, and its values."""
    params = Params()
    statement = f"""
        select s.study_instance_uid, p.patient_id, p.assigning_authority, s.attributes, s.more
        from diagnostic_report r join study s on s.organisation = r.organisation join patient p on p.pk = s.patient
        where r.pk = {params.add(report)} and {within(scope, params, "r")} and {visible(scope, params)} and {ABOUT}
        order by s.study_instance_uid <> all(r.studies), s.received_at, s.pk"""
    return statement, params.values


def listed(pool: Pool, scope: Scope, *, limit: int) -> list[ReportRow]:
    """The reports that changed last."""
    params = Params()
    statement = f"""
        select {_FIELDS} from diagnostic_report r where {within(scope, params, "r")}
        order by r.changed_at desc, r.pk desc limit {params.add(limit)}"""
    with lent(pool, scope) as connection:
        return [_report(row) for row in connection.execute(statement, params.values).fetchall()]


def current_patient(
    pool: Pool, patient_ids: Sequence[str], authorities: Sequence[str]
) -> tuple[str, str, dict[str, Any]] | None:
    """Id, authority and statements of the first of these patients that is known, after merges."""
    statement = """
        select s.patient_id, s.assigning_authority, s.overlay
        from unnest(%s::text[], %s::text[]) with ordinality k(id, authority, place)
        join patient n on n.patient_id = k.id and n.assigning_authority = k.authority and n.unidentified = ''
        join patient s on s.pk = coalesce(n.survivor, n.pk) order by k.place limit 1"""
    with lent(pool) as connection:
        row = connection.execute(statement, (list(patient_ids), list(authorities))).fetchone()
    return None if row is None else (row[0], row[1], row[2])


def has_object(pool: Pool, organisation: int, uid: str, sop_instance_uid: str) -> None:
    """Remember an object that was made of a version."""
    with lent(pool) as connection:
        connection.execute(
            """update diagnostic_report_version set objects = objects || %s where organisation = %s and uid = %s
            and not objects @> array[%s]""",
            ([sop_instance_uid], organisation, uid, sop_instance_uid),
        )


def has_objects_no_more(pool: Pool, report: int, sop_instance_uids: Sequence[str]) -> None:
    """Forget objects that were withdrawn."""
    with lent(pool) as connection:
        connection.execute(
            """update diagnostic_report_version set
                objects = array(select one from unnest(objects) o(one) where one <> all(%(gone)s::text[]))
            where report = %(report)s and objects && %(gone)s::text[]""",
            {"report": report, "gone": list(sop_instance_uids)},
        )


def recorded(pool: Pool) -> list[tuple[str, int | None]]:
    """Keys of all blobs that versions are kept in, with their sizes where these are known."""
    statement = """
        select content_key, octet_length(content) from diagnostic_report_version where content_key is not null
        union all select distinct key, size_bytes from diagnostic_report_document order by 1"""
    with lent(pool) as connection:
        return [(row[0], row[1]) for row in connection.execute(statement).fetchall()]


def throw_unknown(pool: Pool, keys: Sequence[str], *, grace_s: float) -> int:
    """Have blobs deleted that no version is kept in; how many."""
    statement = """
        select k from unnest(%s::text[]) u(k) where not exists (select from garbage where key = k)
            and not exists (select from diagnostic_report_document where key = k)
            and not exists (select from diagnostic_report_version where content_key = k)"""
    with lent(pool) as connection, connection.transaction():
        unknown = [row[0] for row in connection.execute(statement, (list(keys),)).fetchall()]
        connection.execute(THROW, (grace_s, unknown))
    return len(unknown)


def _report(row: Sequence[Any]) -> ReportRow:
    plain: list[Any] = [tuple(one) if isinstance(one, list) else one for one in row]
    return ReportRow(*plain)


def _version(row: Sequence[Any]) -> VersionRow:
    plain: list[Any] = [tuple(one) if isinstance(one, list) else one for one in row]
    return VersionRow(*plain)


def of_keys(connection: Connection, scope: Scope, keys: Sequence[int]) -> list[tuple[ReportRow, list[VersionRow]]]:
    """Reports by their keys, each with all its versions."""
    params = Params()
    mine, asked = within(scope, params, "r"), params.add(list(keys))
    statement = f"""
        select {_FIELDS} from diagnostic_report r where r.pk = any({asked}::bigint[]) and {mine} order by r.pk"""
    found = [_report(row) for row in connection.execute(statement, params.values)]
    every = f"""
        select v.report, {", ".join(f"v.{name}" for name in _VERSION)} from diagnostic_report_version v
        join diagnostic_report r on r.pk = v.report where r.pk = any({asked}::bigint[]) and {mine} order by v.number"""
    parts: dict[int, list[VersionRow]] = {}
    for row in connection.execute(every, params.values):
        parts.setdefault(row[0], []).append(_version(row[1:]))
    return [(row, parts.get(row.pk, [])) for row in found]


def studies_named(connection: Connection, scope: Scope, report: int) -> list[str]:
    """The UIDs of the studies of a report that are here, as `studies_of` has them."""
    statement, values = named_by(scope, report)
    return [row[0] for row in connection.execute(statement, values)]
