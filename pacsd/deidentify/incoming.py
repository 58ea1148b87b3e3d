"""A data set as it streams in: its header, whole and bounded, up to its pixel data."""

from typing import NamedTuple

from pacsd.codec.forward import Forward
from pacsd.codec.header import MAX_HEADER_BYTES
from pacsd.codec.image_pixel import VALUE_TYPES
from pacsd.codec.structure import (
    UNDEFINED,
    MalformedDataset,
    NeedMoreData,
    element_head,
    skip_undefined,
)
from pacsd.faults import Fault, PacsdError

_AHEAD_BYTES = 1 << 16


class PixelHead(NamedTuple):
    """How pixel data begins; its value comes next in the stream."""

    tag: int
    vr: str
    length: int


def header_of(data: Forward, *, implicit: bool, big_endian: bool) -> tuple[bytes, PixelHead | None]:
    """The bytes before pixel data, and its head, which is left behind; None where the data set has no pixel data.

    Raises MalformedDataset for a data set that ends inside an element, PacsdError TOO_MUCH.
    """
    size, at = _AHEAD_BYTES, 0
    while True:
        front = memoryview(bytes(data.peek(size)))
        ended = len(front) < size
        try:
            while at < len(front):
                head = element_head(front, at, len(front), implicit=implicit, big_endian=big_endian)
                if head.tag in VALUE_TYPES:
                    data.skip(head.value_at)
                    return bytes(front[:at]), PixelHead(head.tag, head.vr, head.length)
                following = head.value_at + head.length
                if head.length == UNDEFINED:
                    following = skip_undefined(
                        front, head.value_at, len(front), implicit=implicit, big_endian=big_endian
                    )
                if following > len(front):
                    raise NeedMoreData(following)
                at = following
            if ended:
                return bytes(front), None
        except NeedMoreData as short:
            if ended:
                raise MalformedDataset("the data set ends inside an element") from short
        if size > MAX_HEADER_BYTES:
            raise PacsdError(Fault.TOO_MUCH, f"a header of more than {MAX_HEADER_BYTES} bytes")
        size *= 4
