"""What is open, and denied, to a principal at this moment, read in one statement."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pacsd.access.grants import MOST_GRANTS
from pacsd.access.principal import PatientKey, Principal, Role
from pacsd.access.scope import Names, Opened, Owned, Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Pool, retried
from pacsd.index.links import SHOWN
from pacsd.index.reports import ABOUT

_GRANTED = """
select g.permits, g.organisation, coalesce(s.pk, i.pk), coalesce(s.study_instance_uid, i.study_instance_uid),
    case when not g.images_only then p.pk end, p.assigning_authority, p.patient_id
from access_grant g
left join study s on g.study_instance_uid <> '' and s.study_instance_uid = g.study_instance_uid
    and s.organisation = g.organisation
left join patient n on g.patient_id <> '' and n.patient_id = g.patient_id
    and n.assigning_authority = g.assigning_authority and n.unidentified = ''
left join patient p on p.pk = coalesce(n.survivor, n.pk)
left join study i on g.images_only and i.patient = p.pk and i.organisation = g.organisation
    and (g.modalities = '{}' or case when g.permits then i.modalities <> '{}' and i.modalities <@ g.modalities
        else i.modalities && g.modalities end)
where g.revoked_at is null and g.valid_from <= now() and (g.valid_until is null or g.valid_until > now())
    and (g.grantee = %(own)s or g.grantee is null) and (g.grantee_subject = '' or g.grantee_subject = %(subject)s)
    and (g.roles = '{}' or g.roles && %(roles)s::text[]) and (g.purposes = '{}' or %(purpose)s = any(g.purposes))
limit %(limit)s
"""
# A person: the record that is named, and all that are linked with it. A study of theirs is released with a report.
_PERSON = f"""
with named as (
    select coalesce(n.survivor, n.pk) as pk from patient n
    where n.patient_id = %(id)s and n.assigning_authority = %(authority)s and n.unidentified = ''
),
person as (
    select pk from named
    union select o.patient from named a join person_member m on m.patient = a.pk
        join person_member o on o.person = m.person
),
owners as (
    select s.organisation, s.patient from study s join person w on w.pk = s.patient
    union select q.organisation, q.patient from requested_procedure q join person w on w.pk = q.patient
    union select r.organisation, r.patient from patient_record r join person w on w.pk = r.patient
)
select o.organisation, null, null, p.pk, p.assigning_authority, p.patient_id
from owners o join patient p on p.pk = o.patient
union all
select s.organisation, s.pk, s.study_instance_uid, null, null, null
from person w join study s on s.patient = w.pk join patient p on p.pk = s.patient
where exists (select from diagnostic_report r where r.status in ('final', 'corrected') and {ABOUT})
limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class IndexOpenings:
    """As pacsd.access.openings.Openings has it."""

    pool: Pool

    def of(self, principal: Principal, scope: Scope) -> Opened | None:
        """What is opened beside the scope's organisations. Raises PacsdError TOO_MUCH: then nothing is open."""
        values = {
            "own": scope.own, "subject": principal.subject, "roles": [one.value for one in principal.roles],
            "purpose": principal.purpose, "limit": MOST_GRANTS * 2 + 1,
        }  # fmt: skip
        if principal.is_a(Role.PATIENT):
            return self._of_person(principal.patient, values)
        rows = self._rows(_GRANTED, values)
        if principal.is_a(Role.LINK):
            shown = self._rows(SHOWN, {**values, "link": principal.link}) if principal.link else []
            return _opened([*shown, *(row for row in rows if not row[0])])
        if principal.context is not None:
            return self._in_context(principal.context, scope, rows, values)
        return _opened(rows) if rows else None

    def _in_context(
        self, patient: PatientKey, scope: Scope, granted: Sequence[Sequence[Any]], values: dict[str, Any]
    ) -> Opened:
        """One person's records, as far as the asker sees them without."""
        open_now = {(row[1], row[4]) for row in granted if row[0] and row[4] is not None}
        named = {**values, "id": patient.patient_id, "authority": patient.assigning_authority}
        rows = [(True, *row) for row in self._rows(_PERSON, named) if row[3] is not None
                and (row[0] in scope.organisations or (row[0], row[3]) in open_now)]  # fmt: skip
        return _opened([*rows, *(row for row in granted if not row[0])])

    def _of_person(self, patient: PatientKey | None, values: dict[str, Any]) -> Opened:
        """All that is about one person, and released; nothing that organisations open to each other."""
        if patient is None:
            return Opened(released_only=True)
        named = {**values, "id": patient.patient_id, "authority": patient.assigning_authority}
        rows = [(True, *row) for row in self._rows(_PERSON, named)]
        found = _opened(rows)
        return replace(found, patients=(), released_only=True)

    def _rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        found = retried(self.pool, lambda connection: connection.execute(statement, values, prepare=True).fetchall())
        if len(found) >= values["limit"]:
            raise PacsdError(Fault.TOO_MUCH, "more is open to the asker than one statement may hold")
        return found


def _opened(rows: Sequence[Sequence[Any]]) -> Opened:
    yes, no = [row for row in rows if row[0]], [row for row in rows if not row[0]]
    names = Names(_patient_names(yes), _study_names(yes), _patient_names(no), _study_names(no))
    return Opened(_studies(yes), _owned(yes), _studies(no), _owned(no), names=names)


def _studies(rows: Iterable[Sequence[Any]]) -> tuple[int, ...]:
    return tuple(sorted({row[2] for row in rows if row[2] is not None}))


def _owned(rows: Iterable[Sequence[Any]]) -> Owned:
    found: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        if row[4] is not None:
            found[row[1]].add(row[4])
    return tuple((whose, tuple(sorted(those))) for whose, those in sorted(found.items()))


def _patient_names(rows: Iterable[Sequence[Any]]) -> tuple[tuple[int, str, str], ...]:
    return tuple(sorted({(row[1], row[5], row[6]) for row in rows if row[4] is not None}))


def _study_names(rows: Iterable[Sequence[Any]]) -> tuple[tuple[int, str], ...]:
    return tuple(sorted({(row[1], row[3]) for row in rows if row[2] is not None}))
