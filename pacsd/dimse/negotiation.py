"""What the acceptor makes of an A-ASSOCIATE-RQ (PS3.8 7.1.1, 9.3.3, 9.3.4; PS3.7 Annex D)."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from pacsd.access.directory import Peer, Refusal
from pacsd.codec.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    preferred,
)
from pacsd.dimse.associate import (
    APPLICATION_CONTEXT,
    AnsweredContext,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ExtendedNegotiation,
    ProposedContext,
    Role,
    UserInformation,
)
from pacsd.dimse.sop_classes import Service, SOPClass, sop_class

# Result, source, reason (PS3.8 Table 9-21)
APPLICATION_CONTEXT_NOT_SUPPORTED = AssociateReject(1, 1, 2)
CALLING_TITLE_NOT_RECOGNIZED = AssociateReject(1, 1, 3)
CALLED_TITLE_NOT_RECOGNIZED = AssociateReject(1, 1, 7)
PROTOCOL_VERSION_NOT_SUPPORTED = AssociateReject(1, 2, 2)
NO_REASON_GIVEN = AssociateReject(1, 1, 1)
TEMPORARY_CONGESTION = AssociateReject(2, 3, 1)
LOCAL_LIMIT_EXCEEDED = AssociateReject(2, 3, 2)

REFUSALS = {
    Refusal.CALLED_TITLE: CALLED_TITLE_NOT_RECOGNIZED,
    Refusal.CALLING_TITLE: CALLING_TITLE_NOT_RECOGNIZED,
    Refusal.IDENTITY: NO_REASON_GIVEN,   # PS3.7 D.3.3.7.2 knows no reason of its own
    Refusal.UNAVAILABLE: TEMPORARY_CONGESTION,
}

# Results of a presentation context (PS3.8 Table 9-18)
ACCEPTANCE, USER_REJECTION, ABSTRACT_SYNTAX_NOT_SUPPORTED, TRANSFER_SYNTAXES_NOT_SUPPORTED = 0, 1, 3, 4

IDENTIFIER_SYNTAXES = (                # of requests and responses we write ourselves, best first
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
)
_MIN_PEER_PDU_BYTES = 128              # below it a data set would be all headers
_RETRIEVE = frozenset((Service.MOVE, Service.GET))
# what computes much, and would slow down what arrives
_QUERIES = _RETRIEVE | {Service.FIND, Service.WORKLIST, Service.UPS}
_EXTENDED = _QUERIES | {Service.STORE}
_STORAGE_INFORMATION = bytes((2, 0, 3, 0, 0, 0))     # PS3.4 Table B.3-2: level 2, signatures kept, nothing coerced


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context; the roles are those of the association's requestor."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    requestor_is_scu: bool = True
    requestor_is_scp: bool = False


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What extended negotiation agreed for one Query/Retrieve class (PS3.4 C.5)."""

    relational: bool = False
    combined_datetime: bool = False
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The answer to send, and what it means for the association."""

    answer: AssociateAccept
    peer: Peer
    contexts: dict[int, Context]
    peer_max_pdu_bytes: int
    options: dict[str, QueryOptions] = field(default_factory=dict)     # by SOP class


@dataclass(frozen=True, slots=True)
class Policy:
    """What this acceptor offers. `private_sop_classes`: storage classes that are in no table of ours."""

    max_pdu_bytes: int
    private_sop_classes: frozenset[str] = frozenset()


def wants_queries(request: AssociateRequest) -> bool:
    """Whether any proposed context is of a class that is served by the processes for queries."""
    declared = (sop_class(one.abstract_syntax) for one in request.contexts)
    return any(one is not None and one.service in _QUERIES for one in declared)


def negotiate(
    request: AssociateRequest, *, identify: Callable[[str, str], Peer | Refusal], policy: Policy
) -> Acceptance | AssociateReject:
    """Decide on a request; `identify` tells who (calling, called) is, from the peer's address."""
    if not request.protocol_version & 1:
        return PROTOCOL_VERSION_NOT_SUPPORTED
    if request.application_context != APPLICATION_CONTEXT:
        return APPLICATION_CONTEXT_NOT_SUPPORTED
    if 0 < request.user.max_pdu_bytes < _MIN_PEER_PDU_BYTES:
        return NO_REASON_GIVEN
    peer = identify(request.calling, request.called)
    if isinstance(peer, Refusal):
        return REFUSALS[peer]
    return _accept(request, peer, policy)


