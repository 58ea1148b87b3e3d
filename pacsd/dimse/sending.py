"""How a stored object goes out: in which context, and in that context's transfer syntax (PS3.4 C.4.2.3)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pacsd.archive.retrieve import FileRange
from pacsd.codec.convert import CONVERTIBLE
from pacsd.codec.transcode import is_transcodable, transcoded
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.dimse.association import ObjectReader
from pacsd.dimse.negotiation import Context
from pacsd.dimse.sop_classes import sop_class
from pacsd.faults import Fault, PacsdError


def proposed_syntaxes(transfer_syntax_uid: str) -> tuple[tuple[str, ...], ...]:
    """The contexts to propose for an object: its own syntax alone, then the uncompressed ones it can be turned into."""
    stored = (transfer_syntax_uid,)
    return (stored, CONVERTIBLE) if is_transcodable(transfer_syntax_uid, CONVERTIBLE[0]) else (stored,)


def context_for(contexts: Iterable[Context], sop_class_uid: str, transfer_syntax_uid: str) -> Context:
    """The context of the stored transfer syntax, else of the best uncompressed one it can be turned into.

    Raises PacsdError UNSUPPORTED, with what the receiver does not take.
    """
    usable = {one.transfer_syntax: one for one in contexts if one.abstract_syntax == sop_class_uid}
    for syntax in (transfer_syntax_uid, *CONVERTIBLE):
        if syntax in usable and is_transcodable(transfer_syntax_uid, syntax):
            return usable[syntax]
    raise PacsdError(Fault.UNSUPPORTED, f"not taken by the receiver: {_refused(sop_class_uid, transfer_syntax_uid)}")


def _refused(sop_class_uid: str, transfer_syntax_uid: str) -> str:
    """The class, if not even one of the uncompressed syntaxes was taken for it, else the stored syntax."""
    if is_transcodable(transfer_syntax_uid, CONVERTIBLE[0]):
        declared = sop_class(sop_class_uid)
        return declared.name if declared is not None else sop_class_uid
    stored = transfer_syntax(transfer_syntax_uid)
    return stored.name if stored.known else transfer_syntax_uid


def in_syntax(reader: ObjectReader, *, source: str, target: str) -> ObjectReader:
    """The object as it is stored, or transcoded while it is read."""
    return reader if source == target else _Transcoded(reader, source, target)


@dataclass(frozen=True, slots=True)
class _Transcoded:
    """An object in another transfer syntax than the stored one."""

    reader: ObjectReader
    source: str
    target: str

    @property
    def size_bytes(self) -> int | None:
        """Not known before it is read."""
        return None

    @property
    def file_range(self) -> FileRange | None:
        """In no file is it as it is to be sent."""
        return None

    def chunks(self, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """Its bytes in order. Raises PacsdError MALFORMED, UNSUPPORTED, mostly before the first."""
        stored = self.reader.chunks(chunk_bytes)
        return transcoded(stored, source=self.source, target=self.target, length_bytes=self.reader.size_bytes)
