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
