"""How a stored object goes out: in which context, and in that context's transfer syntax (PS3.4 C.4.2.3)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pacsd.archive.retrieve import FileRange, InstanceRef
from pacsd.codec.convert import CONVERTIBLE
from pacsd.codec.transcode import is_transcodable, transcoded
from pacsd.codec.transfer_syntaxes import satisfies, transfer_syntax
from pacsd.dimse.association import ObjectReader
from pacsd.dimse.negotiation import Context
from pacsd.dimse.sop_classes import sop_class
from pacsd.faults import Fault, PacsdError

# In which the HTJ2K copy of an object may go out as it is.
HTJ2K = ("1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.203")


class Codings(Protocol):
    """Knows what an object is kept in."""

    def best(self, ref: InstanceRef, transfer_syntax_uid: str) -> InstanceRef:
        """Of an object and its copy, that which is in a transfer syntax already, or is made into it sooner."""


def proposed_syntaxes(transfer_syntax_uid: str, *, copied: bool = False) -> tuple[tuple[str, ...], ...]:
    """The contexts to propose for an object: its own syntax alone, those of its HTJ2K copy if there may be one, then
    the uncompressed ones it can be turned into."""
    contexts: list[tuple[str, ...]] = [(transfer_syntax_uid,)]
    contexts += [HTJ2K] if copied and transfer_syntax_uid not in HTJ2K else []
    contexts += [CONVERTIBLE] if is_transcodable(transfer_syntax_uid, CONVERTIBLE[0]) else []
    return tuple(contexts)


def coding_for(codings: Codings, contexts: Iterable[Context], ref: InstanceRef) -> InstanceRef:
    """What of an object goes out over these contexts: the object itself where its syntax is taken, else its HTJ2K copy
    where that is, or where it is decoded sooner."""
    taken = {one.transfer_syntax for one in contexts if one.abstract_syntax == ref.sop_class_uid}
    for syntax in (ref.transfer_syntax_uid, *HTJ2K, *CONVERTIBLE):
        if syntax in taken:
            best = codings.best(ref, syntax)
            if syntax in CONVERTIBLE or satisfies(best.transfer_syntax_uid, syntax):
                return best
    return ref


def context_for(contexts: Iterable[Context], sop_class_uid: str, transfer_syntax_uid: str) -> Context:
    """The context of the syntax that it is in, else of the best uncompressed one it can be turned into.

    Raises PacsdError UNSUPPORTED, with what the receiver does not take.
    """
    usable = {one.transfer_syntax: one for one in contexts if one.abstract_syntax == sop_class_uid}
    as_it_is = (one for one in HTJ2K if satisfies(transfer_syntax_uid, one))
    for syntax in (transfer_syntax_uid, *as_it_is, *CONVERTIBLE):
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
    return reader if satisfies(source, target) else _Transcoded(reader, source, target)


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
