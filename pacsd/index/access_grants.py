"""Rows of grants: what organisations open and deny of their own, and what a care relation lets be known.

A grant is durable in the journal before it is here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pacsd.access.grants import MOST_GRANTS, Grant, Stub
from pacsd.access.principal import PatientKey
from pacsd.access.scope import Scope
from pacsd.index import organisations
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.predicate import Params, open_study, within
from pacsd.index.work import Saying, Work

GRANTED, REVOKED = "access.granted", "access.revoked"    # words of the journal's FactKind
_FIELDS = """name, organisation, kind, grantee, grantee_subject, study_instance_uid, assigning_authority, patient_id,
    valid_from, valid_until, said_by, reason, permits, roles, purposes, images_only, modalities"""
_ADD = f"""insert into access_grant ({_FIELDS}) values ({", ".join(["%s"] * 17)}) on conflict (name) do nothing"""
_REVOKE = """
update access_grant set revoked_at = %s where organisation = %s and name = %s and revoked_at is null returning pk
"""


@dataclass(frozen=True, slots=True)
class GrantRows:
    """As pacsd.access.grants.Rows has it. `say`: makes facts durable."""

    pool: Pool
    say: Saying

    def add(self, grant: Grant) -> None:
        """Keep a grant, its fact first. Raises PacsdError UNAVAILABLE, FULL: then it was not granted."""
        with lent(self.pool) as connection, connection.transaction():
            self.say([(_fact(connection, grant), grant.valid_from)])
            add(connection, grant)

    def revoke(self, organisation: int, name: str, *, by: str, reason: str, at: datetime) -> bool:
        """Close a grant; whether there was one to close."""
        with lent(self.pool) as connection, connection.transaction():
            if connection.execute(_REVOKE, (at, organisation, name)).fetchone() is None:
                return False
            code = organisations.code(connection, organisation)
            said = {"fact": REVOKED, "organisation": code, "name": name, "by": by, "reason": reason}
            self.say([(said, at)])
            return True

    def of(self, organisation: int, *, limit: int) -> Sequence[Grant]:
        """What an organisation opened and did not close, the last first."""
        params = Params()
        statement = f"""
            select {_FIELDS} from access_grant g where {within(Scope((organisation,), organisation), params, "g")}
            and g.revoked_at is null order by g.pk desc limit {params.add(limit)}"""
        with lent(self.pool) as connection:
            return [_grant(row) for row in connection.execute(statement, params.values)]

    def held(self, grantee: int | None) -> int:
        """How many grants an organisation has now; counted as far as there may be."""
        statement = """
            select count(*) from (select from access_grant g where g.grantee is not distinct from %s
            and g.revoked_at is null and (g.valid_until is null or g.valid_until > now()) limit %s) h"""
        with lent(self.pool) as connection:
            found = connection.execute(statement, (grantee, MOST_GRANTS)).fetchone()
        return int(found[0]) if found else 0

    def has_study(self, organisation: int, study_instance_uid: str) -> bool:
        """Whether an organisation has a study."""
        statement = "select from study where organisation = %s and study_instance_uid = %s"
        with lent(self.pool) as connection:
            return connection.execute(statement, (organisation, study_instance_uid)).fetchone() is not None

    def has_patient(self, organisation: int, patient: PatientKey) -> bool:
        """Whether an organisation has a patient: a study, an order, or a statement of its own."""
        statement = """
            select from patient n join patient p on p.pk = coalesce(n.survivor, n.pk)
            where n.patient_id = %(id)s and n.assigning_authority = %(authority)s and n.unidentified = '' and (
                exists (select from study s where s.patient = p.pk and s.organisation = %(organisation)s)
                or exists (select from requested_procedure q
                    where q.patient = p.pk and q.organisation = %(organisation)s)
                or exists (select from patient_record r
                    where r.patient = p.pk and r.organisation = %(organisation)s))"""
        values = {"id": patient.patient_id, "authority": patient.assigning_authority, "organisation": organisation}
        with lent(self.pool) as connection:
            return connection.execute(statement, values).fetchone() is not None

    def stubs(
        self, scope: Scope, *, since: datetime, study: str = "", patient: PatientKey | None = None, limit: int
    ) -> Sequence[Stub]:
        """Studies the scope does not see, of persons for whom its own organisation has an order, or an encounter,
        since a time.

        What a patient denied is not told of: not even that it is there.
        """
        statement, values = stubs_of(scope, since=since, study=study, patient=patient, limit=limit)
        with lent(self.pool) as connection:
            rows = connection.execute(statement, values).fetchall()
        return [Stub(row[0], row[1], row[2], row[3], row[4] or "", tuple(row[5])) for row in rows]


def stubs_of(
    scope: Scope, *, since: datetime, study: str = "", patient: PatientKey | None = None, limit: int
) -> tuple[str, dict[str, Any]]:
    """The statement that finds what may be told of studies elsewhere, and its values."""
    params = Params()
    own, from_then, denied = params.add(scope.own), params.add(since), _not_denied(scope, params)
    which = f"s.study_instance_uid = {params.add(study)}" if patient is None else f"""s.patient in (
        with asked as (select coalesce(n.survivor, n.pk) as pk from patient n where n.unidentified = ''
            and n.patient_id = {params.add(patient.patient_id)}
            and n.assigning_authority = {params.add(patient.assigning_authority)})
        select a.pk from asked a union select o.patient from asked a
            join person_member m on m.patient = a.pk join person_member o on o.person = m.person)"""
    statement = f"""
        select s.organisation, w.code, w.name, s.study_instance_uid, to_char(s.study_date, 'YYYY-MM-DD'), s.modalities
        from study s join organisation w on w.pk = s.organisation
        where {which} and s.instances > 0 and not ({open_study(scope, params, "s")}) and {denied}
        and (exists (
            select from requested_procedure q where q.organisation = {own} and q.stated_at >= {from_then}
            and (q.patient = s.patient or q.patient in ({_LINKED})))
        or exists (
            select from patient n join care_encounter e on e.patient_id = n.patient_id
                and e.assigning_authority = n.assigning_authority
            where e.organisation = {own} and e.stands and e.starts <= now()
            and coalesce(e.ends, e.stated_at) >= {from_then} and n.unidentified = '' and (
                n.pk = s.patient or n.survivor = s.patient or n.pk in ({_LINKED}) or n.survivor in ({_LINKED}))))
        order by s.study_date desc nulls last, s.pk desc limit {params.add(limit)}"""
    return statement, params.values


_LINKED = """select o.patient from person_member m join person_member o on o.person = m.person
    where m.patient = s.patient"""


def _not_denied(scope: Scope, params: Params) -> str:
    """That no denial stands: asked for the whole world, of which only the denials are then left out."""
    denials = scope.opened.denials() if scope.opened is not None else None
    if denials is None:
        return "true"
    barred = [f"s.pk = any({params.add(list(denials.denied_studies))}::bigint[])"]
    barred += [f"(s.organisation = {params.add(whose)} and s.patient = any({params.add(list(those))}::bigint[]))"
               for whose, those in denials.denied_patients]  # fmt: skip
    return f"not ({' or '.join(barred)})"


def revoke_all(work: Work, former: str) -> None:
    """Close all grants of an organisation whose names begin so, within a unit of work that says so first."""
    statement = """select name from access_grant
        where organisation = %s and revoked_at is null and starts_with(name, %s) order by pk for update"""
    found = work.connection.execute(statement, (work.organisation, former)).fetchall()
    code = organisations.code(work.connection, work.organisation) if found else ""
    for (name,) in found:
        at = work.say({"fact": REVOKED, "organisation": code, "name": name, "by": former.strip(), "reason": "replaced"})
        work.connection.execute(_REVOKE, (at, work.organisation, name))


def say_and_add(work: Work, grant: Grant) -> None:
    """Keep a grant within a unit of work that says so first."""
    work.say(_fact(work.connection, grant))
    add(work.connection, grant)


def add(connection: Connection, grant: Grant) -> None:
    """Put a grant into the index, once."""
    patient = grant.patient or PatientKey("", "")
    connection.execute(_ADD, (
        grant.name, grant.organisation, grant.kind, grant.grantee, grant.subject, grant.study_instance_uid,
        patient.assigning_authority, patient.patient_id, grant.valid_from, grant.valid_until, grant.said_by,
        grant.reason, grant.permits, list(grant.roles), list(grant.purposes), grant.images_only, list(grant.modalities),
    ))  # fmt: skip


def appliers(pool: Pool, keys: Mapping[str, int]) -> dict[str, Callable[[Any], None]]:
    """How facts of grants take effect again, by the word of their kind. `keys`: of organisations, by code."""

    def granted(fact: Any) -> None:
        grant = _of_fact(fact.body, keys)
        retried(pool, lambda connection: add(connection, grant))

    def revoked(fact: Any) -> None:
        values = (fact.at, keys[fact.body["organisation"]], fact.body["name"])
        retried(pool, lambda connection: connection.execute(_REVOKE, values))

    return {GRANTED: granted, REVOKED: revoked}


def _fact(connection: Connection, grant: Grant) -> dict[str, object]:
    patient = grant.patient or PatientKey("", "")
    grantee = None if grant.grantee is None else organisations.code(connection, grant.grantee)
    return {
        "fact": GRANTED, "organisation": organisations.code(connection, grant.organisation), "name": grant.name,
        "kind": grant.kind, "grantee": grantee, "subject": grant.subject, "study": grant.study_instance_uid,
        "authority": patient.assigning_authority, "patient_id": patient.patient_id,
        "from": grant.valid_from.isoformat(), "until": grant.valid_until and grant.valid_until.isoformat(),
        "by": grant.said_by, "reason": grant.reason, "permits": grant.permits, "roles": list(grant.roles),
        "purposes": list(grant.purposes), "images_only": grant.images_only, "modalities": list(grant.modalities),
    }  # fmt: skip


def _of_fact(body: Mapping[str, Any], keys: Mapping[str, int]) -> Grant:
    patient = PatientKey(body["authority"], body["patient_id"]) if body["patient_id"] else None
    until = body["until"] and datetime.fromisoformat(body["until"])
    return Grant(
        body["name"], keys[body["organisation"]], body["kind"], body["grantee"] and keys[body["grantee"]],
        body["subject"], body["study"], patient, datetime.fromisoformat(body["from"]), until, body["by"],
        body["reason"], body["permits"], tuple(body["roles"]), tuple(body["purposes"]),
        bool(body.get("images_only")), tuple(body.get("modalities", ())),
    )  # fmt: skip


def _grant(row: Sequence[Any]) -> Grant:
    patient = PatientKey(row[6], row[7]) if row[7] else None
    return Grant(row[0], row[1], row[2], row[3], row[4], row[5], patient, row[8], row[9], row[10], row[11], row[12],
                 tuple(row[13]), tuple(row[14]), row[15], tuple(row[16]))  # fmt: skip