def _accept(request: AssociateRequest, peer: Peer, policy: Policy) -> Acceptance:
    roles = _answer_roles(request, peer, policy)
    answers: list[AnsweredContext] = []
    contexts: dict[int, Context] = {}
    for proposed in request.contexts:
        answer = _answer(proposed, peer.services, policy)
        answers.append(answer)
        if answer.result == ACCEPTANCE:
            role = roles.get(proposed.abstract_syntax, Role(proposed.abstract_syntax, scu=True, scp=False))
            contexts[proposed.context_id] = Context(
                proposed.context_id, proposed.abstract_syntax, answer.transfer_syntax, role.scu, role.scp
            )
    extended = _answer_extended(request, policy)
    user = UserInformation(
        max_pdu_bytes=policy.max_pdu_bytes,
        async_window=(1, 1) if request.user.async_window else None,
        roles=tuple(roles.values()),
        extended=tuple(extended),
        identity_response=_identity_response(request.user),
    )
    return Acceptance(
        AssociateAccept(tuple(answers), user, request.titles),
        peer,
        contexts,
        request.user.max_pdu_bytes,
        {one.sop_class_uid: _options(one) for one in extended},
    )


def _identity_response(user: UserInformation) -> bytes | None:
    """Identities are accepted unverified: an empty server response, only where one was asked for (PS3.7 D.3.3.7.2)."""
    return b"" if user.identity is not None and user.identity.response_requested else None


def _declared(uid: str, policy: Policy) -> SOPClass | None:
    known = sop_class(uid)
    if known is None and uid in policy.private_sop_classes:
        return SOPClass(uid, uid, Service.STORE)
    return known


def _answer(proposed: ProposedContext, services: Collection[str], policy: Policy) -> AnsweredContext:
    declared = _declared(proposed.abstract_syntax, policy)
    first = proposed.transfer_syntaxes[0] if proposed.transfer_syntaxes else IMPLICIT_VR_LITTLE_ENDIAN
    if declared is None:
        return AnsweredContext(proposed.context_id, ABSTRACT_SYNTAX_NOT_SUPPORTED, first)
    allowed = declared.service.value in services
    if declared.service is Service.STORE:
        allowed = allowed or "get" in services           # the storage contexts of a C-GET
    if not allowed:
        return AnsweredContext(proposed.context_id, USER_REJECTION, first)
    chosen = choose_transfer_syntax(declared, proposed.transfer_syntaxes)
    if chosen is None:
        return AnsweredContext(proposed.context_id, TRANSFER_SYNTAXES_NOT_SUPPORTED, first)
    return AnsweredContext(proposed.context_id, ACCEPTANCE, chosen)


def choose_transfer_syntax(declared: SOPClass, proposed: Collection[str]) -> str | None:
    """Storage takes anything, lossless and uncompressed first; the rest takes what we write ourselves."""
    if not proposed:
        return None
    if declared.service is Service.STORE:
        return preferred(proposed)
    return next((uid for uid in IDENTIFIER_SYNTAXES if uid in proposed), None)


def _answer_roles(request: AssociateRequest, peer: Peer, policy: Policy) -> dict[str, Role]:
    """Either role for storage, as C-GET needs (PS3.4 C.5.3.1); for the rest the requestor stays SCU (PS3.7 D.3.3.4)."""
    answers: dict[str, Role] = {}
    for role in request.user.roles:
        declared = _declared(role.sop_class_uid, policy)
        if declared is None:
            continue
        storage = declared.service is Service.STORE
        scu = role.scu and (not storage or "store" in peer.services)
        answers[role.sop_class_uid] = Role(role.sop_class_uid, scu, role.scp and storage and "get" in peer.services)
    return answers


def _answer_extended(request: AssociateRequest, policy: Policy) -> list[ExtendedNegotiation]:
    """Never more bytes than were asked (PS3.4 B.3.1, C.5.1.1, C.5.2.1); nothing for classes without such options."""
    answers = []
    for asked in request.user.extended:
        declared = _declared(asked.sop_class_uid, policy)
        if declared is None or declared.service not in _EXTENDED:
            continue
        if declared.service is Service.STORE:
            offered = _STORAGE_INFORMATION
        else:
            ours = _query_information(declared)
            offered = bytes(mine & theirs for mine, theirs in zip(ours, asked.information, strict=False))
            offered = offered.ljust(len(asked.information), b"\0")
        answers.append(ExtendedNegotiation(asked.sop_class_uid, offered[: len(asked.information)]))
    return answers


def _query_information(declared: SOPClass) -> tuple[int, ...]:
    """Relational queries, combined dates and times, fuzzy names; of a worklist the first two always (PS3.4 K.5.1)."""
    ours: tuple[int, ...] = (1,) if declared.service in _RETRIEVE else (1, 1, 1)
    return (0, *ours[1:]) if declared.non_patient else ours              # one level: nothing to be relational


def _options(answered: ExtendedNegotiation) -> QueryOptions:
    agreed = answered.information.ljust(3, b"\0")
    return QueryOptions(agreed[0] == 1, agreed[1] == 1, agreed[2] == 1)
