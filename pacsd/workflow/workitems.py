"""The workitems themselves: create, retrieve, update, change state, request cancellation (PS3.4 CC.2, PS3.18 11).

A change is decided and written while its workitem's row is locked, in one transaction with the reports to subscribers
and the event for the rest of the house; its record is durable before that commits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pacsd.access.directory import Peer
from pacsd.access.scope import Scope
from pacsd.index import outbox, subscribers
from pacsd.index import workitems as rows
from pacsd.index.connect import Connection, Pool
from pacsd.index.workitems import Workitem
from pacsd.workflow import reports
from pacsd.workflow.filters import subscribe_new
from pacsd.workflow.records import Deferred, Records
from pacsd.workflow.refusals import Reason, Refusal, Reservation
from pacsd.workflow.reports import WORKLISTS
from pacsd.workflow.requirements import (
    MODIFIED_AT,
    PROGRESS,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STATE,
    UPS_PUSH,
    Dataset,
    check_final,
    created,
    has_value,
    items,
    updated,
)
from pacsd.workflow.states import State, cancel_request, change, check_update

Attributes = dict[str, dict[str, Any]]
TOPICS: Mapping[State, str] = {
    State.SCHEDULED: "workitem.scheduled",
    State.IN_PROGRESS: "workitem.in_progress",
    State.COMPLETED: "workitem.completed",
    State.CANCELED: "workitem.canceled",
}
_CANCELED_AT = "00404052"
_CONTACTS = "00741008"
# (110513, DCM): what is said of a cancellation without a reason, so that the final state's requirements are met
_UNSPECIFIED = {
    "00080100": {"vr": "SH", "Value": ["110513"]},
    "00080102": {"vr": "SH", "Value": ["DCM"]},
    "00080104": {"vr": "LO", "Value": ["Discontinued for unspecified reason"]},
}


@dataclass(frozen=True, slots=True)
class _Change:
    """What a request leads to: the workitem as it is from now on, who is to be told what, and a reservation."""

    item: Workitem
    reports: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    reservation: Reservation | None = None


class Workitems:
    """The service. Everything that is refused raises Refusal, or PacsdError MALFORMED, FULL, UNAVAILABLE, TOO_MUCH."""

    def __init__(
        self,
        pool: Pool,
        records: Records | Deferred,
        *,
        own_title: str,
        worklist_label: str,
        grace_s: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._records = records
        self._own_title = own_title
        self._worklist_label = worklist_label
        self._grace_s = grace_s
        self._clock = clock

    def create(self, peer: Peer, sop_instance_uid: str, dataset: Dataset) -> Reservation | None:
        """A new workitem, SCHEDULED (PS3.4 CC.2.5, PS3.18 11.4)."""
        if sop_instance_uid in WORKLISTS:
            raise Refusal(Reason.RESERVED_UID)
        checked = created(dataset, worklist_label=self._worklist_label)
        now = self._clock()
        own = {SOP_CLASS_UID: _ui(UPS_PUSH), SOP_INSTANCE_UID: _ui(sop_instance_uid), MODIFIED_AT: _dt(now)}
        item = Workitem(
            peer.organisation, sop_instance_uid, State.SCHEDULED.value,
            {tag: dict(one) for tag, one in checked.attributes.items()} | own, self._records.key(), now, now,
        )  # fmt: skip
        with rows.changing(self._pool, (peer.organisation,)) as connection:
            pk = rows.insert(connection, item)
            if pk is None:
                raise Refusal(Reason.DUPLICATE)
            subscribe_new(connection, replace(item, pk=pk))
            told = reports.of_creation(sop_instance_uid, item.attributes)
            woken = self._tell(connection, _Change(replace(item, pk=pk), tuple(told), (State.SCHEDULED,)))
            self._records.put_workitem(item)
        subscribers.notify(self._pool, woken)
        return Reservation.CREATED_WITH_MODIFICATIONS if checked.modified else None

    def retrieve(self, scope: Scope, sop_instance_uid: str) -> Attributes:
        """All attributes but the Transaction UID, which is a lock (PS3.4 CC.2.7.3, PS3.18 11.5)."""
        item, gone = rows.load(self._pool, scope, sop_instance_uid)
        if item is None:
            raise Refusal(Reason.GONE if gone else Reason.UNKNOWN)
        return item.attributes

    def update(
        self, peer: Peer, sop_instance_uid: str, changes: Dataset, *, transaction_uid: str | None
    ) -> Reservation | None:
        """Set attributes; a claimed workitem needs its Transaction UID (PS3.4 CC.2.6, PS3.18 11.6)."""

        def decide(_: Connection, item: Workitem) -> _Change:
            check_update(State(item.state), lock=item.transaction_uid, given=transaction_uid)
            checked = updated(item.attributes, changes, worklist_label=self._worklist_label)
            attributes = {tag: dict(one) for tag, one in checked.attributes.items()}
            told = reports.of_update(sop_instance_uid, item.attributes, attributes)
            reservation = Reservation.UPDATED_WITH_MODIFICATIONS if checked.modified else None
            return _Change(replace(item, attributes=attributes), tuple(told), reservation=reservation)

        return self._change(peer, sop_instance_uid, decide)

    def change_state(
        self, peer: Peer, sop_instance_uid: str, state: State, *, transaction_uid: str | None
    ) -> Reservation | None:
        """Claim, complete or cancel (PS3.4 CC.2.1, PS3.18 11.7)."""

        def decide(_: Connection, item: Workitem) -> _Change:
            following = change(State(item.state), state, lock=item.transaction_uid, given=transaction_uid)
            if isinstance(following, Reservation):
                return _Change(item, reservation=following)
            return self._entered(replace(item, transaction_uid=transaction_uid), following)

        return self._change(peer, sop_instance_uid, decide)

    def request_cancel(self, peer: Peer, sop_instance_uid: str, details: Dataset) -> Reservation | None:
        """Cancel what nobody has begun; else tell who performs it, and watches (PS3.4 CC.2.2.3, PS3.18 11.8)."""

        def decide(connection: Connection, item: Workitem) -> _Change:
            following = cancel_request(State(item.state))
            if isinstance(following, Reservation):
                return _Change(item, reservation=following)
            if following is State.CANCELED:
                return self._canceled_unbegun(item, details)
            if not subscribers.has_subscribers(connection, item.pk):
                raise Refusal(Reason.PERFORMER_UNREACHABLE)
            who = peer.title or self._own_title
            return _Change(item, (reports.cancel_requested(sop_instance_uid, details, requesting_ae=who),))

        return self._change(peer, sop_instance_uid, decide)

    def _change(
        self, peer: Peer, uid: str, decide: Callable[[Connection, Workitem], _Change]
    ) -> Reservation | None:
        with rows.changing(self._pool, (peer.organisation,)) as connection:
            item = _locked(connection, peer, uid)
            done = decide(connection, item)
            following = done.item
            if following is not item:
                following = self._kept(connection, item, following)
            woken = self._tell(connection, replace(done, item=following))
            if following is not item:
                self._records.put_workitem(following)
        subscribers.notify(self._pool, woken)
        return done.reservation

    def _kept(self, connection: Connection, before: Workitem, after: Workitem) -> Workitem:
        now = self._clock()
        kept = replace(
            after, revision=before.revision + 1, changed_at=now, record=self._records.key(),
            attributes={**after.attributes, MODIFIED_AT: _dt(now)},
        )  # fmt: skip
        rows.update(connection, kept)
        rows.throw_away(connection, [before.record], grace_s=self._grace_s)
        subscribe_new(connection, kept, before)
        return kept

    def _tell(self, connection: Connection, done: _Change) -> list[int]:
        item = done.item
        for state in done.states:
            body = {"sop_instance_uid": item.sop_instance_uid, "state": state.value}
            outbox.append(
                connection, organisation=item.organisation, topic=TOPICS[state], subject=item.sop_instance_uid,
                body=body,
            )  # fmt: skip
        return subscribers.report(connection, item.organisation, item.pk, done.reports)

    def _entered(self, item: Workitem, state: State) -> _Change:
        """The workitem in another state, as far as it may be."""
        now = self._clock()
        attributes = {**item.attributes, STATE: {"vr": "CS", "Value": [state.value]}}
        if state is State.CANCELED:
            attributes = _with_cancellation(attributes, now)
        if state.final:
            check_final(attributes, state)
        entered = replace(
            item, state=state.value, attributes=attributes, finished_at=now if state.final else None
        )
        return _Change(entered, (reports.state_report(item.sop_instance_uid, attributes),), (state,))

    def _canceled_unbegun(self, item: Workitem, details: Dataset) -> _Change:
        """First IN PROGRESS and then CANCELED, as the standard has it."""
        begun = self._entered(item, State.IN_PROGRESS)
        ended = self._entered(replace(begun.item, attributes=_with_details(begun.item.attributes, details)),
                              State.CANCELED)  # fmt: skip
        return _Change(ended.item, begun.reports + ended.reports, ended.states)


def _locked(connection: Connection, peer: Peer, uid: str) -> Workitem:
    """A workitem of the peer's own organisation: what it may only read it may not change."""
    item = rows.locked(connection, Scope((peer.organisation,), peer.organisation), uid)
    if item is not None:
        return item
    if rows.found(connection, peer.scope, uid) is not None:
        raise Refusal(Reason.OF_ANOTHER_ORGANISATION)
    raise Refusal(Reason.GONE if rows.is_gone(connection, peer.scope, uid) else Reason.UNKNOWN)


