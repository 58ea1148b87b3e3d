"""What is recorded of a request, before its answer begins (PS3.15 A.5.3, IHE ITI TF-2 3.20)."""

import asyncio
from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, Protocol
from urllib.parse import unquote_plus, unquote_to_bytes

from starlette.requests import HTTPConnection
from starlette.responses import Response

from pacsd.access.asking import Access
from pacsd.access.operations import Operation, Reach, reach
from pacsd.access.principal import Principal, Proof
from pacsd.audit.audited import AUDITED, Audited
from pacsd.audit.codes import NODE_AUTHENTICATION, Action, Code, Event, Kind, Outcome
from pacsd.audit.message import AuditMessage, AuditObject, Encoded, Form, Recordable, agents, patient
from pacsd.audit.trail import Recorder, Unrecorded, no_room, now
from pacsd.faults import PacsdError
from pacsd.web.admission import ACCESS
from pacsd.web.problem import of_fault
from pacsd.web.store_response import STORED
from pacsd.web.streaming import StreamedResponse

TRANSACTIONS = "urn:pacsd:dicomweb"      # system of the transactions' names (PS3.18 names them, and codes none)
_BEGUN = "pacsd.recorded"                # where in the ASGI scope the record stands that was begun
_GOOD = 200
_UNAUTHENTICATED = 401
_MOST_QUERY = 1 << 16                    # bytes of a query that stand in a record
_FULL = 507                              # that there is no room is said of both: the object's and the record's
_REFUSED, _FAILED = 400, 500
_NOBODY = Principal("anonymous", "", frozenset(), Proof.NOTHING)
_PATIENT_ID = ("PatientID", "00100020")
_WORDS = {word.encode(): word for word in (*_PATIENT_ID, "IssuerOfPatientID", "studyUID")}
_MOST_FIELDS = 1_000
_MOST_FORMS = 2_000
_WILD = frozenset("*?\\")


class Researching(Protocol):
    """archive.research.services.Research, as far as records ask."""

    def about(self, principal: Principal, study_instance_uid: str) -> tuple[str, str]:
        """The project of whoever asks, and what one of its studies is stored as; "" for what is none."""


class Transaction(Protocol):
    """web.app.Transaction"""

    @property
    def name(self) -> str: ...
    @property
    def operation(self) -> Operation: ...


@dataclass(frozen=True, slots=True)
class _Known:
    """The form of a principal's requests; `who` stands for everything by which a request is another's or another.
    `researches`: what it reads is made for a project."""

    principal: Principal
    form: Form
    who: Hashable
    researches: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """Records requests of one process; `source`: as whom; `client`: where a request comes from."""

    recorder: Recorder
    source: str = "PACSD"
    client: Callable[[HTTPConnection], str] = lambda request: request.client.host if request.client else ""
    research: Researching | None = None
    forms: dict[Hashable, _Known] = field(default_factory=dict, repr=False, compare=False)

    def asked(self, request: HTTPConnection, transaction: Transaction) -> None:
        """Begin to record what its asker may do and is about to, where asking is the event; `before` waits for it.

        Its thread writes it when the work is done (`settle`), with those of all who asked meanwhile: so what many ask
        at once costs one flush of the disk, and no thread is waked for it.
        """
        audited = AUDITED[transaction.operation]
        if audited is not None and audited.asked and not isinstance(self.recorder, Unrecorded):
            request.scope[_BEGUN] = self._begun(request, transaction, audited, _GOOD, later=True)

    def settle(self, request: HTTPConnection) -> "Future[None] | None":
        """In a thread: write what `asked` began; what comes of it `before` says.

        Where another thread is about to write it nothing is waited for: it is done when what is returned is.
        """
        recorded: Future[None] | None = request.scope.get(_BEGUN)
        return recorded if recorded is not None and not self.recorder.settle(recorded, wait=False) else None

    async def before(self, request: HTTPConnection, transaction: Transaction, answer: Response) -> Response:
        """The answer, once the access is on record; 503 where it cannot be."""
        audited = AUDITED[transaction.operation]
        if audited is None or isinstance(self.recorder, Unrecorded):
            return answer
        begun: Future[None] | None = request.scope.get(_BEGUN)
        try:
            if begun is not None and not begun.done():
                self.recorder.soon()     # nothing was done that could have settled it
            await _done(begun)
            if _BEGUN not in request.scope or answer.status_code >= _REFUSED:
                await _done(self._begun(request, transaction, audited, answer.status_code))
        except PacsdError as error:
            if isinstance(answer, StreamedResponse):
                await answer.close()
            return answer if answer.status_code == _FULL and no_room(error) else of_fault(error)
        return answer

    def _begun(
        self, request: HTTPConnection, transaction: Transaction, audited: Audited, status: int, *, later: bool = False
    ) -> "Future[None] | None":
        scope = request.scope
        access: Access | None = scope.get(ACCESS)
        principal = access.principal if access is not None else _NOBODY
        address = self.client(request)
        key: Hashable = None
        make: Callable[[], Sequence[Recordable]]
        if status == _UNAUTHENTICATED:
            key = (address, status)
            make = partial(self._refused, principal, address, transaction)
        else:
            form = self._form(principal, address, transaction, audited, _outcome(status))
            if audited.counted:
                study = scope["path_params"].get("study")
                key = form.who, study or (scope["path"], scope["query_string"])
            make = partial(self._made, request, form, access)
        return self.recorder.begin(make, key=key, later=later)

    def _form(
        self, principal: Principal, address: str, transaction: Transaction, audited: Audited, outcome: Outcome
    ) -> _Known:
        """Everything of an event but its time and objects; made once for all such requests of one principal."""
        key = id(principal), address, transaction.name, outcome.value
        known = self.forms.get(key)
        if known is not None and known.principal is principal:
            return known
        asker = principal if principal.address == address else replace(principal, address=address)
        form = Form(AuditMessage(
            audited.event, audited.action, now(), outcome, types=(_named(transaction.name),),
            agents=agents(asker, ours=self.source), purpose=principal.purpose, reason=principal.reason,
        ))  # fmt: skip
        if len(self.forms) >= _MOST_FORMS:
            self.forms.clear()
        who = (principal.subject, principal.client, principal.organisation, principal.purpose, principal.reason,
               principal.project, address, transaction.name, outcome.value)  # fmt: skip
        researches = reach(transaction.operation, principal.roles) is Reach.PROJECT
        known = self.forms[key] = _Known(principal, form, who, researches)
        return known

    def _refused(self, principal: Principal, address: str, transaction: Transaction) -> list[AuditMessage]:
        """Somebody who could not prove who they are."""
        asker = replace(principal, address=address)
        return [AuditMessage(
            Event.SECURITY_ALERT, Action.EXECUTE, now(), Outcome.MINOR_FAILURE,
            types=(NODE_AUTHENTICATION, _named(transaction.name)),
            agents=agents(asker, ours=self.source), reason="not authenticated",
        )]  # fmt: skip

    def _made(self, request: HTTPConnection, known: _Known, access: Access | None) -> list[Encoded]:
        """One event for each study something was stored in, else one."""
        authority = access.peer.assigning_authority if access is not None else ""
        stored = request.scope.get(STORED)
        about = [[AuditObject(Kind.STUDY, uid, sop_classes=classes)] for uid, classes in stored.items()] if stored \
            else [self._asked_for(request, known, authority)]
        at = now()
        return [known.form.filled(at, objects) for objects in about]

    def _asked_for(self, request: HTTPConnection, known: _Known, authority: str) -> list[AuditObject]:
        """What a request is about; of a researcher's the study that was stored, and the project it was made for."""
        if not known.researches:
            return _objects(request, authority)
        principal = known.principal
        asked, project = _study(request.scope, _told(request.scope["query_string"])), principal.project
        found = [one for one in _objects(request, authority) if one.kind not in (Kind.PATIENT, Kind.STUDY)]
        if self.research is not None:
            project, original = self.research.about(principal, asked)
            if original:
                found.insert(0, AuditObject(Kind.STUDY, original, details={"deidentified": asked}))
        return [*found, AuditObject(Kind.URI, project[:64], details={"name": "research project"})]


