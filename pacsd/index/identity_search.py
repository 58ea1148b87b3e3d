"""Patients and persons as peers and people ask for them: by identifier, by demographics, and pairs to be reviewed."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from psycopg.rows import dict_row

from pacsd.access.scope import Scope
from pacsd.codec.text import normalise
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, Pool, lent
from pacsd.index.names import GROUPS
from pacsd.index.patterns import DateRange, Pattern, sure_grams
from pacsd.index.predicate import Params, within

CARDS = ("id_card", "health_card", "social_security_card")
_COLUMNS = (
    "patient", "organisation", "assigning_authority", "patient_id", "name", "birth_date", "sex", "phone", "address",
    "account_number", "mother_name", *CARDS,
)  # fmt: skip
_FIELDS = ", ".join(f"r.{name}" for name in _COLUMNS)
# of a record that is there only because a feed linked it nothing was stated, and no demographics can be shown
_STATED = "(r.details_at is not null or num_nonnulls(r.name, r.birth_date, r.sex) > 0)"
_FROM = "patient_record r join patient p on p.pk = r.patient and p.merged_into is null"
# Two records a pair; what was decided, or is one person already, is nothing to review.
_REVIEW = """
select i.one, i.other, i.score, i.reasons from identity_pair i
join patient_record a on a.patient = i.one join patient_record b on b.patient = i.other
left join person_member m on m.patient = i.one left join person_member n on n.patient = i.other
where {mine} and {theirs} and (m.person is null or n.person is null or m.person <> n.person)
    and not exists (select from identity_decision d where d.one = i.one and d.other = i.other)
order by i.score desc, i.one, i.other limit {limit}
"""


@dataclass(frozen=True, slots=True)
class Record:
    """What is stated of a patient. `name`: as DICOM writes it, its groups joined by `=`."""

    patient: int
    organisation: int
    assigning_authority: str
    patient_id: str
    name: str | None
    birth_date: date | None
    sex: str | None
    phone: str | None
    address: str | None
    account_number: str | None
    mother_name: str | None
    id_card: str | None
    health_card: str | None
    social_security_card: str | None

    @property
    def key(self) -> tuple[str, str]:
        """Assigning authority and id."""
        return self.assigning_authority, self.patient_id


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A pair for somebody to decide on."""

    one: Record
    other: Record
    score: float
    reasons: str


@dataclass(frozen=True, slots=True)
class Demographics:
    """What is asked for; what is None or empty does not count. Texts may hold the wildcards `*` and `?`.

    `identifiers`: (kind of card or empty, assigning authority, id), all of which the person must have; `address`: by
    number of the component of XAD.
    """

    identifiers: Sequence[tuple[str, str, str]] = ()
    name: str = ""
    family: str = ""
    given: str = ""
    birth_date: str = ""
    sex: str = ""
    phone: str = ""
    account_number: str = ""
    mother_name: str = ""
    address: Mapping[int, str] = field(default_factory=dict)


def record(pool: Pool, scope: Scope, key: tuple[str, str]) -> Record | None:
    """A patient that the asker may see; None for one that is not there, or was merged."""
    params = Params()
    statement = f"""
        select {_FIELDS} from {_FROM} where {within(scope, params, "r")}
        and r.assigning_authority = {params.add(key[0])} and r.patient_id = {params.add(key[1])}"""
    found = _records(pool, scope, statement, params)
    return found[0] if found else None


def by_card(pool: Pool, scope: Scope, kind: str, number: str, *, limit: int = 100) -> list[Record]:
    """The patients with a card."""
    if kind not in CARDS:
        raise ValueError(kind)
    params = Params()
    statement = f"""
        select {_FIELDS} from {_FROM} where {within(scope, params, "r")} and r.{kind} = {params.add(number)}
        order by r.patient limit {params.add(limit)}"""
    return _records(pool, scope, statement, params)


