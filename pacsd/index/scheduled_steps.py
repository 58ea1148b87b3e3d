"""Rows of scheduled procedure steps: each is one item of the modality worklist, ready to be matched and answered.

What an order says of its patient stands in a step as it was ordered; what is stated of the patient counts over it, as
with studies. Whoever changes steps locks their patient first, then their requested procedures, then the steps by key.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

import orjson
from psycopg.types.json import Jsonb

from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, lent
from pacsd.index.matching import AllOf, AnyOf, Combined, Conditions
from pacsd.index.names import name_grams
from pacsd.index.placement import add_grams
from pacsd.index.predicate import Params, keyed, within
from pacsd.index.query import Page, Statement, page_of, streamed, where_of
from pacsd.index.rows import dumps, members, names_of, overlaid, values_of
from pacsd.index.scheduled_step_keys import COLUMNS, SEQUENCE, START_DATE, STATIONS, STATUS
from pacsd.index.values import Attribute, Attributes, text_at

_PAGE_ROWS = 1001
_TAG_OF_STATUS = STATUS.rpartition(".")[2]

_NAMES = names_of(COLUMNS)
_WRITTEN = ("status_at", "original", "attributes", "places", *_NAMES)
_MOST_PLACES = 500                       # values of a look-up by station and day
_INSERT = f"""
insert into scheduled_step (procedure, patient, organisation, {", ".join(_WRITTEN)})
values (%s, %s, %s, {", ".join(["%s"] * len(_WRITTEN))})
"""
_UPDATE = f"update scheduled_step set patient = %s, {', '.join(f'{name} = %s' for name in _WRITTEN)} where pk = %s"
_FIELDS = "t.pk, t.procedure, t.patient, t.organisation, t.step_id, t.status, t.status_at, t.original"
_OF_PROCEDURES = f"""
select {_FIELDS} from scheduled_step t where t.procedure = any(%s) order by t.pk for no key update of t
"""
_OF_PATIENT = f"""
select {_FIELDS}, p.overlay from scheduled_step t join patient p on p.pk = t.patient
where t.patient = %s order by t.pk for no key update of t
"""
_WITH_STEPS = """
select p.pk from unnest(%s::bigint[]) as p(pk) where exists (select from scheduled_step where patient = p.pk)
order by p.pk
"""
_MOVE_BACK = """
with procedures as (
    update requested_procedure set patient = %(owner)s, named_patient = nullif(named_patient, %(owner)s)
    where patient = %(survivor)s and named_patient = any(%(named)s) returning pk
)
update scheduled_step set patient = %(owner)s where procedure in (select pk from procedures)
"""
_MOVE_STEPS = "update scheduled_step set patient = %s where patient = %s"
_MOVE_PROCEDURES = """
update requested_procedure set named_patient = coalesce(named_patient, patient), patient = %s where patient = %s
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A scheduled procedure step that the caller's transaction has locked. `original`: its worklist item as ordered,
    DICOM JSON by tag, with its status."""

    procedure: int
    patient: int
    organisation: int
    step_id: str
    status: str
    status_at: datetime
    original: Attributes
    pk: int = 0                          # 0: not kept yet


def of(connection: Connection, procedures: Sequence[int]) -> list[Step]:
    """The steps of requested procedures that are locked."""
    return [_step(row) for row in connection.execute(_OF_PROCEDURES, (list(procedures),), prepare=True)]


def write(connection: Connection, steps: Sequence[Step], overlay: Attributes) -> None:
    """Keep new and changed steps of one patient, of whom `overlay` is stated."""
    grams: set[tuple[str, int]] = set()
    for step in steps:
        values, names = _values(step, overlay)
        grams.update((gram, step.patient) for gram in name_grams(names))
        if step.pk:
            connection.execute(_UPDATE, (step.patient, *values, step.pk), prepare=True)
        else:
            whose = (step.procedure, step.patient, step.organisation)
            connection.execute(_INSERT, (*whose, *values), prepare=True)
    add_grams(connection, grams)


def keep_only(connection: Connection, procedure: int, step_ids: Sequence[str]) -> None:
    """Delete the steps of a locked procedure that are none of these."""
    connection.execute(
        "delete from scheduled_step where procedure = %s and step_id <> all(%s::text[])", (procedure, list(step_ids))
    )


def patients_with(connection: Connection, patients: Sequence[int]) -> list[int]:
    """Those of these patients that have steps, in order."""
    return [row[0] for row in connection.execute(_WITH_STEPS, (sorted(patients),), prepare=True)]


def recompute(connection: Connection, patient: int) -> None:
    """Write anew what readers see of a patient's steps, after something was stated of it."""
    rows = connection.execute(_OF_PATIENT, (patient,), prepare=True).fetchall()
    if rows:
        write(connection, [_step(row[:-1]) for row in rows], rows[0][-1])


def move(connection: Connection, prior: int, survivor: int) -> None:
    """All orders of one patient become those of another, each keeps whom it named; both are locked."""
    connection.execute(_MOVE_PROCEDURES, (survivor, prior))
    connection.execute(_MOVE_STEPS, (survivor, prior))


def move_back(connection: Connection, survivor: int, *, named: Sequence[int], owner: int) -> None:
    """The orders of one patient that name any of these become those of `owner`; all of them are locked."""
    connection.execute(_MOVE_BACK, {"survivor": survivor, "named": list(named), "owner": owner})


