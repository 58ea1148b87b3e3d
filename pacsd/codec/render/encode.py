"""Pictures in the rendered media types of PS3.18 8.7.4: JPEG, PNG, JPEG 2000, GIF (still and animated)."""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO

import imagecodecs
import numpy as np
from PIL import Image

from pacsd.codec.render.picture import Picture

JPEG, PNG, JP2, GIF = "image/jpeg", "image/png", "image/jp2", "image/gif"
DEFAULT_QUALITY = 90
_MAX_SIDE = 65535                        # of a JPEG or GIF
_PNG_LEVEL = 3                           # of zlib: the higher ones take twice the time for a few per cent


def encode(picture: Picture, media_type: str, quality: int | None = None) -> bytes:
    """One picture; `quality` (1 to 100) counts where the format has one."""
    return ENCODERS[media_type](np.ascontiguousarray(picture), quality or DEFAULT_QUALITY)


def _jpeg(picture: Picture, quality: int) -> bytes:
    subsampling = None if picture.ndim == 2 else "444" if quality >= DEFAULT_QUALITY else "420"
    return bytes(imagecodecs.jpeg8_encode(picture, level=quality, subsampling=subsampling))


def _png(picture: Picture, _: int) -> bytes:
    return bytes(imagecodecs.png_encode(picture, level=_PNG_LEVEL))


def _jp2(picture: Picture, quality: int) -> bytes:
    """Lossless at 100, else with the ratio of signal to noise that such a JPEG has, about."""
    level = 0 if quality == 100 else 25 + quality * 3 // 10
    return bytes(imagecodecs.jpeg2k_encode(picture, level=level, codecformat="jp2"))


def _gif(picture: Picture, _: int) -> bytes:
    image = Image.fromarray(picture)
    if image.mode == "RGB":
        image = image.quantize(256, method=Image.Quantize.FASTOCTREE)
    out = BytesIO()
    image.save(out, "GIF", optimize=False)
    return out.getvalue()


ENCODERS: Mapping[str, Callable[[Picture, int], bytes]] = {JPEG: _jpeg, PNG: _png, JP2: _jp2, GIF: _gif}


def animated_gif(pictures: Iterable[Picture], delays_ms: Callable[[int], float]) -> Iterator[bytes]:
    """An endless GIF89a, each frame with its own palette, made as its pictures come: one is in memory at a time.

    All pictures have the size of the first; `delays_ms` tells how long each is shown, from 0.
    """
    for number, picture in enumerate(pictures):
        head, frame = _frame(_gif(np.ascontiguousarray(picture), 0), delays_ms(number))
        yield head + frame if number == 0 else frame
    yield b"\x3b"


def _frame(still: bytes, delay_ms: float) -> tuple[bytes, bytes]:
    """What begins an animation of this size, and the frame of a still GIF (GIF89a 18 to 23, NETSCAPE2.0)."""
    flags = still[10]
    palette_bytes = 3 << (flags & 7) + 1
    palette, at = still[13 : 13 + palette_bytes], 13 + palette_bytes
    while still[at] == 0x21:             # extensions
        at += 2
        while still[at]:
            at += still[at] + 1
        at += 1
    descriptor = still[at : at + 9] + bytes((still[at + 9] & 0x40 | 0x80 | flags & 7,))
    data = still[at + 10 : still.rindex(b"\x3b")]
    hundredths = min(max(round(delay_ms / 10), 2), 65535)        # browsers slow down what is faster than 20 ms
    control = b"\x21\xf9\x04\x04" + struct.pack("<H", hundredths) + b"\0\0"
    screen = b"GIF89a" + still[6:10] + bytes((flags & 0x70, 0, 0))
    return screen + b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0", control + descriptor + palette + data
