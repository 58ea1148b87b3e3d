"""C-FIND over one association with nothing in the way: a query is sent ready made, answers are read and not decoded."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence

from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dsutils import encode
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

_PENDING = (0xFF00, 0xFF01)


def seconds_each(
    port: int, sop_class_uid: str, queries: Sequence[Dataset], *, called: str = "PACSD"
) -> tuple[list[float], int]:
    """Seconds from a request to its final response, of each query; and how many answers came in all."""
    answers, times = 0, []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_associate(sop_class_uid, called))
        kind, _ = _pdu(connection)
        if kind != 2:
            raise RuntimeError(f"the association was answered with PDU {kind}")
        for number, query in enumerate(queries, 1):
            message = _request(sop_class_uid, query, number)
            began = time.perf_counter()
            connection.sendall(message)
            answers += _until_done(connection)
            times.append(time.perf_counter() - began)
        connection.sendall(b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00")
    return times, answers


def _associate(sop_class_uid: str, called: str) -> bytes:
    ae = AE("BENCH")
    ae.add_requested_context(sop_class_uid, ImplicitVRLittleEndian)
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "BENCH", called
    context = ae.requested_contexts[0]
    context.context_id = 1
    primitive.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 0
    implementation.implementation_class_uid = "1.2.826.0.1.3680043.9.9999"
    primitive.user_information = [length, implementation]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()


def _request(sop_class_uid: str, query: Dataset, number: int) -> bytes:
    command = Dataset()
    command.AffectedSOPClassUID = sop_class_uid
    command.CommandField, command.MessageID, command.Priority, command.CommandDataSetType = 0x0020, number, 0, 1
    body = encode(command, True, True) or b""
    group = struct.pack("<HHII", 0, 0, 4, len(body)) + body
    return _data(group, 3) + _data(encode(query, True, True) or b"", 2)


def _data(fragment: bytes, flags: int) -> bytes:
    return struct.pack(">BxIIBB", 4, len(fragment) + 6, len(fragment) + 2, 1, flags) + fragment


def _until_done(connection: socket.socket) -> int:
    """Read to the final response; how many were pending."""
    pending, command = 0, b""
    while True:
        kind, body = _pdu(connection)
        if kind != 4:
            raise RuntimeError(f"PDU {kind} instead of an answer")
        at = 0
        while at < len(body):
            (length,) = struct.unpack_from(">I", body, at)
            flags, fragment = body[at + 5], body[at + 6 : at + 4 + length]
            at += 4 + length
            if not flags & 1:
                continue
            command += fragment
            if flags & 2:
                status, command = _status(command), b""
                if status not in _PENDING:
                    if status:
                        raise RuntimeError(f"the query ended with {status:04X}")
                    return pending
                pending += 1


def _status(command: bytes) -> int:
    at = 0
    while at < len(command):
        group, element, length = struct.unpack_from("<HHI", command, at)
        if (group, element) == (0x0000, 0x0900):
            return int(struct.unpack_from("<H", command, at + 8)[0])
        at += 8 + length
    raise RuntimeError("a response without a status")


def _pdu(connection: socket.socket) -> tuple[int, bytes]:
    head = _exactly(connection, 6)
    return head[0], _exactly(connection, struct.unpack(">I", head[2:])[0])


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        read = connection.recv_into(view)
        if not read:
            raise RuntimeError("the connection ended")
        view = view[read:]
    return bytes(data)
