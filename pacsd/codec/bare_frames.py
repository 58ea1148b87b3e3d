"""A compressed frame with nothing but its picture: comments, application data and whatever trails behind are left out.

The code stream itself is passed on bit for bit. What cannot be read so far is refused: nobody could tell what it holds.
"""

from collections.abc import Callable, Iterator

from pacsd.codec.codestream import jpeg2000_start, next_marker
from pacsd.faults import Fault, PacsdError

Bare = Callable[[bytes], bytes]

# T.81 Table B.1, T.87 Table C.1
_EOI, _SOS, _APP0, _APP8, _APP14, _COM = 0xD9, 0xDA, 0xE0, 0xE8, 0xEE, 0xFE
_APPLICATIONS = frozenset(range(0xE0, 0xF0))
_RESTARTS = frozenset(range(0xD0, 0xD8))
_TABLES = frozenset((0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF))      # DHT DAC DQT DNL DRI DHP EXP
_JPEG_FRAMES = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)))
_DROPPED = frozenset((_COM, *_APPLICATIONS, *range(0xF0, 0xF7), *range(0xF9, 0xFE)))
_LS_FRAME, _LS_PARAMETERS = 0xF7, 0xF8
_LS_KEPT_PARAMETERS = (1, 4)             # preset coding parameters, a larger picture; mapping tables are no picture's
_MAX_SEGMENTS = 100_000

# T.800 Table A.2; 0x70 to 0x7D are those of T.801
_J2K_SOT, _J2K_SOD, _J2K_EOC, _J2K_COM = 0x90, 0x93, 0xD9, 0x64
_J2K_KEPT = frozenset((0x50, 0x51, 0x52, 0x53, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x61, 0x63,
                       *range(0x70, 0x7E)))  # fmt: skip


def jpeg(encoded: bytes) -> bytes:
    """A JPEG stream (T.81), hierarchical ones too; of JFIF and Adobe segments what decoders need of them."""
    return b"".join(_jpeg(encoded, stuffed=1))


def jpeg_ls(encoded: bytes) -> bytes:
    """A JPEG-LS stream (T.87)."""
    return b"".join(_jpeg(encoded, stuffed=0x80))


def jpeg_2000(encoded: bytes) -> bytes:
    """A JPEG 2000 or HTJ2K code stream (T.800, T.814) without the boxes of JP2 around it; comments in headers of
    tile-parts are blank, as lengths and pointers count them."""
    return b"".join(_jpeg_2000(encoded, jpeg2000_start(encoded) + 2))


def _jpeg(data: bytes, *, stuffed: int) -> Iterator[bytes]:
    """The segments that stay, each with its marker; `stuffed`: the least second byte of a marker in coded data."""
    if data[:2] != b"\xff\xd8":
        raise _unreadable("a frame is not a JPEG stream")
    yield data[:2]
    at, once = 2, {_APP0, _APP8, _APP14}
    for _ in range(_MAX_SEGMENTS):
        marker, at = next_marker(data, at)
        if marker == _EOI:
            yield b"\xff\xd9"
            return
        end = at + int.from_bytes(data[at : at + 2], "big")
        body = data[at + 2 : end]
        if end < at + 2 or end > len(data):
            raise _unreadable("a JPEG stream is truncated")
        kept = _kept(marker, body) if marker not in _APPLICATIONS or marker in once else None
        if kept is not None:
            once.discard(marker)
            yield bytes((0xFF, marker)) + (len(kept) + 2).to_bytes(2, "big") + kept
        at = end
        if marker == _SOS:
            at = _end_of_scan(data, end, stuffed)
            yield data[end:at]
    raise _unreadable("a JPEG stream of too many segments")


def _kept(marker: int, body: bytes) -> bytes | None:
    """What stays of a segment; None where nothing does."""
    if marker in _TABLES or marker in _JPEG_FRAMES or marker in (_SOS, _LS_FRAME):
        return body
    if marker == _LS_PARAMETERS:
        if body and body[0] in _LS_KEPT_PARAMETERS:
            return body
        raise _unreadable("a JPEG-LS stream has mapping tables")
    if marker == _APP0 and body.startswith(b"JFIF\0") and len(body) >= 14:
        return body[:12] + b"\0\0"           # no thumbnail (T.871 10.1)
    if marker == _APP8 and body.startswith(b"mrfx") and len(body) == 5:
        return body                          # the colour transform of HP's JPEG-LS, which CharLS undoes
    if marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
        return body[:12]
    if marker in _DROPPED:
        return None
    raise _unreadable("a JPEG stream has a marker that no picture needs")


def _end_of_scan(data: bytes, at: int, stuffed: int) -> int:
    """Where the marker stands that ends entropy-coded data; restarts do not."""
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        following = data[at + 1]
        if following == 0xFF:
            at += 1
        elif following < stuffed or following in _RESTARTS:
            at += 2
        else:
            return at
    raise _unreadable("a JPEG stream is truncated")


def _jpeg_2000(data: bytes, at: int) -> Iterator[bytes]:
    yield data[at - 2 : at]
    following = 0                            # behind the tile-part whose header this is; 0 in the main header
    for _ in range(_MAX_SEGMENTS):
        marker, length = data[at + 1 : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if data[at : at + 1] != b"\xff" or not marker:
            break
        if marker[0] == _J2K_EOC and following:
            yield data[at : at + 2]
            return
        if marker[0] == _J2K_SOD and following >= at + 2:
            yield data[at:following]
            at = following
            continue
        if length < 2 or end > len(data):
            break
        if marker[0] == _J2K_SOT:
            following = _end_of_tile_part(data, at)
        if marker[0] == _J2K_COM:
            yield data[at : at + 4] + bytes(length - 2) if following else b""
        elif marker[0] in _J2K_KEPT or marker[0] == _J2K_SOT:
            yield data[at:end]
        else:
            raise _unreadable("a JPEG 2000 code stream has a marker that no picture needs")
        at = end
    raise _unreadable("a JPEG 2000 code stream is truncated, or of too many parts")


def _end_of_tile_part(data: bytes, at: int) -> int:
    """Behind a tile-part; the last one may leave its length open: then it ends at the end of the code stream, and
    coded data hold no such marker (T.800 B.10.1, D.6)."""
    told = int.from_bytes(data[at + 6 : at + 10], "big")
    end = at + told if told else data.find(b"\xff\xd9", at + 12)
    if end < at + 14 or end > len(data):
        raise _unreadable("a JPEG 2000 code stream is truncated")
    return end


def _unreadable(message: str) -> PacsdError:
    return PacsdError(Fault.MALFORMED, message)


_JPEG = "1.2.840.10008.1.2.4."
BARE: dict[str, Bare] = {                # transfer syntaxes whose code streams are passed on
    **{f"{_JPEG}{end}": jpeg for end in (*range(50, 67), 70)},
    **{f"{_JPEG}{end}": jpeg_ls for end in (80, 81)},
    **{f"{_JPEG}{end}": jpeg_2000 for end in (90, 91, 92, 93, 201, 202, 203)},
}
