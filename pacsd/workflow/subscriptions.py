"""Subscribing, unsubscribing and suspending (PS3.4 CC.2.3, Table CC.2.3-2; PS3.18 11.10 to 11.12).

An AE has one global subscription at most: to the whole worklist, or to the part that passes a filter. It covers what
its organisation may read when it is made. A deletion lock holds only workitems of the AE's own organisation.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import orjson

from pacsd.access.directory import Peer
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index import subscribers
from pacsd.index import workitems as rows
from pacsd.index.connect import Connection, Pool
from pacsd.index.subscribers import Subscriber
from pacsd.workflow.filters import conditions_of
from pacsd.workflow.records import Records
from pacsd.workflow.refusals import Reason, Refusal, Reservation
from pacsd.workflow.reports import state_report
from pacsd.workflow.requirements import SOP_INSTANCE_UID, first


class Subscriptions:
    """The service. `ae_title` names who is to hear, whoever asks."""

    def __init__(self, pool: Pool, records: Records, *, grace_s: float) -> None:
        self._pool = pool
        self._records = records
        self._grace_s = grace_s

    def subscribe(self, peer: Peer, ae_title: str, uid: str, *, lock: bool) -> Reservation | None:
        """To one workitem; its present state is reported at once. Raises Refusal."""
        with rows.changing(self._pool, (peer.organisation,)) as connection:
            item = rows.locked(connection, peer.scope, uid)
            if item is None:
                gone = rows.is_gone(connection, peer.scope, uid)
                raise Refusal(Reason.GONE if gone else Reason.UNKNOWN)
            granted = lock and item.organisation == peer.organisation
            one = subscribers.known(connection, peer.organisation, ae_title)
            subscribers.subscribe(connection, one.pk, item.pk, lock=granted)
            report = state_report(uid, item.attributes)
            subscribers.report_to(connection, one.pk, [(item.organisation, report)])
            self._state(connection, one)
        subscribers.notify(self._pool, [one.pk])
        return None if granted == lock else Reservation.LOCK_NOT_GRANTED

    def subscribe_worklist(
        self, peer: Peer, ae_title: str, worklist: str, *, lock: bool, keys: Mapping[str, str] | None = None
    ) -> None:
        """To every workitem there is and will be, or to those that pass a filter of matching keys by path.

        With a deletion lock the present states are reported. Raises PacsdError MALFORMED for a filter that says nothing
        or cannot be matched by.
        """
        with rows.changing(self._pool, peer.scope.organisations, worklist=True) as connection:
            known = subscribers.known(connection, peer.organisation, ae_title)
            one = replace(known, worklist=worklist, worklist_lock=lock, filter=None if keys is None else dict(keys),
                          reads=peer.scope.organisations)  # fmt: skip
            conditions = conditions_of(one)
            if conditions.unsupported or (keys is not None and not conditions.tests):
                raise PacsdError(Fault.MALFORMED, "the filter has no key, or one that cannot be matched by")
            found = rows.matching(connection, conditions, peer.scope)
            mine = set(rows.matching(connection, conditions, Scope((peer.organisation,), peer.organisation)))
            new = subscribers.subscribe_by_worklist(connection, [(one.pk, pk, lock and pk in mine) for pk in found])
            if lock:
                self._report_states(connection, one, peer.scope, new)
            self._state(connection, one)
        subscribers.notify(self._pool, [one.pk])

    def unsubscribe(self, peer: Peer, ae_title: str, uid: str) -> None:
        """From one workitem. Raises Refusal."""

        def work(connection: Connection, one: Subscriber) -> Subscriber:
            item = rows.locked(connection, peer.scope, uid)
            if item is None:
                raise Refusal(Reason.UNKNOWN)
            if not subscribers.unsubscribe(connection, one.pk, item.pk):
                raise Refusal(Reason.NOT_SUBSCRIBED)
            return one

        self._change(peer, ae_title, work)

    def unsubscribe_worklist(self, peer: Peer, ae_title: str, worklist: str) -> None:
        """From everything, what was subscribed to one by one as well. Raises Refusal."""

        def work(connection: Connection, one: Subscriber) -> Subscriber:
            ended = subscribers.unsubscribe_all(connection, one.pk)
            if one.worklist not in (None, worklist) or (one.worklist is None and not ended):
                raise Refusal(Reason.NOT_SUBSCRIBED)
            return replace(one, worklist=None, worklist_lock=False, filter=None, reads=())

        self._change(peer, ae_title, work)

    def suspend(self, peer: Peer, ae_title: str, worklist: str) -> None:
        """Nothing new is subscribed to; what was stays (PS3.18 11.12). Raises Refusal."""

        def work(connection: Connection, one: Subscriber) -> Subscriber:
            if one.worklist != worklist:
                raise Refusal(Reason.NOT_SUBSCRIBED)
            subscribers.make_explicit(connection, one.pk)
            return replace(one, worklist=None, worklist_lock=False, filter=None, reads=())

        self._change(peer, ae_title, work)

    def _change(self, peer: Peer, ae_title: str, work: Callable[[Connection, Subscriber], Subscriber]) -> None:
        with rows.changing(self._pool, peer.scope.organisations, worklist=True) as connection:
            one = subscribers.known(connection, peer.organisation, ae_title)
            self._state(connection, work(connection, one))

    def _state(self, connection: Connection, one: Subscriber) -> None:
        """Write it, and have it durable beside the objects."""
        kept = replace(one, record=self._records.key())
        subscribers.state(connection, kept)
        if one.record is not None:
            rows.throw_away(connection, [one.record], grace_s=self._grace_s)
        self._records.put_subscriber(kept, subscribers.explicit(connection, one.pk))

    def _report_states(self, connection: Connection, one: Subscriber, scope: Scope, found: list[int]) -> None:
        told = []
        for organisation, text in subscribers.states_of(connection, scope, found):
            attributes = orjson.loads(text)
            told.append((organisation, state_report(first(attributes[SOP_INSTANCE_UID]), attributes)))
        subscribers.report_to(connection, one.pk, told)

