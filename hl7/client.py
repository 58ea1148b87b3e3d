"""Sending one message and waiting for its acknowledgement (HL7 v2.5.1 2.9)."""

import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from hl7.acknowledgement import wanted
from hl7.conditions import Condition, Hl7Error
from hl7.header import header_of
from hl7.message import Message, parse
from hl7.mllp import Frame, FrameReader, NotMllp, framed

_READ_BYTES = 65_536
_MOST_ANSWER_BYTES = 1 << 20
_FOR_GOOD = frozenset(
    one.code for one in (Condition.MESSAGE_TYPE, Condition.EVENT_CODE, Condition.PROCESSING_ID, Condition.VERSION_ID)
)


Dial = Callable[[str, int, float], socket.socket]
"""Opens a connection to host and port within so many seconds. Raises OSError, and nothing else."""


class NotDelivered(Exception):
    """No acknowledgement came: the destination may or may not have the message."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An acknowledgement. `code` is MSA-1, empty where the message asks for none; `condition` of table 0357."""

    code: str
    condition: str = ""
    text: str = ""
    raw: bytes = b""

    @property
    def accepted(self) -> bool:
        """Whether the destination took the message."""
        return self.code in ("AA", "CA", "")

    @property
    def final(self) -> bool:
        """Whether sending the same again would be answered the same: content that is wrong, a kind that is not taken.

        AR and CR for any other reason mean: not now (HL7 v2.5.1 2.9.2.2).
        """
        return self.code in ("AE", "CE") or (self.code in ("AR", "CR") and self.condition in _FOR_GOOD)


class Client:
    """A connection to one destination, opened when it is needed and kept. For one thread."""

    def __init__(
        self, host: str, port: int, *, connect_timeout_s: float = 10.0, answer_timeout_s: float = 30.0,
        dial: Dial | None = None,
    ) -> None:  # fmt: skip
        """`dial` opens the connection, where that is not just TCP."""
        self._dial = dial
        self._address = (host, port)
        self._connect_timeout_s = connect_timeout_s
        self._answer_timeout_s = answer_timeout_s
        self._socket: socket.socket | None = None
        self._frames = FrameReader(max_message_bytes=_MOST_ANSWER_BYTES)

    def send(self, message: bytes) -> Answer:
        """Send a message and return what answers it. Raises NotDelivered; the connection is then a new one next time.

        What answers an earlier message, late, is skipped.
        """
        header = header_of(message)
        if header is None:
            raise NotDelivered("the message has no header")
        try:
            connection = self._connected()
            connection.settimeout(self._answer_timeout_s)
            connection.sendall(framed(message))
            if not (wanted(header, success=True).accept or wanted(header, success=True).application):
                return Answer("")
            return self._answer(connection, header.sent(10))
        except (OSError, NotMllp) as error:
            self.close()
            raise NotDelivered(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        self._socket = None
        self._frames.close()

    def _connected(self) -> socket.socket:
        if self._socket is None:
            made = self._dialled()
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._socket, self._frames = made, FrameReader(max_message_bytes=_MOST_ANSWER_BYTES)
        return self._socket

    def _dialled(self) -> socket.socket:
        if self._dial is None:
            return socket.create_connection(self._address, timeout=self._connect_timeout_s)
        return self._dial(*self._address, self._connect_timeout_s)

    def _answer(self, connection: socket.socket, control_id: str) -> Answer:
        deadline = time.monotonic() + self._answer_timeout_s
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            data = connection.recv(_READ_BYTES)
            if not data:
                raise ConnectionResetError("the destination ended the connection without an answer")
            for frame in self._frames.feed(data):
                if not isinstance(frame, Frame):
                    raise NotMllp("an answer that is too long")
                answer = _read(frame.message, control_id)
                if answer is not None:
                    return answer
        raise TimeoutError("no answer")


def _read(raw: bytes, control_id: str) -> Answer | None:
    """The acknowledgement of that message, None for one of another."""
    try:
        message = parse(raw, default="8859/1")
        if message.value("MSA-2") != control_id:
            return None
        return Answer(message.value("MSA-1"), _condition(message), _text(message), raw)
    except Hl7Error as error:
        raise NotMllp(f"an answer that cannot be read: {error.text}") from error


def _condition(message: Message) -> str:
    """The error's code: ERR-3 from v2.5 on, ERR-1.4 and MSA-6 before."""
    return message.value("ERR-3.1") or message.value("ERR-1.4") or message.value("MSA-6.1")


def _text(message: Message) -> str:
    return message.value("ERR-8") or message.value("MSA-3") or message.value("ERR-3.2")
