"""What is recorded of FHIR interactions and operations (IHE BALP), before they are answered.

One event for each interaction, an entry of a batch included: who asked, the resource, the query as it came, and the
patients whom the answer is about, as far as it says so itself.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import orjson

from fhir.format import json
from fhir.interaction.declared import Interaction
from fhir.interaction.request import Answer, Asker, Request
from fhir.operation.declared import Operation as Declared
from fhir.outcome import of_error
from fhir.store.search import Hit
from pacsd.access.operations import Operation
from pacsd.access.principal import Principal, Proof
from pacsd.audit.audited import AUDITED
from pacsd.audit.codes import EMERGENCY_OVERRIDE, INTERACTIONS, NODE_AUTHENTICATION, Action, Code, Event, Kind, Outcome
from pacsd.audit.message import AuditMessage, AuditObject, agents
from pacsd.audit.trail import Recorder, Unrecorded, now
from pacsd.faults import PacsdError

OPERATIONS = "urn:pacsd:fhir-operation"
_ACTIONS: Mapping[str, Action] = {"create": Action.CREATE, "update": Action.UPDATE, "patch": Action.UPDATE,
                                  "delete": Action.DELETE, "read": Action.READ, "vread": Action.READ}  # fmt: skip
_ABOUT = ("subject", "patient", "beneficiary", "for", "individual", "actor", "what")
_PATIENT = re.compile(r"(?:.*/)?(Patient/[A-Za-z0-9.-]{1,64})")
_PLAIN = b'{"reference":"Patient/'
_ID = re.compile(rb"[A-Za-z0-9.-]{1,64}")
_BEFORE = tuple(f'"{name}":'.encode() for name in _ABOUT)
OPENING = ("break-glass", "share", "unshare")           # operations of which it is recorded what is opened, and why
_MOST_REASON = 1_000
_MOST_OBJECTS = 200                      # of one event: about more there are several
_FAILED = 500
_SOCKET = Code("websocket", OPERATIONS, "WebSocket of subscriptions")
_NOBODY = Principal("anonymous", "", frozenset(), Proof.NOTHING)


@dataclass(frozen=True, slots=True)
class Recording:
    """Records interactions; `source`: as whom."""

    recorder: Recorder = field(default_factory=Unrecorded)
    source: str = "PACSD"

    def done(self, request: Request, meant: Interaction | Declared, answer: Answer) -> None:
        """One that was performed. Raises PacsdError UNAVAILABLE: then it is not answered."""
        if self._is_recorded(request, meant) and not _is_batch(answer):
            objects = _each_once((*_asked(request), *_told(request, answer)))
            parts = [objects[at : at + _MOST_OBJECTS] for at in range(0, len(objects), _MOST_OBJECTS)] or [()]
            self.recorder.write(*(self._message(request, meant, Outcome.SUCCESS, part) for part in parts))

    def refused(self, request: Request, meant: Interaction | Declared, error: PacsdError) -> None:
        """One that was not. Raises PacsdError UNAVAILABLE."""
        if self._is_recorded(request, meant):
            status, _, _ = of_error(error)
            outcome = Outcome.MINOR_FAILURE if status < _FAILED else Outcome.SERIOUS_FAILURE
            self.recorder.write(self._message(request, meant, outcome, _each_once(_asked(request))))

    def unauthenticated(self, address: str) -> None:
        """Somebody who could not prove who they are. Raises PacsdError UNAVAILABLE."""
        principal = Principal("anonymous", "", frozenset(), Proof.NOTHING, address=address)
        message = AuditMessage(Event.SECURITY_ALERT, Action.EXECUTE, now(), Outcome.MINOR_FAILURE,
                               types=(NODE_AUTHENTICATION,), agents=agents(principal, ours=self.source),
                               reason="not authenticated")  # fmt: skip
        recorded = self.recorder.begin(lambda: [message], key=("fhir", address))
        if recorded is not None:
            recorded.result()

    def listens(self, asker: Asker, address: str) -> None:
        """Somebody who opens a WebSocket, to be told of what happens. Raises PacsdError UNAVAILABLE."""
        principal = _NOBODY if asker.access is None else asker.access.principal
        message = AuditMessage(
            Event.REST, Action.EXECUTE, now(), types=(Code("operation", INTERACTIONS, "operation"), _SOCKET),
            agents=agents(replace(principal, address=address), ours=self.source), purpose=principal.purpose,
        )  # fmt: skip
        self.recorder.write(message)

    def _is_recorded(self, request: Request, meant: Interaction | Declared) -> bool:
        """What the server does for itself is no access."""
        recorded = AUDITED[meant.needs] is not None and not isinstance(self.recorder, Unrecorded)
        return recorded and request.asker.access is not None

    def _message(
        self, request: Request, meant: Interaction | Declared, outcome: Outcome, objects: tuple[AuditObject, ...]
    ) -> AuditMessage:
        audited = AUDITED[meant.needs]
        access = request.asker.access
        principal = access.principal if access is not None else _NOBODY
        types, action = _types(meant)
        event = Event.REST if audited is None else audited.event
        return AuditMessage(
            event, action or (Action.EXECUTE if audited is None else audited.action), now(), outcome, types=types,
            agents=agents(principal, ours=self.source, address=request.base), objects=objects,
            purpose=principal.purpose, reason=principal.reason or _reason(request),
        )  # fmt: skip


def _types(meant: Interaction | Declared) -> tuple[tuple[Code, ...], Action | None]:
    if isinstance(meant, Declared):
        override = (EMERGENCY_OVERRIDE,) if meant.needs is Operation.BREAK_GLASS and meant.affects_state else ()
        named = Code(meant.name, OPERATIONS, f"${meant.name}")
        return (*override, Code("operation", INTERACTIONS, "operation"), named), None
    codes = (Code(meant.code, INTERACTIONS, meant.code),)
    if meant.code.startswith("search"):
        return (Code("search", INTERACTIONS, "search"), *codes), Action.EXECUTE
    return codes, _ACTIONS.get(meant.code)


def _reason(request: Request) -> str:
    """Why somebody opens, closes or overrides, in their words."""
    told = _parameter(request, "reason") if request.operation in OPENING else ""
    return told[:_MOST_REASON]


def _parameter(request: Request, name: str) -> str:
    """The text of a parameter of an operation's body; empty where there is none."""
    rows = (request.resource or {}).get("parameter")
    named = [one for one in rows if isinstance(one, dict) and one.get("name") == name] if isinstance(rows, list) else []
    found = next((value for one in named for key, value in one.items() if key.startswith("value")), "")
    return found if isinstance(found, str) else ""


