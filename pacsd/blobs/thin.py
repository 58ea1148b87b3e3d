"""A blob store in which a blob may stand thin: without those of its bytes that another blob can give back.

Readers do not see it. A thin blob keeps its key, its size and every byte; only whoever makes blobs thin, counts what
they take or copies the files themselves asks for more. Where a blob is there both whole and thin, the whole one counts.
"""

import heapq
from collections.abc import Iterable, Iterator

from pacsd.blobs.port import BlobInfo, BlobReader, BlobStore, BlobWriter
from pacsd.blobs.thin_file import ThinHead, ThinWriter, digest_of, read_head, size_of
from pacsd.blobs.thin_reader import Fill, Kept, ThinReader
from pacsd.faults import Fault, PacsdError

WHOLE_SUFFIX, THIN_SUFFIX = ".zip", ".thin"              # only packs are ever thin; the second sorts before the first
FILLED_BYTES = HEADS_BYTES = 16 << 20                    # what a process keeps of each
_CUT_SUFFIXES = tuple(WHOLE_SUFFIX[:end] for end in range(2, len(WHOLE_SUFFIX) + 1))


class ThinBlobs:
    """A BlobStore over another. `fill` makes the bytes of holes. No key may end in `.thin`: those are of its own."""

    def __init__(self, stored: BlobStore, fill: Fill) -> None:
        self.stored = stored             # the blobs as they are: thin files beside the rest
        self._fill = fill
        self._heads: Kept[tuple[str, bytes], ThinHead] = Kept(HEADS_BYTES, lambda head: head.table_bytes)
        self._filled: Kept[tuple[bytes, int], bytes] = Kept(FILLED_BYTES, len)

    def create(self, key: str) -> BlobWriter:
        """Begin a blob. Raises PacsdError CONFLICT if it is there thin, or exists at commit; FULL, UNAVAILABLE."""
        _checked(key)
        if self.is_thin(key):
            raise PacsdError(Fault.CONFLICT, f"a blob of this name exists: {key}")
        return self.stored.create(key)

    def put(self, key: str, data: bytes) -> BlobInfo:
        """A whole small blob, durable on return."""
        writer = self.create(key)
        try:
            writer.write(data)
            return writer.commit()
        finally:
            writer.abort()

    def read(self, key: str, *, offset_bytes: int = 0, length_bytes: int | None = None) -> bytes:
        """A range, or all; shorter only at the end of the blob. Raises PacsdError NOT_FOUND, UNAVAILABLE."""
        with self.open(key) as reader:
            end = reader.size_bytes if length_bytes is None else min(offset_bytes + length_bytes, reader.size_bytes)
            data = reader.pread(max(end - offset_bytes, 0), offset_bytes)
            while offset_bytes + len(data) < end:        # what cannot be read is told, never left out
                more = reader.pread(end - offset_bytes - len(data), offset_bytes + len(data))
                if not more:                             # a file that is shorter than it was
                    break
                data += more
            return data

    def open(self, key: str) -> BlobReader:
        """A reader; it stays valid when the blob is deleted meanwhile. Raises PacsdError NOT_FOUND, UNAVAILABLE."""
        try:
            return self.stored.open(_checked(key))
        except PacsdError as error:
            if error.fault is not Fault.NOT_FOUND or not key.endswith(WHOLE_SUFFIX):
                raise
        try:
            return self.open_thin(key)
        except PacsdError as error:
            if error.fault is not Fault.NOT_FOUND:
                raise
        return self.stored.open(key)                     # it was thin, and was made whole between the two looks

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Blobs whose key starts with `prefix`, in key order; of a thin one that cannot be read the file's size."""
        wider = next((prefix.removesuffix(end) + "." for end in _CUT_SUFFIXES if prefix.endswith(end)), prefix)
        return (info for info in self._listed(wider) if info.key.startswith(prefix))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove for good, whole and thin."""
        gone = []
        for key in keys:
            gone.append(_checked(key))
            if key.endswith(WHOLE_SUFFIX):
                gone.append(thin_key(key))
        self.stored.delete(gone)

    def size(self, key: str) -> int:
        """Bytes. Raises PacsdError NOT_FOUND, UNAVAILABLE."""
        try:
            return self.stored.size(_checked(key))
        except PacsdError as error:
            if error.fault is not Fault.NOT_FOUND or not key.endswith(WHOLE_SUFFIX):
                raise
        with self.open(key) as reader:
            return reader.size_bytes

    def has_source(self, key: str) -> bool:
        """Whether what a thin blob is filled from is there; True of others.

        Raises PacsdError NOT_FOUND, UNAVAILABLE.
        """
        return not key.endswith(WHOLE_SUFFIX) or self.is_whole(key) or is_there(self.stored, self.head(key).source)

    def over(self, stored: BlobStore) -> "ThinBlobs":
        """The same over copies of these blobs elsewhere."""
        return ThinBlobs(stored, self._fill)

    # What follows is for whoever makes blobs thin, and whole again.

    def is_whole(self, key: str) -> bool:
        """Whether the blob is there with all its bytes. Raises PacsdError UNAVAILABLE."""
        return is_there(self.stored, key)

    def is_thin(self, key: str) -> bool:
        """Whether there is a thin file of it, sound or not, whatever is beside it. Raises PacsdError UNAVAILABLE."""
        return key.endswith(WHOLE_SUFFIX) and is_there(self.stored, thin_key(key))

    def head(self, key: str) -> ThinHead:
        """What its thin file says. Raises PacsdError NOT_FOUND, UNAVAILABLE (damaged)."""
        with self.stored.open(thin_key(key)) as file:
            return self._head(key, file)

    def heads(self, prefix: str) -> Iterator[tuple[str, ThinHead | None]]:
        """The keys of blobs that stand thin alone, and what their files say; None for one that cannot be read."""
        for info in self.stored.list(prefix):
            key = info.key.removesuffix(THIN_SUFFIX) + WHOLE_SUFFIX
            if info.key.endswith(THIN_SUFFIX) and not self.is_whole(key):
                try:
                    yield key, self.head(key)
                except PacsdError as error:
                    if error.fault is not Fault.NOT_FOUND:
                        yield key, None

    def open_thin(self, key: str, *, anew: bool = False) -> ThinReader:
        """A reader of the thin file, whatever is beside it; `anew`: of the files alone, of nothing this process keeps.

        Raises PacsdError NOT_FOUND, UNAVAILABLE.
        """
        file = self.stored.open(thin_key(key))
        try:
            head = _head_of(key, file) if anew else self._head(key, file)
            return ThinReader(key, head, file, self._source(head), self._fill, None if anew else self._filled)
        except BaseException:
            file.close()
            raise

    def create_thin(self, key: str, source: str) -> ThinWriter:
        """Begin the thin file of a blob, to be filled from `source`. Raises PacsdError FULL, UNAVAILABLE."""
        return ThinWriter(self.stored.create(thin_key(key)), key, source)

    def create_whole(self, key: str) -> BlobWriter:
        """Begin the blob anew beside its thin file. Raises PacsdError CONFLICT at commit, FULL, UNAVAILABLE."""
        return self.stored.create(_checked(key))

    def delete_whole(self, key: str) -> None:
        """Remove the blob and leave its thin file, durably. Never without having proven that."""
        self.stored.delete([_checked(key)])

    def delete_thin(self, key: str) -> None:
        """Remove the thin file and leave the blob. Never without having seen that it is whole."""
        self.stored.delete([thin_key(key)])

    def _head(self, key: str, file: BlobReader) -> ThinHead:
        name = key, digest_of(file)
        head = self._heads.get(name)
        if head is None:
            head = _head_of(key, file)
            self._heads.keep(name, head)
        return head

    def _source(self, head: ThinHead) -> BlobReader | None:
        try:
            return self.stored.open(head.source)
        except PacsdError as error:
            if error.fault is not Fault.NOT_FOUND:
                raise
            return None

    def _listed(self, prefix: str) -> Iterator[BlobInfo]:
        waiting: list[BlobInfo] = []                     # of thin files, whose blobs' keys come a little later
        for info in self.stored.list(prefix):
            while waiting and waiting[0].key < info.key:
                yield heapq.heappop(waiting)
            if info.key.endswith(THIN_SUFFIX):
                heapq.heappush(waiting, self._as_whole(info))
                continue
            if waiting and waiting[0].key == info.key:
                heapq.heappop(waiting)
            yield info
        while waiting:
            yield heapq.heappop(waiting)

    def _as_whole(self, info: BlobInfo) -> BlobInfo:
        key = info.key.removesuffix(THIN_SUFFIX) + WHOLE_SUFFIX
        try:
            with self.stored.open(info.key) as file:
                return BlobInfo(key, size_of(file), info.modified_at)
        except PacsdError:
            return BlobInfo(key, info.size_bytes, info.modified_at)


def thin_key(key: str) -> str:
    """The key of a blob's thin file. Raises PacsdError MALFORMED for what is never thin."""
    if not key.endswith(WHOLE_SUFFIX):
        raise PacsdError(Fault.MALFORMED, f"only blobs named {WHOLE_SUFFIX} may be thin")
    return key.removesuffix(WHOLE_SUFFIX) + THIN_SUFFIX


def _checked(key: str) -> str:
    if key.endswith(THIN_SUFFIX):
        raise PacsdError(Fault.MALFORMED, f"no blob's name ends in {THIN_SUFFIX}")
    return key


def _head_of(key: str, file: BlobReader) -> ThinHead:
    head = read_head(file)
    if head.key != key:
        raise PacsdError(Fault.UNAVAILABLE, f"a thin blob is that of another: {key}")
    return head


def is_there(blobs: BlobStore, key: str) -> bool:
    """Whether there is such a blob. Raises PacsdError UNAVAILABLE."""
    try:
        blobs.size(key)
    except PacsdError as error:
        if error.fault is not Fault.NOT_FOUND:
            raise
        return False
    return True