def persons(pool: Pool, scope: Scope, patients: Iterable[int]) -> dict[int, list[Record]]:
    """For each of these patients all that are the same person, itself among them, as far as the asker may see them."""
    asked = sorted(set(patients))
    if not asked:
        return {}
    params = Params()
    mine = params.add(asked)
    statement = f"""
        select a.p as asked, {_FIELDS} from unnest({mine}::bigint[]) as a(p)
        left join person_member k on k.patient = a.p
        cross join lateral (
            select n.patient from person_member n where n.person = k.person union select a.p) as c(patient)
        join patient_record r on r.patient = c.patient
        join patient p on p.pk = r.patient and p.merged_into is null
        where {within(scope, params, "r")} order by r.assigning_authority, r.patient_id"""
    found: dict[int, list[Record]] = {one: [] for one in asked}
    with lent(pool, scope) as connection, connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(statement, params.values):
            found[row.pop("asked")].append(Record(**row))
    return found


def knows_authority(pool: Pool, authority: str) -> bool:
    """Whether anything was ever stated of a patient of this assigning authority."""
    with lent(pool) as connection:
        return connection.execute(
            "select from patient_record where assigning_authority = %s limit 1", (authority,)
        ).fetchone() is not None  # fmt: skip


def search(
    pool: Pool, scope: Scope, asked: Demographics, *, after: int, limit: int, wanted: Collection[str] = (),
    kinds: Collection[str] = (),
) -> list[Record]:  # fmt: skip
    """Patients of whom something was stated and who fit, in an order that stays, from behind `after`; at most `limit`.

    With `wanted` those alone who have an identifier of these authorities, or a card of these kinds.
    Raises PacsdError TOO_BROAD where nothing narrows the search, MALFORMED.
    """
    params = Params()
    conditions = [within(scope, params, "r"), _STATED, f"r.patient > {params.add(after)}"]
    if wanted:
        conditions.append(_identified(wanted, kinds, scope, params))
    narrowing = _conditions(asked, scope, params)
    if not narrowing:
        raise PacsdError(Fault.TOO_BROAD, "nothing to search for")
    statement = f"""
        select {_FIELDS} from {_FROM} where {" and ".join((*conditions, *narrowing))}
        order by r.patient limit {params.add(limit)}"""
    return _records(pool, scope, statement, params)


def review(pool: Pool, scope: Scope, *, limit: int) -> list[Doubtful]:
    """Pairs that nobody decided on, the likeliest first; both records the asker may see."""
    params = Params()
    statement = _REVIEW.format(mine=within(scope, params, "a"), theirs=within(scope, params, "b"),
                               limit=params.add(limit))  # fmt: skip
    with lent(pool, scope) as connection:
        found = connection.execute(statement, params.values).fetchall()
        known = {one.patient: one for one in _by_patients(connection, {end for row in found for end in row[:2]})}
    return [Doubtful(known[one], known[other], score, reasons) for one, other, score, reasons in found
            if one in known and other in known]  # fmt: skip


def _by_patients(connection: Connection, patients: Iterable[int]) -> list[Record]:
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(f"select {_FIELDS} from {_FROM} where r.patient = any(%s)", (sorted(patients),))
        return [Record(**row) for row in found]


def _records(pool: Pool, scope: Scope, statement: str, params: Params) -> list[Record]:
    with lent(pool, scope) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return [Record(**row) for row in cursor.execute(statement, params.values)]


