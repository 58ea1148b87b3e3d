"""How far scheduled steps have come, in the journal: what stays of performed steps that are kept no longer.

While a performed step is kept, its record says so; an order is kept for good, and a rebuild must not schedule again
what was done.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, Pool, retried
from pacsd.index.performed_steps import PerformedStep
from pacsd.workflow.order_facts import Fact
from pacsd.workflow.performed_step_references import ScheduledSteps, scheduled
from pacsd.workflow.performed_steps import Progress, tell_each

FACT = "step.performed"                  # the word of the journal's FactKind


def fact_of(code: str, step: PerformedStep) -> dict[str, object]:
    """What a performed step said of the steps it was scheduled as, and when."""
    return {
        "fact": FACT, "organisation": code, "status": step.state,
        "said_at": (step.finished_at or step.created_at).isoformat(),
        "scheduled": [
            [one.study_instance_uid, one.accession_number, list(one.scheduled_step_ids)]
            for one in scheduled(step.attributes)
        ],
    }  # fmt: skip


def applier(pool: Pool, keys: Mapping[str, int], progress: Progress) -> Callable[[Fact], None]:
    """How such facts take effect in a rebuild. `keys`: of organisations, by code."""

    def apply(fact: Fact) -> None:
        body = fact.body
        organisation = keys.get(body["organisation"])
        if organisation is None:
            raise PacsdError(Fault.INTERNAL, f"organisation {body['organisation']} is not configured")
        retried(pool, lambda connection: _apply(connection, organisation, body, progress))

    return apply


def _apply(connection: Connection, organisation: int, body: Mapping[str, Any], progress: Progress) -> None:
    named = [ScheduledSteps(study, accession, tuple(ids)) for study, accession, ids in body["scheduled"]]
    with connection.transaction():
        at = datetime.fromisoformat(body["said_at"])
        tell_each(connection, organisation, named, progress, status=body["status"], at=at)
