"""Workitems, subscriptions and performed steps brought back from their records (`pacsd rebuild`)."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index import performed_steps as step_rows
from pacsd.index import subscribers
from pacsd.index import workitems as rows
from pacsd.index.connect import Connection, Pool
from pacsd.index.performed_steps import PerformedStep
from pacsd.index.workitems import Workitem
from pacsd.workflow.filters import conditions_of
from pacsd.workflow.performed_step_references import studies
from pacsd.workflow.performed_steps import Progress, nobody_schedules, tell_scheduled
from pacsd.workflow.records import Records

log = logging.getLogger("pacsd.workflow")
_TOLD_WITHIN = timedelta(days=1)         # of its end, a step's instances have come, or never will


class Rebuild:
    """Fills an empty index.

    Who was subscribed to the worklist is subscribed again to all that it covers, to what it had unsubscribed from one
    by one as well.
    """

    def __init__(
        self,
        pool: Pool,
        records: Records,
        keys: Mapping[str, int],
        scope_of: Callable[[str], Scope],
        *,
        progress: Progress = nobody_schedules,
    ) -> None:
        self._pool = pool
        self._records = records
        self._keys = keys
        self._scope_of = scope_of
        self._progress = progress

    def run(self) -> int:
        """All of it; how many workitems and performed steps.

        Raises PacsdError UNAVAILABLE, INTERNAL for an unknown organisation.
        """
        count = 0
        for record, body in self._records.current():
            organisation = self._keys.get(body["organisation"])
            if organisation is None:
                raise PacsdError(Fault.INTERNAL, f"organisation {body['organisation']} is not configured")
            with rows.changing(self._pool, (organisation,)) as connection:
                if "workitem" in body:
                    count += rows.insert(connection, _workitem(organisation, record, body)) is not None
                elif "performed_step" in body:
                    count += self._performed_step(connection, _performed_step(organisation, record, body))
                else:
                    self._subscriber(connection, organisation, record, body)
        return count

    def _performed_step(self, connection: Connection, step: PerformedStep) -> bool:
        """As it was last said, to the steps it was scheduled as too.

        Of one that ended lately it is said once more that its instances have come, if they have.
        """
        ended = step.finished_at
        told = ended is not None and ended < datetime.now(UTC) - _TOLD_WITHIN
        made = step_rows.insert(connection, step, told=told) is not None
        if made:
            tell_scheduled(connection, step, self._progress, at=step.finished_at or step.created_at)
        return made

    def _subscriber(self, connection: Connection, organisation: int, record: str, body: Mapping[str, Any]) -> None:
        scope = self._scope_of(body["organisation"])
        one = replace(
            subscribers.known(connection, organisation, body["subscriber"]),
            revision=body["revision"], record=record, worklist=body["worklist"],
            worklist_lock=body["worklist_lock"], filter=body["filter"],
            reads=scope.organisations if body["worklist"] else (),
        )  # fmt: skip
        subscribers.state(connection, one)
        for code, uid, lock in body["workitems"]:
            key = self._keys.get(code)
            item = None if key is None else rows.found(connection, Scope((key,), key), uid)
            if item is not None:
                subscribers.subscribe(connection, one.pk, item.pk, lock=lock)
        if one.worklist is not None:
            own = set(rows.matching(connection, conditions_of(one), Scope((organisation,), organisation)))
            found = rows.matching(connection, conditions_of(one), scope)
            subscribers.subscribe_by_worklist(
                connection, [(one.pk, pk, one.worklist_lock and pk in own) for pk in found]
            )


def _workitem(organisation: int, record: str, body: Mapping[str, Any]) -> Workitem:
    finished = body["finished_at"]
    return Workitem(
        organisation, body["workitem"], body["state"], body["attributes"], record,
        datetime.fromisoformat(body["created_at"]), datetime.fromisoformat(body["changed_at"]),
        body["transaction_uid"], datetime.fromisoformat(finished) if finished else None, body["revision"],
    )  # fmt: skip


def _performed_step(organisation: int, record: str, body: Mapping[str, Any]) -> PerformedStep:
    finished = body["finished_at"]
    return PerformedStep(
        organisation, body["performed_step"], body["state"], body["attributes"], studies(body["attributes"]), record,
        datetime.fromisoformat(body["created_at"]), datetime.fromisoformat(body["changed_at"]),
        datetime.fromisoformat(finished) if finished else None, body["revision"],
    )  # fmt: skip