def _conditions(asked: Demographics, scope: Scope, params: Params) -> list[str]:
    found = [_has_identifier(*one, scope, params) for one in asked.identifiers]
    found += [_named(apart, together, params) for apart, together in _names(asked)]
    if asked.birth_date:
        found.append(DateRange.of(asked.birth_date).sql("r.birth_date", params))
    if asked.sex:
        found.append(f"r.sex = {params.add(asked.sex)}")
    if asked.phone:
        digits = "".join(char for char in asked.phone if char.isdigit() or char in "*?")
        found.append(Pattern(digits).sql("regexp_replace(r.phone, '[^0-9]', '', 'g')", params))
    if asked.mother_name:
        found.append(Pattern(asked.mother_name.lower()).sql("lower(r.mother_name)", params))
    if asked.account_number:
        found.append(f"split_part(r.account_number, '^', 1) = {params.add(asked.account_number)}")
    for component, value in sorted(asked.address.items()):
        part = f"lower(split_part(r.address, '^', {params.add(component)}::integer))"
        found.append(Pattern(value.lower()).sql(part, params))
    return found


def _names(asked: Demographics) -> list[tuple[list[str], str]]:
    """Patterns of names: with components apart, any of which will do, and joined, as characters and pinyin stand."""
    whole, family, given = normalise(asked.name), normalise(asked.family), normalise(asked.given)
    if whole:
        return [([whole], whole.replace(" ", ""))]
    if family and given:
        return [([f"{family} {given}", f"{family} {given} *"], f"{family}{given}".replace(" ", ""))]
    if family:
        return [([family, f"{family} *"], f"{family}*".replace(" ", ""))]
    return [([f"* {given}", f"* {given} *"], f"*{given}".replace(" ", ""))] if given else []


def _named(apart: Sequence[str], together: str, params: Params) -> str:
    either = [Pattern(one).sql("r.name_alphabetic", params) for one in apart]
    either += [Pattern(together).sql(f"r.name_{group}", params) for group in GROUPS[1:]]
    condition = f"({' or '.join(either)})"
    if Pattern(apart[0]).prefix:
        return condition
    infix = sure_grams(re.split(r"[*?]", together))        # no index leads to it but parts of it
    found = (f"r.patient in (select patient from name_gram where gram = {params.add(gram)})" for gram in infix)
    return " and ".join((condition, *found))


def _has_identifier(kind: str, authority: str, number: str, scope: Scope, params: Params) -> str:
    """The patient or another record of the same person has it."""
    if kind:
        condition = f"i.{kind} = {params.add(number)}"
    else:
        condition = f"i.assigning_authority = {params.add(authority)} and i.patient_id = {params.add(number)}"
    return f"""r.patient in (
        with holder as (select i.patient from patient_record i where {condition} and {within(scope, params, "i")})
        select patient from holder union
        select m.patient from holder join person_member h using (patient) join person_member m using (person))"""


def _identified(wanted: Collection[str], kinds: Collection[str], scope: Scope, params: Params) -> str:
    """The patient or another record of the same person has an identifier there."""
    either = [f"i.assigning_authority = any({params.add(list(wanted))})"]
    either += [f"i.{kind} is not null" for kind in CARDS if kind in kinds]
    return f"""exists (
        select from (select r.patient union all select m.patient from person_member k
            join person_member m using (person) where k.patient = r.patient) c(patient)
        join patient_record i using (patient) join patient q on q.pk = i.patient and q.merged_into is null
        where ({" or ".join(either)}) and {within(scope, params, "i")})"""


def is_merged_within(connection: Connection, scope: Scope, key: tuple[str, str]) -> bool:
    """Whether a patient of the asker's is merged into another: it sees the record, or studies that name it."""
    params = Params()
    authority, patient_id = params.add(key[0]), params.add(key[1])
    statement = f"""
        select from patient p where p.patient_id = {patient_id} and p.assigning_authority = {authority}
        and p.unidentified = '' and p.merged_into is not null and (
            exists (select from patient_record r where r.patient in (p.pk, p.merged_into)
                and {within(scope, params, "r")})
            or exists (select from study s where s.named_patient = p.pk and {within(scope, params, "s")})
            or exists (select from identity_step t where t.patient_id = p.patient_id
                and t.assigning_authority = p.assigning_authority and {within(scope, params, "t")}))"""
    return connection.execute(statement, params.values).fetchone() is not None