def _with_cancellation(attributes: Attributes, now: datetime) -> Attributes:
    """With what a cancelled step must say, where its performer did not (PS3.4 Table CC.2.5-3, remarks)."""
    progress = dict(next(iter(items(attributes.get(PROGRESS))), {}))
    if not has_value(progress.get(_CANCELED_AT)):
        progress[_CANCELED_AT] = _dt(now)
    if not has_value(progress.get(reports.REASON_CODE)):
        progress[reports.REASON_CODE] = {"vr": "SQ", "Value": [_UNSPECIFIED]}
    return {**attributes, PROGRESS: {"vr": "SQ", "Value": [progress]}}


def _with_details(attributes: Attributes, details: Dataset) -> Attributes:
    """With what the request to cancel said."""
    progress = dict(next(iter(items(attributes.get(PROGRESS))), {}))
    progress |= {tag: details[tag] for tag in (reports.REASON, reports.REASON_CODE) if has_value(details.get(tag))}
    contact = {tag: details[tag] for tag in (reports.CONTACT_URI, reports.CONTACT_NAME) if has_value(details.get(tag))}
    if reports.CONTACT_URI in contact:
        progress[_CONTACTS] = {"vr": "SQ", "Value": [contact]}
    return {**attributes, PROGRESS: {"vr": "SQ", "Value": [progress]}} if progress else attributes


def _ui(uid: str) -> dict[str, Any]:
    return {"vr": "UI", "Value": [uid]}


def _dt(moment: datetime) -> dict[str, Any]:
    """Local time with its offset from UTC, as people and devices around write theirs."""
    return {"vr": "DT", "Value": [f"{moment.astimezone():%Y%m%d%H%M%S.%f%z}"]}
