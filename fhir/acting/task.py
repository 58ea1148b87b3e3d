"""Task of a unified procedure step: who works on it claims, completes or cancels it, as by UPS-RS (PS3.4 Annex CC).

The workitem decides: its states, the Transaction UID that claims it (the extension `transaction-uid`, which is kept and
shown by nobody), what must be said before it ends. The resource stays the projection's: of what a client writes the
status, its reason and the time of the work lead to something; anything else that differs is refused.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from fhir.acting.deed import Body, Deed, listed
from fhir.acting.dicom import attribute, code_of, fits, item_of, text
from fhir.acting.projecting import Projecting, differs
from fhir.outcome import FhirError
from fhir.projection.extensions import PREFIX, TASK, read
from fhir.projection.systems import DICOM_UID, is_oid
from fhir.projection.task import PERFORMED, STATES
from fhir.store.stored import Change
from fhir.store.unit import Unit
from pacsd.access.directory import Peer
from pacsd.access.operations import Operation
from pacsd.access.scope import Scope
from pacsd.faults import Fault
from pacsd.index import workitems as rows
from pacsd.workflow.refusals import Reason, Refusal
from pacsd.workflow.reports import REASON, REASON_CODE
from pacsd.workflow.requirements import Dataset, has_value, items
from pacsd.workflow.states import State
from pacsd.workflow.workitems import Workitems

_WRITTEN = ("status", "statusReason", "executionPeriod", "lastModified", "extension")
_STATES = {fhir: State(dicom) for dicom, fhir in STATES.items()}
_STATION, _CODE, _START, _END, _OUTPUT = "00404028", "00404019", "00404050", "00404051", "00404033"
_SCHEDULED_STATION, _SCHEDULED_CODE = "00404025", "00404018"
_TIMES = {"start": _START, "end": _END}
_UNIDENTIFIED = (Reason.TRANSACTION_UID_MISSING, Reason.TRANSACTION_UID_INCORRECT)


class TaskRule:
    """Acts on versions that follow a workitem's. `workitems`: the service, within a unit."""

    def __init__(self, workitems: Callable[[Unit], Workitems], projecting: Projecting) -> None:
        self._workitems = workitems
        self._projecting = projecting

    def act(self, deed: Deed) -> Change:
        """The version as the workitem is then, whose it stays. Raises FhirError, PacsdError."""
        deed.unit.permit(Operation.WRITE_WORKITEMS)
        if deed.change.deleted:
            raise deed.refused("a workitem is not deleted: it goes some time after it ended")
        body, before = deed.body(), deed.before()
        if element := differs(body, before, _WRITTEN):
            raise deed.refused("of a workitem its status, statusReason and executionPeriod are written here",
                               f"Task.{element}")  # fmt: skip
        uid, said = _uid(deed, before), _said(deed, body)
        asked = _STATES.get(str(body.get("status")))
        if asked is None:
            raise deed.incomplete(f"the status of a workitem is one of {', '.join(_STATES)}", "Task.status")
        try:
            self._enter(deed, uid, asked, body, said)
        except Refusal as refusal:
            raise _told(deed, refusal) from refusal
        return self._projecting.workitem(deed, uid)

    def _enter(self, deed: Deed, uid: str, asked: State, body: Body, said: Mapping[str, Any]) -> None:
        peer, lock = _peer(deed), said.get("transaction_uid")
        with rows.changing(deed.unit.pool, (peer.organisation,)) as connection:
            item = rows.locked(connection, peer.scope, uid)
        if item is None:
            raise deed.refused("the workitem ended, and is kept no more")
        now, workitems = State(item.state), self._workitems(deed.unit)
        if asked is now:
            raise deed.refused("that is the workitem's status already: there is nothing to do", "Task.status")
        done = _performed(deed, body, deed.before(), said)
        if now is State.SCHEDULED and asked.final and done:
            raise deed.refused("nobody has begun it: there is nothing that was performed", "Task.executionPeriod")
        if (now, asked) == (State.SCHEDULED, State.CANCELED):
            workitems.request_cancel(peer, uid, _reason(body))
            return
        if (now, asked) == (State.IN_PROGRESS, State.CANCELED) and lock is None:
            raise deed.refused("it is being worked on: who claimed it cancels it, by its Transaction UID, and is asked "
                               "to by UPS-RS or DIMSE (PS3.4 CC.2.2)", "Task.status")  # fmt: skip
        if now is State.IN_PROGRESS and asked.final:
            change = _completed(item.attributes, done) if asked is State.COMPLETED else \
                {**_discontinued(item.attributes, body), **_with(item.attributes, done)}
            if change:
                workitems.update(peer, uid, change, transaction_uid=lock)
        workitems.change_state(peer, uid, asked, transaction_uid=lock)
        if asked is State.IN_PROGRESS and done:
            if _END in done:
                raise deed.refused("a step that is being worked on has no end yet", "Task.executionPeriod")
            workitems.update(peer, uid, _with(item.attributes, done), transaction_uid=lock)


