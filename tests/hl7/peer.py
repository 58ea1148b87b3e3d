"""An MLLP peer that is built on nothing of ours."""

import socket
from types import TracebackType


class Peer:
    """A connection to an MLLP listener."""

    def __init__(self, port: int, *, timeout_s: float = 10.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._read = b""

    def send(self, message: bytes | str) -> None:
        """A message between its blocks."""
        data = message.encode() if isinstance(message, str) else message
        self.socket.sendall(b"\x0b" + data + b"\x1c\x0d")

    def answer(self) -> bytes:
        """The next message that comes. Raises EOFError when the listener ends the connection."""
        while b"\x1c\x0d" not in self._read:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"ended after {self._read!r}")
            self._read += data
        message, self._read = self._read.split(b"\x1c\x0d", 1)
        assert message[:1] == b"\x0b"
        return message[1:]

    def ask(self, message: bytes | str) -> bytes:
        """A message and its answer."""
        self.send(message)
        return self.answer()

    def ended(self) -> bool:
        """Whether nothing more comes because the listener has ended the connection."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self.close()


def code(answer: bytes) -> str:
    """MSA-1."""
    return field(answer, b"MSA", 1)


def field(answer: bytes, segment: bytes, number: int) -> str:
    """A field of the first segment of a name."""
    for line in answer.split(b"\r"):
        if line.startswith(segment + b"|"):
            fields = line.split(b"|")
            return fields[number].decode() if number < len(fields) else ""
    return ""


def adt(event: str, control_id: str, patient: str, *, name: str = "", more: str = "", **fields: str) -> str:
    """An ADT message: PID-3, PID-5, further segments, and MSH fields by keyword (version, processing, accept, charset,
    application, application_ack)."""
    version, processing = fields.get("version", "2.5.1"), fields.get("processing", "P")
    header = (
        f"MSH|^~\\&|{fields.get('application', 'HIS')}|EAST|PACSD|EAST|20260101120000||ADT^{event}|{control_id}|"
        f"{processing}|{version}|||{fields.get('accept', '')}|{fields.get('application_ack', '')}||"
        f"{fields.get('charset', '')}"
    )
    person = f"PID|1||{patient}||{name}||{fields.get('birth_date', '')}|{fields.get('sex', '')}"
    return "".join(f"{line}\r" for line in (header, f"EVN|{event}|20260101120000", person, *more.splitlines()))
