"""Every transfer syntax of PS3.5 Annex A and PS3.6 Annex A (2026a), retired ones too, as one table.

`preference` orders the choice within one presentation context, lowest first: lossless and uncompressed, then
lossless compressed, lossy last. A modality compresses to what is picked, so a lossy syntax must never win
while a lossless one is offered.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"

# The steps of `preference`; entries of one step keep the order of the table.
_UNCOMPRESSED, _DATASET, _LOSSLESS, _EITHER, _UNKNOWN, _LOSSY, _VIDEO, _REFERENCED = range(0, 800, 100)


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """How a data set is written (PS3.5 section 10).

    `encapsulated` speaks of Pixel Data (PS3.5 A.4); `deflated` of the whole data set (PS3.5 A.5); `lossy` is
    true where the syntax allows loss, though an object in it may be lossless (JPEG 2000 .91). `decoded` and
    `encoded`: whether pixels are read from it and written in it here.
    """

    uid: str
    name: str
    implicit: bool = False
    big_endian: bool = False
    deflated: bool = False
    encapsulated: bool = False
    lossy: bool = False
    video: bool = False
    retired: bool = False
    known: bool = True
    decoded: bool = False
    encoded: bool = False
    preference: int = _UNKNOWN


def _native(uid: str, name: str, preference: int, **how: bool) -> TransferSyntax:
    return TransferSyntax(uid, name, preference=preference, **how)


def _compressed(uid: str, name: str, preference: int, **how: bool) -> TransferSyntax:
    lossy = preference in (_LOSSY, _EITHER, _VIDEO)
    return TransferSyntax(uid, name, encapsulated=True, lossy=lossy, preference=preference, **how)


def _video(uid: str, name: str) -> TransferSyntax:
    return _compressed(uid, name, _VIDEO, video=True)


_JPEG = "1.2.840.10008.1.2.4."

_DECLARED: tuple[TransferSyntax, ...] = (
    _native(EXPLICIT_VR_LITTLE_ENDIAN, "Explicit VR Little Endian", _UNCOMPRESSED),
    _native(IMPLICIT_VR_LITTLE_ENDIAN, "Implicit VR Little Endian", _UNCOMPRESSED, implicit=True),
    _native(EXPLICIT_VR_BIG_ENDIAN, "Explicit VR Big Endian", _UNCOMPRESSED, big_endian=True, retired=True),
    _compressed(
        "1.2.840.10008.1.2.1.98", "Encapsulated Uncompressed Explicit VR Little Endian", _UNCOMPRESSED
    ),
    _native(
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, "Deflated Explicit VR Little Endian", _DATASET, deflated=True
    ),
    _compressed("1.2.840.10008.1.2.8.1", "Deflated Image Frame Compression", _LOSSLESS),
    _compressed("1.2.840.10008.1.2.5", "RLE Lossless", _LOSSLESS),
    _compressed(_JPEG + "201", "High-Throughput JPEG 2000 Image Compression (Lossless Only)", _LOSSLESS),
    _compressed(
        _JPEG + "202",
        "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)",
        _LOSSLESS,
    ),
    _compressed(_JPEG + "80", "JPEG-LS Lossless Image Compression", _LOSSLESS),
    _compressed(_JPEG + "90", "JPEG 2000 Image Compression (Lossless Only)", _LOSSLESS),
    _compressed(
        _JPEG + "70",
        "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])",
        _LOSSLESS,
    ),
    _compressed(_JPEG + "57", "JPEG Lossless, Non-Hierarchical (Process 14)", _LOSSLESS),
    _compressed(_JPEG + "110", "JPEG XL Lossless", _LOSSLESS),
    _compressed(
        _JPEG + "92", "JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)", _LOSSLESS
    ),
    _compressed(_JPEG + "58", "JPEG Lossless, Non-Hierarchical (Process 15)", _LOSSLESS, retired=True),
    _compressed(_JPEG + "65", "JPEG Lossless, Hierarchical (Process 28)", _LOSSLESS, retired=True),
    _compressed(_JPEG + "66", "JPEG Lossless, Hierarchical (Process 29)", _LOSSLESS, retired=True),
    # May be lossless or lossy: after everything that is sure to be lossless.
    _compressed(_JPEG + "203", "High-Throughput JPEG 2000 Image Compression", _EITHER),
    _compressed(_JPEG + "91", "JPEG 2000 Image Compression", _EITHER),
    _compressed(_JPEG + "93", "JPEG 2000 Part 2 Multi-component Image Compression", _EITHER),
    _compressed(_JPEG + "112", "JPEG XL", _EITHER),
    _compressed(_JPEG + "81", "JPEG-LS Lossy (Near-Lossless) Image Compression", _EITHER),
    _compressed(_JPEG + "111", "JPEG XL JPEG Recompression", _LOSSY),
    _compressed(_JPEG + "51", "JPEG Extended (Process 2 and 4)", _LOSSY),
    _compressed(_JPEG + "50", "JPEG Baseline (Process 1)", _LOSSY),
    _compressed(_JPEG + "52", "JPEG Extended (Process 3 and 5)", _LOSSY, retired=True),
    _compressed(
        _JPEG + "53", "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)", _LOSSY, retired=True
    ),
    _compressed(
        _JPEG + "54", "JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)", _LOSSY, retired=True
    ),
    _compressed(
        _JPEG + "55", "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)", _LOSSY, retired=True
    ),
    _compressed(
        _JPEG + "56", "JPEG Full Progression, Non-Hierarchical (Process 11 and 13)", _LOSSY, retired=True
    ),
    _compressed(_JPEG + "59", "JPEG Extended, Hierarchical (Process 16 and 18)", _LOSSY, retired=True),
    _compressed(_JPEG + "60", "JPEG Extended, Hierarchical (Process 17 and 19)", _LOSSY, retired=True),
    _compressed(
        _JPEG + "61", "JPEG Spectral Selection, Hierarchical (Process 20 and 22)", _LOSSY, retired=True
    ),
    _compressed(
        _JPEG + "62", "JPEG Spectral Selection, Hierarchical (Process 21 and 23)", _LOSSY, retired=True
    ),
    _compressed(
        _JPEG + "63", "JPEG Full Progression, Hierarchical (Process 24 and 26)", _LOSSY, retired=True
    ),
    _compressed(
        _JPEG + "64", "JPEG Full Progression, Hierarchical (Process 25 and 27)", _LOSSY, retired=True
    ),
    _video(_JPEG + "100", "MPEG2 Main Profile / Main Level"),
    _video(_JPEG + "100.1", "Fragmentable MPEG2 Main Profile / Main Level"),
    _video(_JPEG + "101", "MPEG2 Main Profile / High Level"),
    _video(_JPEG + "101.1", "Fragmentable MPEG2 Main Profile / High Level"),
    _video(_JPEG + "102", "MPEG-4 AVC/H.264 High Profile / Level 4.1"),
    _video(_JPEG + "102.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1"),
    _video(_JPEG + "103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1"),
    _video(_JPEG + "103.1", "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1"),
    _video(_JPEG + "104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video"),
    _video(_JPEG + "104.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video"),
    _video(_JPEG + "105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video"),
    _video(_JPEG + "105.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video"),
    _video(_JPEG + "106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2"),
    _video(_JPEG + "106.1", "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2"),
    _video(_JPEG + "107", "HEVC/H.265 Main Profile / Level 5.1"),
    _video(_JPEG + "108", "HEVC/H.265 Main 10 Profile / Level 5.1"),
    # Pixel Data stays elsewhere (JPIP, PS3.22 real-time): last, the object alone is not complete.
    _native(_JPEG + "94", "JPIP Referenced", _REFERENCED),
    _native(_JPEG + "95", "JPIP Referenced Deflate", _REFERENCED, deflated=True),
    _native(_JPEG + "204", "JPIP HTJ2K Referenced", _REFERENCED),
    _native(_JPEG + "205", "JPIP HTJ2K Referenced Deflate", _REFERENCED, deflated=True),
    _native("1.2.840.10008.1.2.7.1", "SMPTE ST 2110-20 Uncompressed Progressive Active Video", _REFERENCED),
    _native("1.2.840.10008.1.2.7.2", "SMPTE ST 2110-20 Uncompressed Interlaced Active Video", _REFERENCED),
    _native("1.2.840.10008.1.2.7.3", "SMPTE ST 2110-30 PCM Digital Audio", _REFERENCED),
    _native("1.2.840.10008.1.2.6.1", "RFC 2557 MIME encapsulation", _REFERENCED, retired=True),
    _native("1.2.840.10008.1.2.6.2", "XML Encoding", _REFERENCED, retired=True),
    _native(
        "1.2.840.10008.1.20", "Papyrus 3 Implicit VR Little Endian", _EITHER, implicit=True, retired=True
    ),
)

_ENCODED = frozenset((
    IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1", "1.2.840.10008.1.2.5",
    *(_JPEG + end for end in ("50", "51", "57", "70", "80", "81", "90", "91", "201", "202", "203")),
))  # fmt: skip
_DECODED = _ENCODED | {_JPEG + end for end in ("52", "53", "54", "55", "56")}

TRANSFER_SYNTAXES: tuple[TransferSyntax, ...] = tuple(
    replace(syntax, decoded=syntax.uid in _DECODED, encoded=syntax.uid in _ENCODED) for syntax in _DECLARED
)
HTJ2K_LOSSLESS_RPCL = _JPEG + "202"
_ALSO = {
    HTJ2K_LOSSLESS_RPCL: (_JPEG + "201", _JPEG + "203"),
    _JPEG + "201": (_JPEG + "203",),
}
_BY_UID: dict[str, TransferSyntax] = {syntax.uid: syntax for syntax in TRANSFER_SYNTAXES}
_RANK: dict[str, tuple[int, int]] = {s.uid: (s.preference, n) for n, s in enumerate(_DECLARED)}


def transfer_syntax(uid: str) -> TransferSyntax:
    """The declared syntax; an unknown or private UID counts as encapsulated explicit VR little endian.

    That is what every syntax since 1993 but the three uncompressed ones has been (PS3.5 A.4).
    """
    return _BY_UID.get(uid) or TransferSyntax(uid, "Unknown", encapsulated=True, lossy=True, known=False)


def satisfies(stored: str, wanted: str) -> bool:
    """Whether what is stored in one syntax is what another asks for, byte for byte (PS3.5 8.2.14, 10.17, 10.18).

    An HTJ2K code stream that is lossless and in RPCL order is one that is lossless, and either is one that need not be.
    """
    return stored == wanted or wanted in _ALSO.get(stored, ())


def preferred(uids: Iterable[str]) -> str:
    """Which of the proposed syntaxes a storage SCP accepts (PS3.8 9.3.3.2); of equal ones the first proposed.

    Raises ValueError when nothing is proposed.
    """
    return min(uids, key=lambda uid: _RANK.get(uid, (_UNKNOWN, 0)))
