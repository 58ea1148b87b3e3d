"""Bytes that come in chunks, read once from the first to the last: a 3 GB object is never in memory."""

from collections.abc import Iterable, Iterator

from pacsd.codec.structure import MalformedDataset

UNKNOWN_LENGTH = 1 << 62


class Forward:
    """A position that only moves on. `length_bytes`: of all the chunks, where it is known."""

    def __init__(self, chunks: Iterable[bytes], length_bytes: int | None = None) -> None:
        self._chunks = iter(chunks)
        self._data: bytes | memoryview = b""
        self._at = 0
        self._base = 0                           # the position of the first byte of _data
        self.length_bytes = UNKNOWN_LENGTH if length_bytes is None else length_bytes

    @property
    def position(self) -> int:
        """Bytes left behind so far."""
        return self._base + self._at

    def peek(self, length_bytes: int) -> bytes | memoryview:
        """What comes next, and still does after the call; fewer bytes only at the end."""
        if len(self._data) - self._at < length_bytes:
            self._fill(length_bytes)
        return self._data[self._at : self._at + length_bytes]

    def require(self, length_bytes: int) -> None:
        """Raises MalformedDataset where the length is known and less than that is left."""
        if self.position + length_bytes > self.length_bytes:
            raise _short()

    def skip(self, length_bytes: int) -> None:
        """Move on. Raises MalformedDataset at the end, and where lengths that lie would lead back."""
        if length_bytes < 0:
            raise MalformedDataset("an item ends before what is in it")
        if length_bytes <= len(self._data) - self._at:
            self._at += length_bytes
            return
        for _ in self.take(length_bytes):
            continue

    def take(self, length_bytes: int) -> Iterator[memoryview]:
        """The next bytes in pieces as they come, uncopied. Raises MalformedDataset if they end too early."""
        while length_bytes:
            if self._at == len(self._data) and not self._next():
                raise _short()
            piece = memoryview(self._data)[self._at : self._at + length_bytes]
            self._at += len(piece)
            length_bytes -= len(piece)
            yield piece

    def rest(self) -> Iterator[memoryview]:
        """Everything that is left."""
        while self._at < len(self._data) or self._next():
            yield memoryview(self._data)[self._at :]
            self._at = len(self._data)

    def _next(self) -> bool:
        """Go over to the next chunk when nothing is left of this one."""
        self._base += len(self._data)
        self._data, self._at = next(self._chunks, b""), 0
        return len(self._data) > 0 or self._more()

    def _more(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._data = chunk
                return True
        return False

    def _fill(self, wanted_bytes: int) -> None:
        parts: list[bytes | memoryview] = [self._data[self._at :]]
        size = len(parts[0])
        while size < wanted_bytes and (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk)
            size += len(chunk)
        self._base += self._at
        self._data, self._at = b"".join(parts), 0


def _short() -> MalformedDataset:
    return MalformedDataset("the data set ends inside an element")
