"""Colour spaces of pictures (PS3.18 8.3.5.1.5): profiles of the three named ones, conversion, embedding."""

import struct
import zlib
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from pacsd.codec.render.image_header import ImageHeader
from pacsd.codec.render.picture import Picture
from pacsd.codec.render.values import items

# Colorants under D50 (XYZ of red, green and blue) and gamma: Adobe RGB (1998) 4.3.5, ROMM RGB (ISO 22028-2).
_SPACES = {
    "adobergb": (
        "Adobe RGB (1998) compatible", 2.19921875,
        ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    ),
    "rommrgb": (
        "ROMM RGB", 1.8,
        ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)),
    ),
}  # fmt: skip
_D50 = (0.9642, 1.0, 0.82491)
_APP2_BYTES = 65519                      # of a profile, in one marker segment (ICC.1 B.4)


def in_color_space(picture: Picture, wanted: str, own: bytes | None) -> tuple[Picture, bytes | None]:
    """The picture in the colour space that `iccprofile` names, and the profile to embed.

    `own` is the object's ICC Profile. Grey pictures become RGB where a profile is asked for. A profile that cannot
    be used counts as none, and a picture without one as sRGB.
    """
    if wanted in ("", "no"):
        return picture, None
    rgb = picture if picture.ndim == 3 else np.stack((picture,) * 3, axis=-1)
    usable = own if own and _is_usable(own) else None
    if wanted == "yes":
        return rgb, usable or named("srgb")
    source = usable if usable and picture.ndim == 3 else named("srgb")
    target = named(wanted)
    if source == target:
        return rgb, target
    changed = ImageCms.profileToProfile(
        Image.fromarray(np.ascontiguousarray(rgb)), BytesIO(source), BytesIO(target), outputMode="RGB"
    )
    return (rgb if changed is None else np.asarray(changed)), target


def own_profile(header: ImageHeader) -> bytes | None:
    """The ICC Profile of an object or of its first optical path (PS3.3 C.11.15)."""
    for holder in (header.dataset, *items(header.dataset, "OpticalPathSequence")):
        found = holder.get("ICCProfile")
        if isinstance(found, bytes) and found:
            return found
    return None


@cache
def named(space: str) -> bytes:
    """The profile of srgb, adobergb or rommrgb."""
    if space == "srgb":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    name, gamma, colorants = _SPACES[space]
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {
        b"desc": _description(name),
        b"cprt": b"text\0\0\0\0No copyright, use freely\0",
        b"wtpt": _xyz(_D50),
        **{b"%cXYZ" % color: _xyz(one) for color, one in zip(b"rgb", colorants, strict=True)},
        **{b"%cTRC" % color: curve for color in b"rgb"},
    }
    return _profile(tags)


def embedded(encoded: bytes, profile: bytes | None) -> bytes:
    """A JPEG or PNG with the profile in it; other formats as they are."""
    if profile is None:
        return encoded
    if encoded[:2] == b"\xff\xd8":
        return encoded[:2] + _app2(profile) + encoded[2:]
    if encoded[:4] == b"\x89PNG":
        return encoded[:33] + _png_chunk(b"iCCP", b"ICC\0\0" + zlib.compress(profile)) + encoded[33:]
    return encoded


def _app2(profile: bytes) -> bytes:
    pieces = [profile[at : at + _APP2_BYTES] for at in range(0, len(profile), _APP2_BYTES)]
    if len(pieces) > 255:
        return b""
    return b"".join(
        b"\xff\xe2" + struct.pack(">H", len(piece) + 16) + b"ICC_PROFILE\0" + bytes((number, len(pieces))) + piece
        for number, piece in enumerate(pieces, 1)
    )


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _is_usable(profile: bytes) -> bool:
    """Whether it is of RGB (ICC.1 7.2.8) and a way leads from it to another colour space."""
    if profile[16:20] != b"RGB ":
        return False
    try:
        ImageCms.buildTransform(BytesIO(profile), BytesIO(named("srgb")), "RGB", "RGB")
    except (OSError, ImageCms.PyCMSError):
        return False
    return True


def _fixed(number: float) -> bytes:
    return struct.pack(">i", round(number * 65536))


def _xyz(three: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, three))


def _description(name: str) -> bytes:
    text = name.encode("ascii") + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)


def _profile(tags: dict[bytes, bytes]) -> bytes:
    """A version 2 matrix profile (ICC.1:2001-04, 6)."""
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for signature, data in tags.items():
        table += signature + struct.pack(">II", at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI", at + len(body), b"\0\0\0\0", 0x02400000) + b"mntrRGB XYZ "
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(map(_fixed, _D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
