"""Event reports: what subscribers are told of a workitem (PS3.4 CC.2.4, Table CC.2.4-1; PS3.7 Table 10.3-1)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from pacsd.index.rows import dumps
from pacsd.workflow.requirements import PROGRESS, STATE, UPS_PUSH, Dataset, first, has_value, items

READINESS, STATIONS, PERFORMERS = "00404041", "00404025", "00404034"
REASON, REASON_CODE, CONTACT_URI, CONTACT_NAME = "00741238", "0074100E", "0074100A", "0074100C"
GLOBAL, FILTERED_GLOBAL = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"
WORKLISTS = (GLOBAL, FILTERED_GLOBAL)

_PERFORMER_ATTRIBUTES = ("00404009", "00404036")
_CANCEL_DETAILS = (REASON, REASON_CODE, CONTACT_URI, CONTACT_NAME)
_REQUESTING_AE, _SCP_STATUS, _LIST_STATUS, _UPS_STATUS = "00741236", "00741242", "00741244", "00741246"
# SOP class and N-EVENT-REPORT-RQ; the Message ID between them and the rest is the channel's
_HEAD = '{"00000002":{"vr":"UI","Value":["' + UPS_PUSH + '"]},"00000100":{"vr":"US","Value":[256]},"00000110":'


class EventType(Enum):
    """Event Type ID (0000,1002)."""

    STATE_REPORT = 1
    CANCEL_REQUESTED = 2
    PROGRESS_REPORT = 3
    SCP_STATUS_CHANGE = 4
    ASSIGNED = 5


def state_report(uid: str, dataset: Dataset) -> str:
    """The step's state and readiness, and why it was cancelled."""
    told = {tag: dataset.get(tag, {"vr": "CS"}) for tag in (STATE, READINESS)}
    if first(dataset.get(STATE)) == "CANCELED":
        for item in items(dataset.get(PROGRESS)):
            told |= {tag: item[tag] for tag in (REASON, REASON_CODE) if has_value(item.get(tag))}
    return _report(uid, EventType.STATE_REPORT, told)


def cancel_requested(uid: str, details: Dataset, *, requesting_ae: str) -> str:
    """Somebody wants the step to be cancelled; its performer decides."""
    told = {tag: details[tag] for tag in _CANCEL_DETAILS if has_value(details.get(tag))}
    return _report(uid, EventType.CANCEL_REQUESTED, {_REQUESTING_AE: {"vr": "AE", "Value": [requesting_ae]}, **told})


def progress_report(uid: str, dataset: Dataset) -> str:
    """How far the step is."""
    return _report(uid, EventType.PROGRESS_REPORT, {PROGRESS: dataset.get(PROGRESS, {"vr": "SQ"})})


def assigned(uid: str, dataset: Dataset) -> Iterator[str]:
    """For whom the step is scheduled: a report for each human performer, one of stations alone without any."""
    stations = {STATIONS: dataset[STATIONS]} if has_value(dataset.get(STATIONS)) else {}
    people = [
        {tag: item[tag] for tag in _PERFORMER_ATTRIBUTES if has_value(item.get(tag))}
        for item in items(dataset.get(PERFORMERS))
    ]
    for person in people or ([{}] if stations else []):
        yield _report(uid, EventType.ASSIGNED, {**stations, **person})


def restarted() -> str:
    """This server begins anew, and remembers workitems and subscriptions (PS3.4 CC.2.4.3)."""
    warm = {"vr": "CS", "Value": ["WARM START"]}
    told = {_SCP_STATUS: {"vr": "CS", "Value": ["RESTARTED"]}, _LIST_STATUS: warm, _UPS_STATUS: warm}
    return _report(GLOBAL, EventType.SCP_STATUS_CHANGE, told)


def of_creation(uid: str, dataset: Dataset) -> list[str]:
    """What is told of a new step."""
    return [state_report(uid, dataset), *assigned(uid, dataset)]


def of_update(uid: str, before: Dataset, after: Dataset) -> list[str]:
    """What is told of attributes that were set."""
    told = []
    if before.get(READINESS) != after.get(READINESS):
        told.append(state_report(uid, after))
    if any(before.get(tag) != after.get(tag) for tag in (STATIONS, PERFORMERS)):
        told += assigned(uid, after)
    if before.get(PROGRESS) != after.get(PROGRESS):
        told.append(progress_report(uid, after))
    return told


def message(body: str, number: int) -> str:
    """A report as it is sent: a DICOM JSON data set (PS3.18 8.10.5). `number` tells repeats from new ones."""
    return f'{_HEAD}{{"vr":"US","Value":[{1 + number % 0xFFFF}]}},{body}'


@dataclass(frozen=True, slots=True)
class Report:
    """A report as it waits for a subscriber: its number in the queue, and the parameters of N-EVENT-REPORT."""

    number: int
    sop_instance_uid: str
    event_type_id: int
    information: Dataset
    sop_class_uid: str = UPS_PUSH


def parsed(body: str, number: int) -> Report:
    """A queued report in its parts."""
    found: dict[str, Any] = orjson.loads("{" + body)
    information = {tag: attribute for tag, attribute in found.items() if not tag.startswith("0000")}
    return Report(number, first(found["00001000"]), first(found["00001002"]), information)


def _report(uid: str, event: EventType, told: Mapping[str, Any]) -> str:
    """All that follows the Message ID, up to the closing brace."""
    command = {
        "00000800": {"vr": "US", "Value": [0]},
        "00001000": {"vr": "UI", "Value": [uid]},
        "00001002": {"vr": "US", "Value": [event.value]},
    }
    return dumps({**command, **dict(sorted(told.items()))})[1:]
