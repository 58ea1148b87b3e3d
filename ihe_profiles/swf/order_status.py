"""How far an exam is, told to the department's systems (IHE RAD-3, RAD-13; HL7 v2.5.1 4.5.1, ORC-1 SC).

One message for each scheduled step that an exam changed. What a message changed came from those systems themselves, and
is not told back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hl7.character_sets import character_set, encode
from hl7.delimiters import STANDARD
from hl7.escapes import escape
from ihe_profiles.swf.order_control import OBR_25, ORC_5
from pacsd.index.outbox import Event
from pacsd.workflow.orders import BY_EXAM

STATUS_TYPES = {"ORM^O01": "ORM^O01^ORM_O01", "OMI^O23": "OMI^O23^OMI_O23"}
_CHARACTER_SET = "UNICODE UTF-8"
Item = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Destination:
    """Who is told of an organisation's orders (its key and code), by which kind of message."""

    name: str
    message_type: str
    organisation: int
    code: str


class Queues(Protocol):
    """Where messages wait until their destination takes them: pacsd.messages.outbox.Outbox."""

    def put_once(
        self, destination: str, organisation: int, *, control_id: str, message_type: str, body: bytes
    ) -> int | None: ...


class StatusReports:
    """Makes messages of `step.status_changed`. `item_of`: a step's worklist item as it reads now, None without one."""

    def __init__(
        self, queues: Queues, destinations: Sequence[Destination],
        item_of: Callable[[int, Mapping[str, Any]], Item | None],
    ) -> None:  # fmt: skip
        self._queues = queues
        self._destinations = destinations
        self._item_of = item_of

    def handle(self, event: Event) -> None:
        """Queue what is to be told; an event that comes again queues nothing more. Raises PacsdError."""
        told = [one for one in self._destinations if one.organisation == event.organisation]
        if event.body.get("by") != BY_EXAM or not told:
            return
        item = self._item_of(event.organisation, event.body)
        if item is None:
            return
        for one in told:
            control_id = control_id_of(event)
            body = message(one, event.body, item, at=event.created_at, control_id=control_id)
            self._queues.put_once(
                one.name, event.organisation, control_id=control_id, message_type=one.message_type, body=body
            )


def control_id_of(event: Event) -> str:
    """MSH-10, the same for the same event, and no other's even after a rebuild."""
    return f"{int(event.created_at.timestamp() * 1_000_000):X}{event.event % 0x1000000:06X}"[:20]


def message(to: Destination, said: Mapping[str, Any], item: Item, *, at: datetime, control_id: str) -> bytes:
    """A status message of one step; its status is what the event says."""
    step: Item = ((item.get("00400100") or {}).get("Value") or [{}])[0]
    status, stamp = str(said["status"]), f"{at:%Y%m%d%H%M%S%z}"
    placer, filler = str(said["placer_number"]), str(said["filler_number"])
    code: Item = ((item.get("00321064") or {}).get("Value") or [{}])[0]
    service = (_text(code, "00080100") or _text(code, "00080119"), _text(item, "00321060"), _text(code, "00080102"))
    modality = _text(step, "00080060")
    lines = [
        f"MSH|{STANDARD.encoding_characters}" + _segment("", (1, "PACSD"), (2, to.code), (3, to.name), (5, stamp),
                 (7, STATUS_TYPES[to.message_type].split("^")), (8, control_id), (9, "P"), (10, "2.5.1"),
                 (16, _CHARACTER_SET)),
        _segment("PID", (1, "1"), (3, (_text(item, "00100020"), "", "", _text(item, "00100021"))),
                 (5, _name(item)), (7, _text(item, "00100030")), (8, _text(item, "00100040"))),
        _segment("ORC", (1, "SC"), (2, _number(placer)), (3, _number(filler)), (5, ORC_5[status]), (9, stamp)),
        _segment("OBR", (1, "1"), (2, _number(placer)), (3, _number(filler)), (4, service),
                 (18, str(said["accession_number"])), (19, str(said["requested_procedure_id"])),
                 (20, str(said["step_id"])), (22, stamp), (24, modality), (25, OBR_25[status])),
    ]  # fmt: skip
    if to.message_type == "OMI^O23":
        lines.append(_segment(
            "IPC", (1, str(said["accession_number"])), (2, str(said["requested_procedure_id"])),
            (3, str(said["study_instance_uid"])), (4, str(said["step_id"])), (5, modality),
        ))  # fmt: skip
    return encode("".join(f"{line}\r" for line in lines), character_set(_CHARACTER_SET))


def _segment(name: str, *fields: tuple[int, str | Sequence[str]]) -> str:
    """A segment of numbered fields; one of several components is a sequence. (MSH counts from its separator.)"""
    written = [name, *[""] * max(number for number, _ in fields)]
    for number, value in fields:
        components = [value] if isinstance(value, str) else list(value)
        written[number] = "^".join(escape(one, STANDARD) for one in components).rstrip("^")
    return "|".join(written).rstrip("|")


def _number(number: str) -> tuple[str, ...]:
    return tuple(number.split("^", 1))


def _text(item: Item, tag: str) -> str:
    value = ((item.get(tag) or {}).get("Value") or [""])[0]
    return "" if value is None else str(value)


def _name(item: Item) -> tuple[str, ...]:
    """XPN from the first group that says something: family, given, middle, suffix, prefix."""
    groups = ((item.get("00100010") or {}).get("Value") or [{}])[0]
    text = next((groups[name] for name in ("Alphabetic", "Ideographic", "Phonetic") if groups.get(name)), "")
    family, given, middle, prefix, suffix = [*text.split("^"), *[""] * 5][:5]
    return family, given, middle, suffix, prefix
