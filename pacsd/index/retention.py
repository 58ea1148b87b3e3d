"""Studies that were kept long enough by rule, and instances that a note said were."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from pacsd.access.scope import Scope
from pacsd.index.connect import Pool, lent
from pacsd.index.predicate import Params, within
from pacsd.index.rejection_notes import RETENTION

ADULT_YEARS = 18
_SINCE = {
    "study_date": "coalesce(s.study_date, s.received_at::date)",
    "last_received": "s.last_received_at::date",
}
_EXPIRED = """
select x.organisation, s.study_instance_uid, r.series_instance_uid,
    array_agg(x.sop_instance_uid order by x.sop_instance_uid)
from rejection x join series r on r.pk = x.series join study s on s.pk = r.study
where x.code = %s and x.state = 'hidden' and not x.note and x.rejected_at <= %s
    and not exists (select from legal_hold h
        where h.study_instance_uid = s.study_instance_uid and h.organisation = s.organisation)
group by 1, 2, 3 order by 1, 2, 3 limit %s
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """How long studies are kept: those of an organisation and a modality, or of any (None, "")."""

    keep_days: int
    organisation: int | None = None
    modality: str = ""
    since: str = "study_date"
    minors_until_age: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """A study that every rule which applies to it lets go; `rules` are their positions, `members` its attributes as
    members of a DICOM JSON object."""

    pk: int
    organisation: int
    study_instance_uid: str
    expired_on: date
    rules: tuple[int, ...]
    members: tuple[str, ...]


def due(
    pool: Pool, rules: Sequence[Rule], *, today: date, after: int = 0, limit: int, only: int | None = None
) -> list[Due]:
    """Studies whose last rule has run out before `today`, and which are not on hold, by key from `after` on."""
    if not rules:
        return []
    params = Params()
    applies = [_applies(rule, params) for rule in rules]
    ends = [f"case when {held} then {_end(rule, params)} end" for rule, held in zip(rules, applies, strict=True)]
    numbers = ", ".join(f"case when {held} then {n} end" for n, held in enumerate(applies))
    one = "" if only is None else f"and s.pk = {params.add(only)}"
    statement = f"""
        select e.pk, e.organisation, e.study_instance_uid, e.ends, array_remove(e.rules, null), e.attributes, e.more
        from (select s.*, greatest({", ".join(ends)}) as ends, array[{numbers}]::integer[] as rules
            from study s where s.pk > {params.add(after)} {one}) e
        where e.ends < {params.add(today)} and not exists (select from legal_hold h
            where h.study_instance_uid = e.study_instance_uid and h.organisation = e.organisation)
        order by e.pk limit {params.add(limit)}"""
    with lent(pool) as connection:
        rows = connection.execute(statement, params.values).fetchall()
    return [
        Due(pk, owner, uid, ends, tuple(which), tuple(filter(None, texts)))
        for pk, owner, uid, ends, which, *texts in rows
    ]


def expired(pool: Pool, *, before: datetime, limit: int) -> list[tuple[int, str, str, list[str]]]:
    """Instances that were rejected as kept long enough before then: organisation, study, series and their UIDs."""
    with lent(pool) as connection:
        return connection.execute(_EXPIRED, (RETENTION, before, limit)).fetchall()


def _applies(rule: Rule, params: Params) -> str:
    conditions = ["true"]
    if rule.organisation is not None:
        conditions.append(within(Scope((rule.organisation,), rule.organisation), params, "s"))
    if rule.modality:
        of = params.add(rule.modality)
        conditions.append(f"exists (select from series r where r.study = s.pk and r.modality = {of})")
    return "(" + " and ".join(conditions) + ")"


def _end(rule: Rule, params: Params) -> str:
    """The last day on which the rule keeps a study that it applies to."""
    since = _SINCE[rule.since]
    end = f"({since} + {params.add(rule.keep_days)}::integer)"
    if not rule.minors_until_age:
        return end
    age = params.add(rule.minors_until_age)
    born = "s.patient_birth_date"
    return f"""case when {born} is null then 'infinity'::date
        when {born} + make_interval(years => {ADULT_YEARS}) > {since}
            then greatest({end}, ({born} + make_interval(years => {age}::integer))::date) else {end} end"""
