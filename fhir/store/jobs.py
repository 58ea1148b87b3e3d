"""Work that goes on after its request, step by step: what was done of it outlives whoever did it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from pacsd.access.scope import Scope
from pacsd.index.connect import Pool, lent, retried
from pacsd.index.predicate import Params, within

WAITING, DONE, FAILED, CANCELLED = "waiting", "done", "failed", "cancelled"
HELD_S = 60                              # that one who works on a job has until the next step is done
_FIELDS = "id, kind, organisation, organisations, status, request, state, output, error, created_at, expires_at"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands. `organisations`: those whose resources who asked for it may see."""

    id: UUID
    kind: str
    organisation: int
    organisations: Sequence[int]
    status: str
    request: Mapping[str, Any]
    state: Mapping[str, Any]
    output: Sequence[Mapping[str, Any]]
    error: str
    created_at: datetime
    expires_at: datetime

    @property
    def scope(self) -> Scope:
        """For whom it is done."""
        return Scope(tuple(self.organisations), self.organisation)


def add(pool: Pool, scope: Scope, identifier: UUID, kind: str, request: Mapping[str, Any], *, keep: timedelta) -> None:
    """Ask for a job."""
    with lent(pool) as connection:
        connection.execute(
            """insert into fhir_job (id, kind, organisation, organisations, request, expires_at)
            values (%s, %s, %s, %s, %s, now() + %s)""",
            (identifier, kind, scope.own, list(scope.organisations), _json(request), keep),
        )


def count(pool: Pool, scope: Scope, kind: str) -> int:
    """How many jobs of a kind, of the asker's organisation, are not done."""
    params = Params()
    own = within(Scope((scope.own,), scope.own), params, "j")
    statement = f"select count(*) from fhir_job j where j.status = 'waiting' and j.kind = {params.add(kind)} and {own}"
    found = retried(pool, lambda connection: connection.execute(statement, params.values).fetchone())
    return int(found[0]) if found else 0


def read(pool: Pool, scope: Scope, identifier: UUID, kind: str) -> Job | None:
    """A job of the asker's own organisation."""
    params = Params()
    own = within(Scope((scope.own,), scope.own), params, "j")
    statement = f"""select {_FIELDS} from fhir_job j where j.id = {params.add(identifier)}
        and j.kind = {params.add(kind)} and {own}"""
    found = retried(pool, lambda connection: connection.execute(statement, params.values, prepare=True).fetchone())
    return None if found is None else Job(*found)


def take(pool: Pool) -> Job | None:
    """The oldest job that waits and nobody works on; it is held for HELD_S."""
    with lent(pool) as connection:
        found = connection.execute(f"""
            update fhir_job set taken_until = now() + make_interval(secs => {HELD_S}) where id = (
                select id from fhir_job where status = 'waiting' and taken_until < now()
                order by created_at limit 1 for update skip locked)
            returning {_FIELDS}""").fetchone()
    return None if found is None else Job(*found)


def advance(
    pool: Pool, identifier: UUID, *, state: Mapping[str, Any], output: Sequence[Mapping[str, Any]] = (),
    status: str = WAITING, error: str = "",
) -> bool:  # fmt: skip
    """One step is done; whether the job is still wanted. What its step put out counts only then."""
    with lent(pool) as connection:
        done = connection.execute(f"""
            update fhir_job set state = %s, output = output || %s::jsonb, status = %s, error = %s,
                taken_until = now() + make_interval(secs => {HELD_S})
            where id = %s and status = 'waiting'""",
            (_json(state), _json(list(output)), status, error, identifier))
        return done.rowcount > 0


def release(pool: Pool, identifier: UUID) -> None:
    """Nobody works on it for now."""
    with lent(pool) as connection:
        connection.execute("update fhir_job set taken_until = '-infinity' where id = %s", (identifier,))


def cancel(pool: Pool, identifier: UUID) -> None:
    """It is not wanted any more, done or not; `expired` clears up behind it."""
    with lent(pool) as connection:
        connection.execute(
            "update fhir_job set status = 'cancelled', expires_at = least(expires_at, now()) where id = %s",
            (identifier,))


def expired(pool: Pool, *, limit: int = 100) -> list[UUID]:
    """Jobs whose time is over, and that nobody works on."""
    with lent(pool) as connection:
        return [row[0] for row in connection.execute(
            "select id from fhir_job where expires_at < now() and taken_until < now() limit %s", (limit,))]


def forget(pool: Pool, identifier: UUID) -> None:
    """What it put out is gone."""
    with lent(pool) as connection:
        connection.execute("delete from fhir_job where id = %s", (identifier,))


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