def _peer(deed: Deed) -> Peer:
    """The organisation itself: what belongs to it is worked on for it."""
    organisation = deed.change.organisation
    scope = Scope((organisation,), organisation)
    return Peer("", organisation, deed.house.code, deed.house.authority, scope)


def _uid(deed: Deed, before: Body) -> str:
    named = [str(one.get("value", "")) for one in listed(before, "identifier") if one.get("system") == DICOM_UID]
    if not named:
        raise deed.refused("there is no workitem of this Task any more")
    return named[0].removeprefix("urn:oid:")


def _said(deed: Deed, body: Body) -> dict[str, Any]:
    """What the extensions say. Raises FhirError for others than ours: they would be kept nowhere."""
    try:
        said = read(TASK, body)
    except ValueError as error:
        raise deed.incomplete(str(error), "Task.extension") from error
    if any(not str(one.get("url", "")).startswith(PREFIX) for one in listed(body, "extension")):
        raise deed.refused("a workitem keeps no extension", "Task.extension")
    if "transaction_uid" in said:
        uid = said["transaction_uid"].removeprefix("urn:oid:")
        if not is_oid(uid) or not fits(uid, "UI"):
            raise deed.incomplete("transaction-uid is a UID, as urn:oid:1.2.3", "Task.extension")
        said["transaction_uid"] = uid
    return said


def _reason(body: Body) -> dict[str, dict[str, Any]]:
    """Why it is cancelled, as a request to cancel tells it (PS3.4 Table CC.2.2-1)."""
    reason = body.get("statusReason") or {}
    item, said = item_of(code_of({"coding": reason.get("coding")})), text(reason.get("text"), "LT")
    told = {REASON: attribute("LT", said)} if said else {}
    return {**told, **({REASON_CODE: attribute("SQ", item)} if item else {})}


def _discontinued(now: Dataset, body: Body) -> dict[str, Any]:
    """The progress information of a step that its performer ends early; nothing where no reason is given."""
    reason = _reason(body)
    progress = dict(next(iter(items(now.get("00741002"))), {}))
    return {"00741002": attribute("SQ", {**progress, **reason})} if reason else {}


def _performed(deed: Deed, body: Body, before: Body, said: Mapping[str, Any]) -> dict[str, Any]:
    """What the Task tells of what was performed, and did not tell before. Raises FhirError."""
    period, known = body.get("executionPeriod") or {}, before.get("executionPeriod") or {}
    told: dict[str, Any] = {
        tag: _moment(deed, period.get(name)) for name, tag in _TIMES.items()
        if period.get(name) and period.get(name) != known.get(name)
    }  # fmt: skip
    if gone := next((name for name in _TIMES if name in known and name not in period), None):
        raise deed.refused("when it was performed is changed, and not taken back", f"Task.executionPeriod.{gone}")
    station = _station(said.get("performed_station"))
    return {**told, **({_STATION: station} if station else {})}


def _with(now: Dataset, done: Mapping[str, Any]) -> dict[str, Any]:
    """What was performed, with what is told of it now; nothing where nothing is."""
    item = dict(next(iter(items(now.get(PERFORMED))), {}))
    return {PERFORMED: attribute("SQ", {**item, **done})} if done else {}


def _completed(now: Dataset, done: Mapping[str, Any]) -> dict[str, Any]:
    """What was performed, with what was scheduled where nobody told otherwise (PS3.4 Table CC.2.5-3, code P)."""
    item = dict(next(iter(items(now.get(PERFORMED))), {}))
    usual = {_CODE: now.get(_SCHEDULED_CODE), _STATION: now.get(_SCHEDULED_STATION)}
    more = {tag: one for tag, one in usual.items() if not has_value({**item, **done}.get(tag)) and has_value(one)}
    if _OUTPUT not in item:              # nothing relevant came out of it, which must be said
        more[_OUTPUT] = {"vr": "SQ"}
    return _with(now, {**more, **done})


def _station(told: Any) -> dict[str, Any] | None:
    item = item_of(code_of({"coding": [told]})) if isinstance(told, dict) else None
    return attribute("SQ", item) if item else None


def _moment(deed: Deed, written: object) -> dict[str, Any]:
    try:
        at = datetime.fromisoformat(str(written))
    except ValueError as error:
        raise deed.incomplete("when it was performed is said with the day", "Task.executionPeriod") from error
    at = at if at.tzinfo is not None else at.replace(tzinfo=deed.house.zone)
    return attribute("DT", f"{at:%Y%m%d%H%M%S.%f%z}"[:26])


def _told(deed: Deed, refusal: Refusal) -> FhirError:
    """What the workitem says to it, as an outcome of ours."""
    if refusal.reason in _UNIDENTIFIED:
        return deed.incomplete(f"{refusal.message}: say it in the extension transaction-uid", "Task.extension")
    if refusal.fault is Fault.CONFLICT:
        return deed.refused(refusal.message, "Task.status")
    return FhirError(refusal.fault, refusal.message, expression=("Task",))
