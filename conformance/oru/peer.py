"""An MLLP peer: sends a message, and reads what answers it, from the bytes alone."""

import socket
from dataclasses import dataclass
from types import TracebackType

from conformance.judging import Failed

_MOST_BYTES = 1 << 20


class NoAnswer(Failed):
    """The receiver ended the connection, said nothing in time, or something that is no message."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An acknowledgement; separators are those we send."""

    raw: bytes

    def segments(self, name: str) -> list[list[str]]:
        """Every segment of a name by the numbers of its fields: the name is field 0, and MSH-1 the separator."""
        lines = [line.split("|") for line in self.raw.decode("utf-8", "replace").split("\r")]
        return [[name, "|", *line[1:]] if name == "MSH" else line for line in lines if line[0] == name]

    def field(self, segment: str, number: int, sequence: int = 1) -> str:
        """A field of the n-th segment of a name, empty where there is none; MSH-1 is the separator."""
        found = self.segments(segment)[sequence - 1 : sequence]
        return found[0][number] if found and number < len(found[0]) else ""

    @property
    def code(self) -> str:
        """MSA-1."""
        return self.field("MSA", 1)

    @property
    def condition(self) -> str:
        """The code of HL7 table 0357: ERR-3 from v2.5 on, ERR-1.4 before."""
        return self.field("ERR", 3).split("^")[0] or (self.field("ERR", 1).split("^") + [""] * 4)[3].split("&")[0]

    @property
    def place(self) -> str:
        """The segment that is wrong: ERR-2.1, or ERR-1.1 before v2.5."""
        return (self.field("ERR", 2) or self.field("ERR", 1)).split("^")[0]


class Peer:
    """A connection to a receiver."""

    def __init__(self, host: str, port: int, *, timeout_s: float) -> None:
        try:
            self._socket = socket.create_connection((host, port), timeout=timeout_s)
        except OSError as error:
            raise NoAnswer(f"no connection to {host}:{port}: {error}") from error
        self._read = b""

    def ask(self, message: bytes) -> Answer:
        """A message and what answers it. Raises NoAnswer."""
        try:
            self._socket.sendall(b"\x0b" + message + b"\x1c\x0d")
            while b"\x1c\x0d" not in self._read:
                data = self._socket.recv(65536)
                if not data or len(self._read) > _MOST_BYTES:
                    raise NoAnswer("the connection ended without an answer")
                self._read += data
        except OSError as error:
            raise NoAnswer(f"no answer: {type(error).__name__}") from error
        answer, self._read = self._read.split(b"\x1c\x0d", 1)
        if not answer.startswith(b"\x0bMSH|"):
            raise NoAnswer("what came is no message")
        return Answer(answer[1:])

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self._socket.close()
