"""An object on its way into the spool, wherever in it that is."""

from pacsd.blobs.port import BlobInfo
from pacsd.blobs.segment_writer import SegmentWriter
from pacsd.blobs.spool_files import FileWriter, SpoolFiles

_COPY_BYTES = 1 << 20


class SpoolWriter:
    """One object on its way in. Its `key` is final once nothing more is written."""

    __slots__ = ("_files", "_organisation", "_writer")

    def __init__(self, files: SpoolFiles, organisation: str, writer: FileWriter | SegmentWriter) -> None:
        self._files = files
        self._organisation = organisation
        self._writer = writer

    @property
    def key(self) -> str:
        """The blob's key."""
        return self._writer.key

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append. Raises PacsdError FULL, UNAVAILABLE; the caller then aborts."""
        writer = self._writer
        if isinstance(writer, SegmentWriter) and len(data) > writer.room_bytes:
            writer = self._move_out(writer)
        writer.write(data)

    def patch(self, offset_bytes: int, data: bytes) -> None:
        """Overwrite bytes already written, before `commit`."""
        self._writer.patch(offset_bytes, data)

    def commit(self) -> BlobInfo:
        """Bytes and name are durable on return. Raises PacsdError UNAVAILABLE; the object is gone then."""
        return self._writer.commit()

    def abort(self) -> None:
        """Remove the object; nothing happens after `commit` or a former `abort`."""
        self._writer.abort()

    def _move_out(self, writer: SegmentWriter) -> FileWriter:
        """A file of its own for an object that turns out too large for what its segment has left."""
        file = self._files.create(self._organisation)
        try:
            for piece in writer.written(_COPY_BYTES):
                file.write(piece)
        except BaseException:
            file.abort()
            raise
        writer.abort()
        self._writer = file
        return file
