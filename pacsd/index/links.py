"""Rows of share links, and of studies whose viewing by link is closed.

A link is durable in the journal before it is here, and so is each view that it allows only so many of.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pacsd.access.principal import PatientKey
from pacsd.access.scope import Scope
from pacsd.index import organisations
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.predicate import Params, study_table, visible, within
from pacsd.index.reports import ABOUT
from pacsd.index.work import Saying
from pacsd.links.link import Kept, Link
from pacsd.links.rows import SessionRow

MADE, VIEWED, REVOKED, FILM = "link.made", "link.viewed", "link.revoked", "link.film"    # words of FactKind
_FIELDS = """name, organisation, studies, assigning_authority, patient_id, made_by, made_at, expires_at, digest, pin,
    download, released, max_views"""
_KEPT = f"{_FIELDS}, views, revoked_at"
_ADD = f"insert into link ({_FIELDS}) values ({', '.join(['%s'] * 13)}) on conflict do nothing"
_REVOKE = """
update link set revoked_at = %(at)s where organisation = %(organisation)s and name = %(name)s and revoked_at is null
    and (%(made_by)s::text is null or made_by = %(made_by)s) returning pk
"""
_CLAIM = """
update link set tries = tries + 1,
    next_try_at = %(at)s::timestamptz + make_interval(secs => case when tries + 1 < %(free)s then 0
        else least(60, power(2, tries + 2 - %(free)s)) end)
where name = %(name)s and revoked_at is null and expires_at > %(at)s and tries < %(most)s
    and (next_try_at is null or next_try_at <= %(at)s) returning tries
"""
_VIEW = """
update link set views = views + 1, tries = 0, next_try_at = null where name = %(name)s and revoked_at is null
    and expires_at > %(at)s and (max_views is null or views < max_views) returning organisation, views
"""
_CLOSE = """
insert into film_closure (organisation, study_instance_uid, closed, said_at) values (%s, %s, %s, %s)
on conflict (organisation, study_instance_uid) do update set closed = excluded.closed, said_at = excluded.said_at
    where film_closure.said_at < excluded.said_at and film_closure.closed <> excluded.closed returning closed
"""
# What a link opens: studies of its organisation, as named or of the person; a person's own link those released to them.
SHOWN = f"""
with l as (select * from link where name = %(link)s and revoked_at is null),
named as (
    select coalesce(n.survivor, n.pk) as pk from l join patient n on n.patient_id = l.patient_id
        and n.assigning_authority = l.assigning_authority and n.unidentified = '' where l.patient_id <> ''
),
person as (
    select pk from named
    union select o.patient from named a join person_member m on m.patient = a.pk
        join person_member o on o.person = m.person
),
found as (
    select s.pk from l join study s on s.organisation = l.organisation and s.study_instance_uid = any(l.studies)
    where l.patient_id = ''
    union
    select s.pk from l join person w on true join study s on s.patient = w.pk join patient p on p.pk = s.patient
    where (l.studies = '{{}}' or s.study_instance_uid = any(l.studies))
        and case when l.released then exists (select from diagnostic_report r
            where r.status in ('final', 'corrected') and {ABOUT}) else s.organisation = l.organisation end
)
select true, s.organisation, s.pk, s.study_instance_uid, null::bigint, null::text, null::text
from found f join study s on s.pk = f.pk
where s.instances > 0 and not exists (select from film_closure c where c.organisation = s.organisation
    and c.study_instance_uid = s.study_instance_uid and c.closed)
