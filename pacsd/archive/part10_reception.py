"""A Part 10 file on its way in (PS3.10 7.1): its own group 2 is read, and replaced by ours."""

from typing import Any, Protocol

from pacsd.archive.accepted import Accepted
from pacsd.codec.header import Header, NeedMoreData, scan
from pacsd.codec.part10 import FileMeta, read_meta
from pacsd.faults import PacsdError

SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
_MAX_META_BYTES = 1 << 17


class Expecting(Protocol):
    """A reception that is told what comes before it comes: a Reception, or one of another kind of object."""

    @property
    def sop_class_uid(self) -> str: ...
    @property
    def sop_instance_uid(self) -> str: ...

    def expect(
        self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, *, source_ae: str | None = None,
        study_instance_uid: str | None = None, header: Header | None = None,
    ) -> None: ...  # fmt: skip
    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def commit(self) -> Any: ...
    def abort(self) -> None: ...
    def fail(self, error: PacsdError) -> None: ...


class Part10Reception:
    """A Part 10 file on its way in; once its group 2 is known, what follows is a plain Reception."""

    def __init__(self, reception: Expecting, study_instance_uid: str | None) -> None:
        self._reception = reception
        self._study_instance_uid = study_instance_uid
        self._head = bytearray()
        self._begun = False

    @property
    def sop_class_uid(self) -> str:
        """What group 2 names, as soon as it has been read; empty before."""
        return self._reception.sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        """What group 2 names, as soon as it has been read; empty before."""
        return self._reception.sop_instance_uid

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The next bytes of the file."""
        if self._begun:
            self._reception.write(data)
            return
        if not self._head and len(data) >= _MAX_META_BYTES:
            self._begin(memoryview(data), whole=False)
            return
        self._head += data
        if len(self._head) >= _MAX_META_BYTES:
            self._begin(memoryview(bytes(self._head)), whole=False)

    def commit(self) -> Accepted:
        """As Reception.commit; MALFORMED also when this is no Part 10 file."""
        self.end()
        accepted: Accepted = self._reception.commit()
        return accepted

    def abort(self) -> None:
        """Forget the file."""
        self._reception.abort()

    def end(self) -> None:
        """No more is written."""
        if not self._begun:
            self._begin(memoryview(bytes(self._head)), whole=True)

    def _begin(self, head: memoryview, *, whole: bool) -> None:
        self._begun = True
        self._head.clear()
        try:
            meta = read_meta(head)
            dataset = head[meta.dataset_offset :]
            header = _header(meta, dataset, whole=whole)
        except PacsdError as error:
            self._reception.fail(error)
            return
        self._reception.expect(
            _named(header, SOP_CLASS_UID) or meta.sop_class_uid,
            _named(header, SOP_INSTANCE_UID) or meta.sop_instance_uid,
            meta.transfer_syntax_uid,
            source_ae=meta.source_ae,
            study_instance_uid=self._study_instance_uid,
            header=header,
        )
        self._reception.write(dataset)


def _header(meta: FileMeta, dataset: memoryview, *, whole: bool) -> Header | None:
    """The indexed header; None where it goes on after the beginning that has arrived."""
    try:
        return scan(dataset, meta.transfer_syntax_uid, complete=whole, to_pixels=True)
    except NeedMoreData:
        return None


def _named(header: Header | None, tag: int) -> str:
    """SOP class and instance are those of the data set, whatever group 2 says: real files disagree with theirs.

    Empty, so that group 2 counts, where the data set does not name them, or not in the beginning that has arrived.
    """
    return "" if header is None else header.text(tag)