def _is_batch(answer: Answer) -> bool:
    """Each of its entries is on record for itself."""
    return answer.resource is not None and answer.resource.get("type") == "batch-response"


def _asked(request: Request) -> Iterator[AuditObject]:
    if request.type and request.id:
        yield AuditObject(Kind.RESOURCE, f"{request.type}/{request.id}")
    if request.operation in OPENING and (study := _parameter(request, "study").removeprefix("urn:oid:")):
        yield AuditObject(Kind.STUDY, study[:64])
    if request.parameters:
        path = "/".join(one for one in (request.type, request.id, request.compartment) if one)
        operation = f"/${request.operation}" if request.operation else ""
        text = f"{request.base}/{path}{operation}?{urlencode(request.parameters)}"
        yield AuditObject(Kind.QUERY, "", query=text.encode()[: 1 << 16])


def _told(request: Request, answer: Answer) -> Iterator[AuditObject]:
    """The resource that was written, and whom what is given out is about."""
    about = answer.about or answer.stored
    if about is not None:
        yield AuditObject(Kind.RESOURCE, f"{about.type}/{about.id}", details={"version": str(about.version)})
        yield from _patients(about.body)
    sent = request.resource              # what was sent is about the same patients where it is what was written
    if sent is not None and about is not None and request.type != "Patient" and sent.get("resourceType") != about.type:
        yield from _patients(orjson.dumps(sent, default=str))
    yield from _of_page(answer.shown) if answer.shown else _of_entries((answer.resource or {}).get("entry", ()))


def _of_page(shown: Sequence[Hit]) -> Iterator[AuditObject]:
    """Patients on a page, and whom its resources are about: looked through all at once."""
    names = dict.fromkeys(f"Patient/{one.id}" for one in shown if one.type == "Patient")
    names.update(dict.fromkeys(_about(b"\n".join([one.body for one in shown]))))
    for name in names:
        yield AuditObject(Kind.RESOURCE, name)


def _of_entries(entries: Iterable[Mapping[str, Any] | orjson.Fragment]) -> Iterator[AuditObject]:
    """What was written, Patients on the page, and whom its resources are about: looked through all at once."""
    names: dict[str, None] = {}
    bodies = []
    for entry in entries:
        if isinstance(entry, orjson.Fragment):   # of a transaction: written already
            entry = json.read(orjson.dumps(entry))
        if (resource := entry.get("resource")) is not None:
            body = orjson.dumps(resource, default=str)
            bodies.append(body)
            if b'"resourceType":"Patient"' in body[:64]:
                names["Patient/" + str(entry.get("fullUrl", "")).rpartition("/")[2]] = None
        if location := str(entry["response"].get("location", "")) if "response" in entry else "":
            names["/".join(location.split("/_history/")[0].split("/")[-2:])] = None
    names.update(dict.fromkeys(_about(b"\n".join(bodies))))
    for name in names:
        yield AuditObject(Kind.RESOURCE, name)


def _patients(body: bytes) -> Iterator[AuditObject]:
    for name in dict.fromkeys(_about(body)):
        yield AuditObject(Kind.RESOURCE, name)


def _about(body: bytes) -> Iterator[str]:
    """The Patients that what is written in JSON is about. Where all that it says of Patients are references by nothing
    but their names, it is enough to look at what stands before each of them."""
    parts = body.split(_PLAIN)
    if len(parts) - 1 == body.count(b"Patient/"):
        ids = (_ID.match(after) for before, after in pairwise(parts) if before.endswith(_BEFORE))
        return (f"Patient/{one[0].decode()}" for one in ids if one is not None)
    return (one for line in body.split(b"\n") if b"Patient/" in line for one in _references(orjson.loads(line)))


def _references(value: Any) -> Iterator[str]:
    """The same of what was read: references may have their target in any form, and anything beside them."""
    if isinstance(value, list):
        for one in value:
            yield from _references(one)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in _ABOUT and isinstance(inner, dict) and (found := _PATIENT.match(str(inner.get("reference")))):
                yield found[1]
            yield from _references(inner)


def _each_once(objects: Iterator[AuditObject] | tuple[AuditObject, ...]) -> tuple[AuditObject, ...]:
    """Without repetitions; of the same resource the first that tells more."""
    found: dict[tuple[int, str], AuditObject] = {}
    for one in objects:
        key = id(one.kind), one.id           # a kind is one object; its hash is made in Python
        known = found.get(key)
        if known is None or (one.details and not known.details):
            found[key] = one
    return tuple(found.values())
