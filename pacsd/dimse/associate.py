"""A-ASSOCIATE-RQ, -AC and -RJ (PS3.8 9.3.2 to 9.3.4, user information of PS3.7 Annex D.3.3).

Our own codec instead of pynetdicom's: items that are not recognised have to be skipped (PS3.8 9.3.1), and what a
hostile peer sends has to come out as one error, not as whichever assertion it trips.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from pacsd.dimse.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pacsd.dimse.violations import AbortReason, Violation

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"            # PS3.7 Annex A.2.1
IMPLEMENTATION_CLASS_UID = "2.25.251427384207453216840713502914386742117"
IMPLEMENTATION_VERSION = "PACSD_1"

_APPLICATION, _CONTEXT_RQ, _CONTEXT_AC, _ABSTRACT, _TRANSFER, _USER = 0x10, 0x20, 0x21, 0x30, 0x40, 0x50
_MAX_LENGTH, _CLASS_UID, _ASYNC, _ROLE, _VERSION, _EXTENDED, _IDENTITY_RQ, _IDENTITY_AC = (
    0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x58, 0x59,
)  # fmt: skip
_ITEM = struct.Struct(">BxH")
_FIXED = struct.Struct(">Hxx16s16s32s")


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context as proposed (PS3.8 9.3.2.2)."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnsweredContext:
    """The answer to one (PS3.8 9.3.3.2); the syntax is significant only when `result` is 0."""

    context_id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Role:
    """SCP/SCU role selection (PS3.7 D.3.3.4): which roles the association requestor plays."""

    sop_class_uid: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class ExtendedNegotiation:
    """SOP class extended negotiation (PS3.7 D.3.3.5)."""

    sop_class_uid: str
    information: bytes


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """What the requestor says about its user (PS3.7 D.3.3.7). The fields may be secrets: never log them."""

    kind: int
    response_requested: bool
    primary: bytes = field(default=b"", repr=False)
    secondary: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class UserInformation:
    """User information of a request or its acceptance (PS3.7 D.3.3)."""

    max_pdu_bytes: int = 0                               # 0: no limit
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version: str = IMPLEMENTATION_VERSION
    async_window: tuple[int, int] | None = None          # operations invoked, performed
    roles: tuple[Role, ...] = ()
    extended: tuple[ExtendedNegotiation, ...] = ()
    identity: UserIdentity | None = None
    identity_response: bytes | None = None


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """A-ASSOCIATE-RQ."""

    called: str
    calling: str
    contexts: tuple[ProposedContext, ...]
    user: UserInformation
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1
    titles: bytes = b""                                  # the 64 bytes an acceptance repeats


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """A-ASSOCIATE-AC."""

    contexts: tuple[AnsweredContext, ...]
    user: UserInformation
    titles: bytes = b""


@dataclass(frozen=True, slots=True)
class AssociateReject:
    """A-ASSOCIATE-RJ: result, source and reason of PS3.8 Table 9-21."""

    result: int
    source: int
    reason: int


def decode_request(body: bytes) -> AssociateRequest:
    """Read what follows the six bytes of the PDU header. Raises Violation."""
    version, called, calling, _ = _fixed(body)
    application, user = "", UserInformation()
    contexts: list[ProposedContext] = []
    for kind, value in _items(body, _FIXED.size):
        if kind == _APPLICATION:
            application = _uid(value)
        elif kind == _CONTEXT_RQ:
            contexts.append(_proposed(value))
        elif kind == _USER:
            user = _decode_user(value)
    _check_ids([one.context_id for one in contexts])
    return AssociateRequest(
        _title(called), _title(calling), tuple(contexts), user, application, version, body[4:68]
    )


def decode_accept(body: bytes) -> AssociateAccept:
    """Read an acceptance. Raises Violation."""
    _fixed(body)
    contexts: list[AnsweredContext] = []
    user = UserInformation()
    for kind, value in _items(body, _FIXED.size):
        if kind == _CONTEXT_AC:
            contexts.append(_answered(value))
        elif kind == _USER:
            user = _decode_user(value)
    return AssociateAccept(tuple(contexts), user, body[4:68])


def decode_reject(body: bytes) -> AssociateReject:
    """Read a rejection. Raises Violation."""
    if len(body) != 4:
        raise _malformed("A-ASSOCIATE-RJ")
    return AssociateReject(body[1], body[2], body[3])


def encode_request(request: AssociateRequest) -> bytes:
    """The whole PDU."""
    titles = request.called.encode("ascii", "replace").ljust(16)[:16]
    titles += request.calling.encode("ascii", "replace").ljust(16)[:16] + bytes(32)
    items = [_item(_APPLICATION, request.application_context.encode("ascii"))]
    for one in request.contexts:
        value = bytes((one.context_id, 0, 0, 0)) + _item(_ABSTRACT, one.abstract_syntax.encode("ascii"))
        value += b"".join(_item(_TRANSFER, uid.encode("ascii")) for uid in one.transfer_syntaxes)
        items.append(_item(_CONTEXT_RQ, value))
    items.append(_encode_user(request.user))
    return _pdu(A_ASSOCIATE_RQ, request.protocol_version.to_bytes(2, "big") + b"\0\0" + titles + b"".join(items))


def encode_accept(accept: AssociateAccept) -> bytes:
    """The whole PDU."""
    items = [_item(_APPLICATION, APPLICATION_CONTEXT.encode("ascii"))]
    for one in accept.contexts:
        syntax = _item(_TRANSFER, one.transfer_syntax.encode("latin-1"))
        items.append(_item(_CONTEXT_AC, bytes((one.context_id, 0, one.result, 0)) + syntax))
    items.append(_encode_user(accept.user))
    return _pdu(A_ASSOCIATE_AC, b"\0\1\0\0" + accept.titles.ljust(64, b"\0") + b"".join(items))


def encode_reject(reject: AssociateReject) -> bytes:
    """The whole PDU."""
    return _pdu(A_ASSOCIATE_RJ, bytes((0, reject.result, reject.source, reject.reason)))


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def _item(kind: int, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _fixed(body: bytes) -> tuple[int, bytes, bytes, bytes]:
    if len(body) < _FIXED.size:
        raise _malformed("A-ASSOCIATE")
    return _FIXED.unpack_from(body)


def _items(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at < len(data):
        if at + 4 > len(data):
            raise _malformed("item")
        kind, length = _ITEM.unpack_from(data, at)
        at += 4 + length
        if at > len(data):
            raise _malformed("item")
        yield kind, data[at - length : at]


def _malformed(what: str) -> Violation:
    return Violation(AbortReason.INVALID_PARAMETER_VALUE, f"malformed {what}")


def _title(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")


def _uid(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")


def _check_ids(ids: list[int]) -> None:
    """Odd, from 1 to 255, no two alike (PS3.8 9.3.2.2)."""
    if len(set(ids)) != len(ids) or any(one % 2 == 0 for one in ids):
        raise _malformed("presentation context ID")


def _proposed(value: bytes) -> ProposedContext:
    if len(value) < 4:
        raise _malformed("presentation context")
    abstract, transfer = "", []
    for kind, content in _items(value, 4):
        if kind == _ABSTRACT:
            abstract = _uid(content)
        elif kind == _TRANSFER:
            transfer.append(_uid(content))
    return ProposedContext(value[0], abstract, tuple(transfer))


def _answered(value: bytes) -> AnsweredContext:
    if len(value) < 4:
        raise _malformed("presentation context")
    transfer = [_uid(content) for kind, content in _items(value, 4) if kind == _TRANSFER]
    return AnsweredContext(value[0], value[2], transfer[0] if transfer else "")


def _decode_user(value: bytes) -> UserInformation:
    found: dict[int, bytes] = {}
    roles, extended = [], []
    for kind, content in _items(value, 0):
        if kind == _ROLE:
            roles.append(_decode_role(content))
        elif kind == _EXTENDED:
            extended.append(ExtendedNegotiation(*_prefixed_uid(content)))
        else:
            found[kind] = content
    window = found.get(_ASYNC, b"")
    identity = found.get(_IDENTITY_RQ, b"")
    return UserInformation(
        max_pdu_bytes=int.from_bytes(found.get(_MAX_LENGTH, b""), "big"),
        implementation_class_uid=_uid(found.get(_CLASS_UID, b"")),
        implementation_version=_uid(found.get(_VERSION, b"")),
        async_window=struct.unpack(">HH", window) if len(window) == 4 else None,
        roles=tuple(roles),
        extended=tuple(extended),
        identity=_decode_identity(identity) if identity else None,
        identity_response=found.get(_IDENTITY_AC),
    )


def _decode_identity(content: bytes) -> UserIdentity:
    """PS3.7 Table D.3-14: the type, whether an answer is wanted, and two fields, each behind its length."""
    if len(content) < 2:
        raise _malformed("user identity")
    fields: list[bytes] = []
    rest = content[2:]
    while rest and len(fields) < 2:
        length = int.from_bytes(rest[:2], "big")
        if len(rest) < 2 + length:
            raise _malformed("user identity")
        fields.append(rest[2 : 2 + length])
        rest = rest[2 + length :]
    primary, secondary = (*fields, b"", b"")[:2]
    return UserIdentity(content[0], content[1] == 1, primary, secondary)


def _decode_role(content: bytes) -> Role:
    uid, flags = _prefixed_uid(content)
    if len(flags) < 2:
        raise _malformed("role selection")
    return Role(uid, flags[0] == 1, flags[1] == 1)


def _prefixed_uid(content: bytes) -> tuple[str, bytes]:
    length = int.from_bytes(content[:2], "big")
    if len(content) < 2 + length:
        raise _malformed("user information")
    return _uid(content[2 : 2 + length]), content[2 + length :]


def _encode_user(user: UserInformation) -> bytes:
    items = [
        _item(_MAX_LENGTH, user.max_pdu_bytes.to_bytes(4, "big")),
        _item(_CLASS_UID, user.implementation_class_uid.encode("ascii")),
    ]
    if user.async_window is not None:
        items.append(_item(_ASYNC, struct.pack(">HH", *user.async_window)))
    for role in user.roles:
        items.append(_item(_ROLE, _prefix(role.sop_class_uid) + bytes((role.scu, role.scp))))
    items.append(_item(_VERSION, user.implementation_version.encode("ascii")))
    for one in user.extended:
        items.append(_item(_EXTENDED, _prefix(one.sop_class_uid) + one.information))
    if user.identity_response is not None:
        items.append(_item(_IDENTITY_AC, len(user.identity_response).to_bytes(2, "big") + user.identity_response))
    return _item(_USER, b"".join(items))


def _prefix(uid: str) -> bytes:
    value = uid.encode("latin-1")
    return len(value).to_bytes(2, "big") + value
