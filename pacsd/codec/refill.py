"""Native frames made again from lossless HTJ2K code streams, byte for byte (PS3.5 8.1, 8.2.14).

What a code stream does not tell is told by a form: how the cells of the frame were laid out where it was received. One
form serves all frames of an image, and as a rule all images of a series.
"""

from functools import lru_cache

import orjson

from pacsd.codec import native
from pacsd.codec.image_pixel import PixelDescription
from pacsd.codec.pixel_module import PixelModule
from pacsd.codec.pixels import decode_cells
from pacsd.codec.structure import WORD_BYTES, swapped
from pacsd.codec.transfer_syntaxes import HTJ2K_LOSSLESS_RPCL, transfer_syntax
from pacsd.faults import Fault, PacsdError

NATIVE = frozenset(("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"))      # whose frames can be
_WORD = "word_bytes"
# What a form says stands in thin files for good, by these names; on the right what this program calls it.
_SAID = {
    "rows": "rows", "columns": "columns", "samples_per_pixel": "samples_per_pixel", "bits_allocated": "bits_allocated",
    "bits_stored": "bits_stored", "high_bit": "high_bit", "pixel_representation": "pixel_representation",
    "photometric_interpretation": "photometric_interpretation", "planar_configuration": "planar_configuration",
    "number_of_frames": "number_of_frames", "value_type": "value_type",
}  # fmt: skip


def form_of(module: PixelModule, transfer_syntax_uid: str) -> str:
    """How the native frames of an image stand in that transfer syntax.

    Big endian ones are words of the size that the VR has (PS3.5 7.3). Whether a frame is made again by the form is to
    be tried: no form says that of frames which begin inside a word, or whose chrominance is subsampled.
    """
    word = WORD_BYTES.get(module.vr, 1) if transfer_syntax(transfer_syntax_uid).big_endian else 1
    told = {name: getattr(module.description, field) for name, field in _SAID.items()}
    return orjson.dumps({**told, "number_of_frames": 1, _WORD: word}).decode()


def native_frame(form: str, coded: bytes) -> bytes:
    """The frame as it stood, of its code stream. Raises PacsdError MALFORMED, UNSUPPORTED, TOO_MUCH."""
    description, word = _laid_out(form)
    frame = native.encode(decode_cells(coded, HTJ2K_LOSSLESS_RPCL, description), description)
    return frame if word == 1 else swapped(frame, word)


@lru_cache(maxsize=1024)
def _laid_out(form: str) -> tuple[PixelDescription, int]:
    try:
        said = orjson.loads(form)
        word = said.pop(_WORD)
        description = PixelDescription(**{_SAID[name]: value for name, value in said.items()})
        description.check()
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise PacsdError(Fault.MALFORMED, "a form describes no frame") from error
    if word not in (1, *WORD_BYTES.values()):
        raise PacsdError(Fault.MALFORMED, f"a form with words of {word} bytes")
    return description, word