order by s.study_date desc nulls last, s.pk desc limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class LinkRows:
    """As pacsd.links.rows.Rows has it. `say`: makes facts durable."""

    pool: Pool
    say: Saying

    def add(self, link: Link) -> None:
        """Keep a link, its fact first. Raises PacsdError UNAVAILABLE, FULL."""
        with lent(self.pool) as connection, connection.transaction():
            self.say([(_fact(connection, link), link.made_at)])
            _add(connection, link)

    def listed(self, organisation: int, *, made_by: str | None, limit: int) -> Sequence[Kept]:
        """As Rows.listed."""
        params = Params()
        maker = "" if made_by is None else f"and l.made_by = {params.add(made_by)}"
        statement = f"""
            select {_KEPT} from link l where {within(Scope((organisation,), organisation), params, "l")} {maker}
            and l.revoked_at is null and l.expires_at > now() and (l.max_views is null or l.views < l.max_views)
            order by l.pk desc limit {params.add(limit)}"""
        with lent(self.pool) as connection:
            return [_kept(row) for row in connection.execute(statement, params.values)]

    def revoke(self, organisation: int, name: str, *, made_by: str | None, by: str, reason: str, at: datetime) -> bool:
        """As Rows.revoke."""
        values = {"organisation": organisation, "name": name, "made_by": made_by, "at": at}
        with lent(self.pool) as connection, connection.transaction():
            if connection.execute(_REVOKE, values).fetchone() is None:
                return False
            connection.execute("delete from link_notice where link = %s", (name,))
            code = organisations.code(connection, organisation)
            fact = {"fact": REVOKED, "organisation": code, "name": name, "by": by, "reason": reason}
            self.say([(fact, at)])
            return True

    def found(self, digest: bytes) -> Kept | None:
        """As Rows.found."""
        with lent(self.pool) as connection:
            row = connection.execute(f"select {_KEPT} from link where digest = %s", (digest,)).fetchone()
        return None if row is None else _kept(row)

    def claim_try(self, name: str, *, free: int, most: int, at: datetime) -> int | None:
        """As Rows.claim_try."""
        values = {"name": name, "free": free, "most": most, "at": at}
        with lent(self.pool) as connection:
            row = connection.execute(_CLAIM, values).fetchone()
        return None if row is None else int(row[0])

    def wait_s(self, name: str, *, at: datetime) -> float:
        """As Rows.wait_s."""
        with lent(self.pool) as connection:
            row = connection.execute("select next_try_at from link where name = %s", (name,)).fetchone()
        return 0.0 if row is None or row[0] is None else max(0.0, (row[0] - at).total_seconds())

    def forget_tries(self, name: str) -> None:
        """As Rows.forget_tries."""
        statement = "update link set tries = 0, next_try_at = null where name = %s"
        with lent(self.pool) as connection:
            connection.execute(statement, (name,))

    def view(self, name: str, *, at: datetime) -> bool:
        """As Rows.view."""
        with lent(self.pool) as connection, connection.transaction():
            row = connection.execute(_VIEW, {"name": name, "at": at}).fetchone()
            if row is None:
                return False
            code = organisations.code(connection, row[0])
            self.say([({"fact": VIEWED, "organisation": code, "name": name, "views": row[1]}, at)])
            return True

    def session(self, name: str) -> SessionRow | None:
        """As Rows.session."""
        statement = """
            select l.name, o.code, l.download, l.expires_at, l.revoked_at is not null, l.session_key
            from link l join organisation o on o.pk = l.organisation where l.name = %s"""
        row = retried(self.pool, lambda connection: connection.execute(statement, (name,), prepare=True).fetchone())
        return None if row is None else SessionRow(*row)

    def shows(self, kept: Link, *, limit: int) -> Sequence[str]:
        """As Rows.shows."""
        with lent(self.pool) as connection:
            return [row[3] for row in connection.execute(SHOWN, {"link": kept.name, "limit": limit})]

    def visible(
        self, scope: Scope, *, organisation: int | None, studies: Sequence[str], patient: PatientKey | None
    ) -> Sequence[str]:
        """As Rows.visible."""
        statement, values = visible_to(scope, organisation=organisation, studies=studies, patient=patient)
        with lent(self.pool) as connection:
            return [row[0] for row in connection.execute(statement, values)]

    def close_film(self, organisation: int, study: str, *, closed: bool, by: str, reason: str, at: datetime) -> bool:
        """As Rows.close_film."""
        there = "select from study where organisation = %s and study_instance_uid = %s"
        with lent(self.pool) as connection, connection.transaction():
            if connection.execute(there, (organisation, study)).fetchone() is None:
                return False
            row = connection.execute(_CLOSE, (organisation, study, closed, at)).fetchone()
            if row is None:
                return False
            code = organisations.code(connection, organisation)
            fact = {"fact": FILM, "organisation": code, "study": study, "closed": closed, "by": by, "reason": reason}
            self.say([(fact, at)])
            return True


