"""Pixel Data of a data set that goes by, frame by frame: out of its fragments or its native value, and into them again
(PS3.5 8.1, A.4)."""

import struct
from collections.abc import Iterator, Sequence

from pacsd.codec import native
from pacsd.codec.elements import encode_header
from pacsd.codec.forward import Forward
from pacsd.codec.frames import MAX_FRAMES, unpacked_bits
from pacsd.codec.image_pixel import PixelDescription
from pacsd.codec.structure import ITEM, SEQUENCE_DELIMITATION, UNDEFINED, MalformedDataset
from pacsd.faults import Fault, PacsdError

MAX_FRAME_BYTES = 1 << 30                # of one coded frame
MAX_TABLE_BYTES = 4 * MAX_FRAMES
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
_ONE_FRAGMENT_EACH = frozenset(          # by definition (PS3.5 A.4.2, A.4.11, 8.2.16)
    ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1")
)


def encapsulated_frames(
    data: Forward, transfer_syntax_uid: str, number_of_frames: int, extended_offsets: Sequence[int]
) -> Iterator[bytes]:
    """The frames of an encapsulated value, up to its delimitation item.

    A frame's fragments are told by the offset tables, else by how code streams begin. Raises MalformedDataset when it
    is truncated or there are not as many frames as there should be, PacsdError TOO_MUCH.
    """
    table = next(_items(data), None)
    if table is None:
        raise MalformedDataset("encapsulated pixel data has no offset table")
    offsets = extended_offsets
    if not offsets and len(table) == 4 * number_of_frames <= MAX_TABLE_BYTES:
        offsets = struct.unpack(f"<{number_of_frames}I", table)
    starts = frozenset(offsets) if len(offsets) == number_of_frames and offsets[0] == 0 else None
    frame: list[bytes] = []
    at = done = size = 0
    for fragment in _items(data):
        if frame and _begins(fragment, at, starts, transfer_syntax_uid, number_of_frames):
            done += 1
            yield b"".join(frame)
            frame, size = [], 0
        frame.append(fragment)
        at += 8 + len(fragment)
        size += len(fragment)
        if size > MAX_FRAME_BYTES or done >= number_of_frames:
            raise PacsdError(Fault.TOO_MUCH, "a frame, or the number of frames, is larger than what is described")
    if not frame or done + 1 != number_of_frames:
        raise MalformedDataset(f"{done + bool(frame)} frames are not the {number_of_frames} described")
    yield b"".join(frame)


def _begins(fragment: bytes, at: int, starts: frozenset[int] | None, syntax: str, count: int) -> bool:
    """Whether a fragment is the first of a frame, some fragment having come before."""
    if count == 1:
        return False
    if starts is not None:
        return at in starts
    return syntax in _ONE_FRAGMENT_EACH or fragment.startswith(_STARTS)


def _items(data: Forward) -> Iterator[bytes]:
    while True:
        head = bytes(data.peek(8))
        if len(head) < 8:
            raise MalformedDataset("encapsulated pixel data is truncated")
        group, element, length = struct.unpack("<HHI", head)
        data.skip(8)
        if group << 16 | element == SEQUENCE_DELIMITATION:
            return
        if group << 16 | element != ITEM or length == UNDEFINED:
            raise MalformedDataset("encapsulated pixel data holds what is no fragment")
        if length > MAX_FRAME_BYTES:
            raise PacsdError(Fault.TOO_MUCH, f"a fragment of {length} bytes")
        data.require(length)
        yield b"".join(data.take(length))


def native_frames(data: Forward, length_bytes: int, description: PixelDescription) -> Iterator[bytes]:
    """The frames of a little endian native value of that length, which is left behind.

    Frames of one-bit samples follow each other without a gap (PS3.5 8.1.1): each comes as if it stood alone.
    """
    one, count = frame_bits(description), description.number_of_frames
    if (one * count + 7) // 8 > length_bytes:
        raise MalformedDataset(f"pixel data is too short for {count} frames")
    left = length_bytes
    for number in range(count):
        offset = number * one % 8
        raw = bytes(data.peek((offset + one + 7) // 8))
        whole = (offset + one) // 8
        data.skip(whole)
        left -= whole
        yield unpacked_bits(raw, bit_offset=offset, bits=one) if one % 8 else raw
    data.skip(left)


def frame_bits(description: PixelDescription) -> int:
    """Bits of a native frame."""
    if description.bits_allocated == 1:
        return description.samples
    return native.frame_bytes(description) * 8


def native_bytes(description: PixelDescription) -> int:
    """Length of the native value of all frames, padded. Raises PacsdError TOO_MUCH where no element can hold it."""
    size = (frame_bits(description) * description.number_of_frames + 7) // 8
    if size >= UNDEFINED - 1:
        raise PacsdError(Fault.TOO_MUCH, "the uncompressed pixel data is longer than an element can be (PS3.5 7.1)")
    return size + size % 2


def as_native_value(frames: Iterator[bytes], description: PixelDescription) -> Iterator[bytes]:
    """The native value of frames that each begin at a byte boundary, padded to even length."""
    one, size = frame_bits(description), 0
    held = offset = 0                    # one-bit frames: bits that do not fill a byte yet
    for frame in frames:
        if one % 8 == 0:
            size += len(frame)
            yield frame
            continue
        held |= int.from_bytes(frame, "little") << offset
        whole, offset = divmod(offset + one, 8)
        size += whole
        yield (held & (1 << whole * 8) - 1).to_bytes(whole, "little")
        held >>= whole * 8
    if offset:
        size += 1
        yield held.to_bytes(1, "little")
    if size % 2:
        yield b"\0"


def as_fragments(frames: Iterator[bytes]) -> Iterator[bytes]:
    """The encapsulated value: an empty offset table, which needs no frame to be known before the first is sent, one
    fragment for each frame, and the delimitation item."""
    yield encode_header(ITEM, "", 0, implicit=True, big_endian=False)
    for frame in frames:
        pad = len(frame) % 2
        yield encode_header(ITEM, "", len(frame) + pad, implicit=True, big_endian=False)
        yield frame
        if pad:
            yield b"\0"
    yield encode_header(SEQUENCE_DELIMITATION, "", 0, implicit=True, big_endian=False)