def with_status(item: Attributes, status: str) -> dict[str, Attribute]:
    """A worklist item with another Scheduled Procedure Step Status (0040,0020)."""
    step = {**inner(item), _TAG_OF_STATUS: {"vr": "CS", "Value": [status]}}
    return {**item, SEQUENCE: {"vr": "SQ", "Value": [step]}}


def inner(item: Attributes) -> Mapping[str, Attribute]:
    """The one item of the Scheduled Procedure Step Sequence."""
    found = item.get(SEQUENCE, {}).get("Value") or [{}]
    first: Mapping[str, Attribute] = found[0]
    return first


def item(
    pool: Pool, scope: Scope, *, order_key: str, requested_procedure_id: str, step_id: str
) -> dict[str, Attribute] | None:
    """The worklist item of one step, whatever its status."""
    params = Params()
    statement = f"""
        select t.attributes from scheduled_step t join requested_procedure r on r.pk = t.procedure
        where {within(scope, params, "t")} and r.order_key = {params.add(order_key)}
        and r.requested_procedure_id = {params.add(requested_procedure_id)} and t.step_id = {params.add(step_id)}"""
    with lent(pool, scope) as connection:
        row = connection.execute(statement, params.values).fetchone()
    return None if row is None else orjson.loads("{" + row[0] + "}")


def search(
    pool: Pool, conditions: Conditions, page: Page, scope: Scope
) -> Iterator[dict[str, Attribute]]:
    """Worklist items that match, the first to start first; of steps still to be done, unless a status is asked for.

    The first page is one plain statement, and mostly all there is; more comes through a cursor, so close the iterator.
    """
    statement = _search(conditions, page, scope)
    if statement.residual or page.limit is not None:
        return (item for _, item in streamed(pool, statement, page, scope))
    first_page = _search(conditions, _Page(_PAGE_ROWS), scope)
    with lent(pool, scope) as connection:
        rows = connection.execute(first_page.text, first_page.params, prepare=False).fetchall()
    if len(rows) < _PAGE_ROWS:
        return (first_page.match(row)[1] for row in rows)
    return _continued([first_page.match(row) for row in rows], streamed(pool, statement, page, scope))


@dataclass(frozen=True, slots=True)
class _Page:
    limit: int | None
    offset: int = 0


_Item = tuple[int, dict[str, Attribute]]


def _continued(first: list[_Item], stream: Generator[_Item, None, None]) -> Generator[dict[str, Attribute], None, None]:
    seen = {pk for pk, _ in first}
    with closing(stream):
        yield from (item for _, item in first)
        yield from (item for pk, item in islice(stream, None) if pk not in seen)


def _search(conditions: Conditions, page: Page, scope: Scope) -> Statement[_Item]:
    params = Params()
    found, residual = where_of(conditions.tests, params)
    asks_for_status = any(isinstance(one, AnyOf | AllOf) and one.path == STATUS for one in conditions.tests)
    only_open = [] if asks_for_status else ["t.open"]
    where = " and ".join([within(scope, params, "t"), *only_open, *_look_up(conditions, params), *found])
    text = f"""
        select t.pk, t.attributes from scheduled_step t where {where}
        order by t.start_date, t.start_time, t.pk{page_of(page, params, residual)}"""
    return Statement(
        text, params.values, residual, lambda row: (row[0], orjson.loads("{" + row[1] + "}")), lambda row: [row[1]]
    )


def _look_up(conditions: Conditions, params: Params) -> list[str]:
    """Where stations are named: a condition that one index answers, beside those that say exactly what matches."""
    named = [one for one in conditions.tests if isinstance(one, AnyOf) and one.path == STATIONS]
    if not named or not all(pattern.literal for pattern in named[0].patterns):
        return []
    stations = [pattern.text for pattern in named[0].patterns]
    days = _days(conditions)
    if 0 < len(days) * len(stations) <= _MOST_PLACES:
        stations = [f"{station} {day:%Y%m%d}" for station in stations for day in days]
    return [keyed("t", "scheduled_steps_at", stations, params)]


def _days(conditions: Conditions) -> list[date]:
    """The days that a start may be on; none where there is no end to them."""
    ranges = [one.dates for one in conditions.tests if isinstance(one, Combined)]
    for one in conditions.tests:
        if isinstance(one, AnyOf) and one.path == START_DATE:
            ranges += one.patterns if len(one.patterns) == 1 else ()
    first, last = (ranges[0].first, ranges[0].last) if ranges else (None, None)
    if first is None or last is None or not 0 <= (last - first).days < _MOST_PLACES:
        return []
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _step(row: Sequence[Any]) -> Step:
    pk, procedure, patient, organisation, step_id, status, status_at, original = row
    return Step(procedure, patient, organisation, step_id, status, status_at, original, pk)


def _values(step: Step, overlay: Attributes) -> tuple[list[Any], list[str | None]]:
    """What is written of a step, and the four key columns of its patient's name."""
    original = with_status(step.original, step.status)
    effective = overlaid(original, overlay)
    columns = values_of(COLUMNS, effective)
    at = _NAMES.index("patient_alphabetic")
    places = _places(columns[_NAMES.index("stations")], [columns[_NAMES.index("start_date")]])
    return [step.status_at, Jsonb(original, dumps=dumps), members(effective), places, *columns], columns[at : at + 4]


def _places(stations: Sequence[str], days: Sequence[date | None]) -> list[str]:
    """Stations, and each with each day."""
    return [*stations, *(f"{station} {day:%Y%m%d}" for station in stations for day in days if day is not None)]


def text_of(item: Attributes, path: str) -> str:
    """A value of a worklist item, empty where there is none."""
    return text_at(item, path) or ""
