from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pacsd.archive import rendered_image
from pacsd.codec.render.image_header import ImageHeader
from pacsd.codec.render.parameters import Parameters, Viewport
from pacsd.faults import Fault, PacsdError
from tests.codec.render.images import EXPLICIT, gray_image, header_of


@dataclass
class Held:
    """An instance in memory; it counts the frames that are read."""

    header: ImageHeader
    frames: list[bytes]
    ref: Any = field(default_factory=lambda: SimpleNamespace(overlay={}))
    read: list[int] = field(default_factory=list)

    def frame(self, number: int) -> tuple[bytes, str]:
        self.read.append(number)
        return self.frames[number - 1], EXPLICIT


def held(rows: int = 8, columns: int = 8, count: int = 1, **attributes: Any) -> Held:
    header = header_of(gray_image(rows, columns, NumberOfFrames=count, WindowCenter=50, WindowWidth=100, **attributes))
    return Held(header, [np.full((rows, columns), 10 * n, "<u2").tobytes() for n in range(count)])


def opened(rendition) -> Image.Image:
    return Image.open(BytesIO(b"".join(rendition.content)))


@pytest.mark.parametrize(
    ("count", "said", "frame"), [(1, None, 1), (5, None, 3), (4, None, 2), (5, 5, 5), (5, 6, 3), (5, 0, 3)]
)
def test_one_frame_stands_for_all(count, said, frame):
    instance = held(count=count, **({} if said is None else {"RepresentativeFrameNumber": said}))
    [rendition] = rendered_image.render(instance, "image/png", Parameters())
    assert opened(rendition).size == (8, 8) and instance.read == [frame] and rendition.frame is None


def test_only_the_frames_asked_for_are_read_and_each_when_its_turn_comes():
    instance = held(count=5)
    made = rendered_image.frames(instance, [4, 2], "image/png", Parameters())
    assert next(made).frame == 4 and instance.read == [4]
    assert next(made).frame == 2 and instance.read == [4, 2]


def test_a_frame_that_is_not_there():
    with pytest.raises(PacsdError) as refused:
        rendered_image.frames(held(count=2), [3], "image/png", Parameters())
    assert refused.value.fault is Fault.NOT_FOUND


def test_an_animation_reads_a_frame_at_a_time():
    instance = held(count=4, FrameTime=40)
    [rendition] = rendered_image.render(instance, "image/gif", Parameters())
    next(rendition.content)
    assert instance.read == [1]
    [rendition] = rendered_image.render(instance, "image/gif", Parameters())
    image = opened(rendition)
    assert image.n_frames == 4 and image.info["duration"] == 40


@pytest.mark.timeout(120)
def test_large_frames_and_large_viewports_take_turns_and_come_to_an_end():
    large = held(4100, 4100)             # above what decoders and pictures take turns for
    asked = [(large, Parameters(viewport=Viewport(64, 64))), (held(), Parameters(viewport=Viewport(4000, 4000)))] * 2
    with ThreadPoolExecutor(4) as pool:
        made = pool.map(lambda one: opened(next(rendered_image.render(one[0], "image/jpeg", one[1]))).size, asked)
        assert list(made) == [(64, 64), (4000, 4000)] * 2
