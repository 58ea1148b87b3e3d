"""Native frames out of their HTJ2K code streams, byte for byte."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.codec import native
from pacsd.codec.image_pixel import PixelDescription
from pacsd.codec.pixel_module import PixelModule
from pacsd.codec.pixels import encode_frame
from pacsd.codec.refill import form_of, native_frame
from pacsd.codec.structure import swapped
from pacsd.codec.transfer_syntaxes import HTJ2K_LOSSLESS_RPCL
from pacsd.faults import Fault, PacsdError
from tests.codec.images import EXPLICIT, cells_of, descriptions

BIG = "1.2.840.10008.1.2.2"
KEPT_FORM = (                            # as thin files hold them: whatever comes later must read it
    '{"rows":4,"columns":6,"samples_per_pixel":1,"bits_allocated":16,"bits_stored":12,"high_bit":11,"pixel_representation":1,'
    '"photometric_interpretation":"MONOCHROME2","planar_configuration":0,"number_of_frames":1,"value_type":"integer","word_bytes":2}'
)
KEPT_STREAM = bytes.fromhex(
    "ff4fff5100294000000000060000000400000000000000000000000600000004000000000000000000018b0101ff500008000200"
    "00000aff52000c00020001000504044001ff5c00132088909090909090909090909090888888ff64001700014f70656e4a504820"
    "56657220302e32362e332eff550028006000000000001700000000000f00000000000f0000000000170000000000210000000000"
    "25ff90000a0000000000170006ff93c000267bfe02077400ff90000a00000000000f0106ff9300ff90000a00000000000f0206ff"
    "9300ff90000a0000000000170306ff93c00012805002077400ff90000a0000000000210406ff93c00012c0001380f700c774008a"
    "aaa800c23400ff90000a0000000000250506ff93c0002680005500c6c6810b7400ae74c5950018c0775600ffd9"
)


@settings(max_examples=60, deadline=None)
@given(descriptions().filter(lambda one: one.bits_allocated in (8, 16)), st.booleans(), st.booleans())
def test_a_frame_is_made_again_as_it_stood(description: PixelDescription, whole: bool, big: bool) -> None:
    cells = cells_of(description, 1, whole=whole)
    frame = native.encode(cells, description)
    words = big and len(frame) % 2 == 0
    module, syntax = PixelModule(description, "OW"), BIG if words else EXPLICIT
    coded = encode_frame(cells, HTJ2K_LOSSLESS_RPCL, description)
    assert native_frame(form_of(module, syntax), coded) == (swapped(frame, 2) if words else frame)
    assert native_frame(form_of(module, syntax), coded + b"\0") == (swapped(frame, 2) if words else frame)


@pytest.mark.parametrize(
    "form",
    ["", "[]", "{}", '{"rows":1}', '{"rows":1,"columns":1,"word_bytes":3}', '{"rows":"1","columns":1,"word_bytes":1}'],
)
def test_what_describes_no_frame_is_refused(form: str) -> None:
    with pytest.raises(PacsdError) as caught:
        native_frame(form, b"")
    assert caught.value.fault is Fault.MALFORMED


def test_a_stream_of_another_size_is_refused() -> None:
    description = PixelDescription(8, 8, 1, 16, 12, 11)
    coded = encode_frame(cells_of(description, 1), HTJ2K_LOSSLESS_RPCL, description)
    form = orjson.loads(form_of(PixelModule(description, "OW"), EXPLICIT))
    for wrong in ({**form, "rows": 9}, {**form, "samples_per_pixel": 3}, {**form, "rows": 60_000, "columns": 60_000}):
        with pytest.raises(PacsdError):
            native_frame(orjson.dumps(wrong).decode(), coded)
    with pytest.raises(PacsdError):
        native_frame(orjson.dumps(form).decode(), coded[:40])


def test_what_was_kept_once_is_read_for_ever() -> None:
    frame = b"".join(value.to_bytes(2, "big", signed=True) for value in range(-1200, 1200, 100))
    assert native_frame(KEPT_FORM, KEPT_STREAM) == frame
    description = PixelDescription(4, 6, 1, 16, 12, 11, 1)
    assert form_of(PixelModule(description, "OW"), BIG) == KEPT_FORM
