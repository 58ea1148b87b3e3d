"""Who hears of a workitem because of a subscription to the worklist, or to a part of it (PS3.4 CC.2.3.3.1)."""

from pacsd.index import subscribers
from pacsd.index.connect import Connection
from pacsd.index.matching import Conditions, Criterion
from pacsd.index.subscribers import Subscriber
from pacsd.index.workitems import Workitem
from pacsd.workflow.search import WorklistQuery, compile_query, matches


def conditions_of(one: Subscriber) -> Conditions:
    """The filter of a subscription to the worklist; everything matches where there is none."""
    criteria = tuple(Criterion(path, value) for path, value in (one.filter or {}).items())
    return compile_query(WorklistQuery(criteria)).conditions


def subscribe_new(connection: Connection, item: Workitem, before: Workitem | None = None) -> None:
    """Subscribe whose subscription to the worklist covers a workitem that is new, or did not pass the filter before.

    Who unsubscribed from a workitem that goes on passing stays unsubscribed.
    """
    found = []
    for one in subscribers.of_worklist(connection, item.organisation):
        if before is not None and one.filter is None:
            continue
        conditions = conditions_of(one)
        if before is not None and matches(conditions, before.attributes):
            continue
        if matches(conditions, item.attributes):
            found.append((one.pk, item.pk, one.worklist_lock and one.organisation == item.organisation))
    subscribers.subscribe_by_worklist(connection, found)
