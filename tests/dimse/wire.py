"""A peer that writes raw bytes."""

import socket

from pacsd.dimse.associate import (
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ProposedContext,
    UserInformation,
    decode_accept,
    decode_reject,
    encode_request,
)
from pacsd.dimse.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


def request(
    *contexts: tuple[str, tuple[str, ...]], called: str = "PACSD", calling: str = "RAW", **user: object
) -> bytes:
    """An A-ASSOCIATE-RQ; without contexts, Verification and CT storage."""
    wanted = contexts or ((VERIFICATION, (IMPLICIT,)), (CT, (EXPLICIT,)))
    proposed = tuple(ProposedContext(2 * n + 1, *one) for n, one in enumerate(wanted))
    information = UserInformation(max_pdu_bytes=16384, **user)  # type: ignore[arg-type]
    return encode_request(AssociateRequest(called, calling, proposed, information))


class Raw:
    """A connection with nothing between the test and the bytes."""

    def __init__(self, port: int, *, timeout_s: float = 10.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def pdu(self) -> tuple[int, bytes]:
        """The next PDU's type and body; type 0 when the connection was closed."""
        head = self.exactly(6)
        if len(head) < 6:
            return 0, b""
        return head[0], self.exactly(int.from_bytes(head[2:], "big"))

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                piece = self.socket.recv(size - len(data))
            except ConnectionError:
                break
            if not piece:
                break
            data += piece
        return data

    def associate(self, pdu: bytes | None = None) -> AssociateAccept | AssociateReject:
        self.send(pdu or request())
        kind, body = self.pdu()
        if kind == A_ASSOCIATE_RJ:
            return decode_reject(body)
        assert kind == A_ASSOCIATE_AC, kind
        return decode_accept(body)