async def _done(recorded: "Future[None] | None") -> None:
    """Raises PacsdError UNAVAILABLE."""
    if recorded is None:
        return
    if recorded.done():
        recorded.result()
    else:
        await asyncio.wrap_future(recorded)


@cache
def _named(transaction: str) -> Code:
    return Code(transaction.replace(" ", "-").lower(), TRANSACTIONS, transaction)


def _outcome(status: int) -> Outcome:
    if status < _REFUSED:
        return Outcome.SUCCESS
    return Outcome.MINOR_FAILURE if status < _FAILED else Outcome.SERIOUS_FAILURE


def _told(query: bytes) -> dict[str, str]:
    """What a query says of study and patient; nothing of one with more fields than anybody asks with: it stands in the
    record as it came."""
    fields = query.split(b"&")
    found: dict[str, str] = {}
    for one in fields if len(fields) <= _MOST_FIELDS else ():
        name, _, value = one.partition(b"=")
        word = _WORDS.get(name) or (_WORDS.get(unquote_to_bytes(name)) if b"%" in name else None)
        if word is not None:
            found[word] = unquote_plus(value.decode("latin-1"))
    return found


def _study(scope: MutableMapping[str, Any], told: Mapping[str, str]) -> str:
    """The study of the path, or of WADO-URI's query."""
    return str(scope["path_params"].get("study") or told.get("studyUID", ""))[:64]


def _objects(request: HTTPConnection, assigning_authority: str) -> list[AuditObject]:
    """What it is about: studies, another object of the path, the query as it came."""
    scope: MutableMapping[str, Any] = request.scope
    query = scope["query_string"]
    pairs = _told(query) if query else {}
    study = _study(scope, pairs)
    found = [AuditObject(Kind.STUDY, study)] if study else []
    if params := scope["path_params"]:
        found += [
            AuditObject(Kind.URI, value[:64], details={"name": name}) for name, value in params.items()
            if name in ("workitem", "transaction", "aetitle") or (name == "instance" and not study)
        ]
    if query or not found:
        text = scope["path"].encode() + (b"?" + query if query else b"")
        found.append(AuditObject(Kind.QUERY, "", query=text[:_MOST_QUERY]))
    searched = pairs.get(_PATIENT_ID[0]) or pairs.get(_PATIENT_ID[1])
    if searched and _WILD.isdisjoint(searched):
        found.insert(0, patient(pairs.get("IssuerOfPatientID", assigning_authority), searched[:64]))
    return found
