import gc
import zlib

import pytest

from pacsd.codec.inflated import Room, held
from pacsd.faults import Fault, PacsdError


def deflated(data: bytes) -> list[bytes]:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return [deflater.compress(data) + deflater.flush()]


def test_room_is_given_back_with_the_last_view():
    room = Room(5_000)
    data = held(deflated(bytes(3_000)), max_bytes=4_000, room=room)
    part = data[:10]
    assert (len(data), room.left_bytes) == (3_000, 2_000)
    with pytest.raises(PacsdError) as refused:
        held(deflated(bytes(3_000)), max_bytes=4_000, room=room)
    assert refused.value.fault is Fault.UNAVAILABLE
    del data
    assert (bytes(part), room.left_bytes) == (bytes(10), 2_000)
    del part
    gc.collect()
    assert room.left_bytes == 5_000


@pytest.mark.parametrize(
    ("chunks", "fault"),
    [(deflated(bytes(5_000)), Fault.TOO_MUCH), ([deflated(bytes(3_000))[0][:-4]], Fault.MALFORMED)],
)
def test_what_fails_holds_nothing_even_while_its_error_is_kept(chunks, fault):
    room = Room(10_000)
    with pytest.raises(PacsdError) as refused:
        held(chunks, max_bytes=4_000, room=room)
    assert refused.value.fault is fault and room.left_bytes == 10_000
    trace = refused.value.__traceback__
    while trace is not None:
        assert not trace.tb_frame.f_locals.get("data")
        trace = trace.tb_next