def visible_to(
    scope: Scope, *, organisation: int | None, studies: Sequence[str], patient: PatientKey | None
) -> tuple[str, dict[str, Any]]:
    """The statement that tells which studies a maker of links sees, and its values.

    Staff name a patient as their organisation has it: whose record elsewhere is linked with it, they do not learn here.
    """
    params = Params()
    conditions = [visible(scope, params)]
    if organisation is not None:
        conditions.append(f"s.organisation = {params.add(organisation)}")
    if studies:
        conditions.append(f"s.study_instance_uid = any({params.add(list(studies))}::text[])")
    if patient is not None:
        linked = """union select o.patient from named a join person_member m on m.patient = a.pk
            join person_member o on o.person = m.person"""
        conditions.append(f"""s.patient in (
            with named as (select coalesce(n.survivor, n.pk) as pk from patient n
                where n.patient_id = {params.add(patient.patient_id)} and n.unidentified = ''
                and n.assigning_authority = {params.add(patient.assigning_authority)})
            select pk from named {linked if organisation is None else ""})""")
    statement = f"""select s.study_instance_uid from {study_table(scope, "s")} where {" and ".join(conditions)}
        limit {params.add(max(len(studies), 1))}"""
    return statement, params.values


def appliers(pool: Pool, keys: Mapping[str, int]) -> dict[str, Callable[[Any], None]]:
    """How facts of links take effect again, by the word of their kind. `keys`: of organisations, by code."""

    def made(fact: Any) -> None:
        link = _of_fact(fact.body, keys, fact.at)
        retried(pool, lambda connection: _add(connection, link))

    def viewed(fact: Any) -> None:
        values = (fact.body["views"], keys[fact.body["organisation"]], fact.body["name"])
        statement = "update link set views = greatest(views, %s) where organisation = %s and name = %s"
        retried(pool, lambda connection: connection.execute(statement, values))

    def revoked(fact: Any) -> None:
        values = {"organisation": keys[fact.body["organisation"]], "name": fact.body["name"], "made_by": None,
                  "at": fact.at}  # fmt: skip
        retried(pool, lambda connection: connection.execute(_REVOKE, values))

    def film(fact: Any) -> None:
        values = (keys[fact.body["organisation"]], fact.body["study"], fact.body["closed"], fact.at)
        retried(pool, lambda connection: connection.execute(_CLOSE, values))

    return {MADE: made, VIEWED: viewed, REVOKED: revoked, FILM: film}


def _add(connection: Connection, link: Link) -> None:
    patient = link.patient or PatientKey("", "")
    connection.execute(_ADD, (
        link.name, link.organisation, list(link.studies), patient.assigning_authority, patient.patient_id, link.made_by,
        link.made_at, link.expires_at, link.digest, link.pin, link.download, link.released, link.max_views,
    ))  # fmt: skip


def _fact(connection: Connection, link: Link) -> dict[str, object]:
    patient = link.patient or PatientKey("", "")
    return {
        "fact": MADE, "organisation": organisations.code(connection, link.organisation), "name": link.name,
        "studies": list(link.studies), "authority": patient.assigning_authority, "patient_id": patient.patient_id,
        "by": link.made_by, "until": link.expires_at.isoformat(), "digest": link.digest.hex(), "pin": link.pin,
        "download": link.download, "released": link.released, "max_views": link.max_views,
    }  # fmt: skip


def _of_fact(body: Mapping[str, Any], keys: Mapping[str, int], at: datetime) -> Link:
    patient = PatientKey(body["authority"], body["patient_id"]) if body["patient_id"] else None
    return Link(
        body["name"], keys[body["organisation"]], tuple(body["studies"]), patient, body["by"], at,
        datetime.fromisoformat(body["until"]), digest=bytes.fromhex(body["digest"]), pin=body["pin"],
        download=body["download"], released=body["released"], max_views=body["max_views"],
    )  # fmt: skip


def _kept(row: Sequence[Any]) -> Kept:
    patient = PatientKey(row[3], row[4]) if row[4] else None
    link = Link(
        row[0], row[1], tuple(row[2]), patient, row[5], row[6], row[7], digest=bytes(row[8]), pin=row[9],
        download=row[10], released=row[11], max_views=row[12],
    )  # fmt: skip
    return Kept(link, row[13], row[14])
