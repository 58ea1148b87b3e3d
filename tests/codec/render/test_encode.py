from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageSequence

from pacsd.codec.render.encode import ENCODERS, GIF, JP2, JPEG, PNG, animated_gif, encode

GRAY = np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8)
RGB = np.stack([GRAY, GRAY[::-1], 255 - GRAY], axis=-1)
FORMATS = {JPEG: "JPEG", PNG: "PNG", JP2: "JPEG2000", GIF: "GIF"}


@pytest.mark.parametrize("media_type", ENCODERS)
@pytest.mark.parametrize("picture", [GRAY, RGB, GRAY[::2, ::-1], GRAY[:1, :1]])
def test_other_readers_see_the_picture(media_type, picture):
    image = Image.open(BytesIO(encode(picture, media_type)))
    assert image.format == FORMATS[media_type]
    assert image.size == (picture.shape[1], picture.shape[0])
    seen = np.asarray(image.convert("L" if picture.ndim == 2 else "RGB"))
    allowed = {PNG: 0, GIF: 0 if picture.ndim == 2 else 40, JPEG: 20, JP2: 20}[media_type]
    assert np.abs(seen.astype(int) - picture).max() <= allowed


@pytest.mark.parametrize("media_type", [JPEG, JP2])
def test_quality_costs_bytes(media_type):
    noise = np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8)
    sizes = [len(encode(noise, media_type, quality)) for quality in (1, 30, 60, 100)]
    assert sizes == sorted(set(sizes))


def test_jpeg_2000_of_quality_100_is_lossless():
    assert (imagecodecs.jpeg2k_decode(encode(RGB, JP2, 100)) == RGB).all()


@pytest.mark.parametrize("picture", [GRAY, RGB])
def test_an_animation_holds_every_frame_and_its_time(picture):
    pictures = [picture, 255 - picture, picture[::-1]]
    image = Image.open(BytesIO(b"".join(animated_gif(iter(pictures), [40.0, 250.0, 0.1].__getitem__))))
    assert image.info["loop"] == 0 and image.n_frames == 3
    for frame, expected, delay in zip(ImageSequence.Iterator(image), pictures, (40, 250, 20), strict=True):
        seen = np.asarray(frame.convert("RGB"))
        wanted = expected if expected.ndim == 3 else np.stack([expected] * 3, axis=-1)
        assert np.abs(seen.astype(int) - wanted).max() <= (0 if expected.ndim == 2 else 40)
        assert frame.info["duration"] == delay


def test_an_animation_takes_one_frame_at_a_time():
    taken = []

    def pictures():
        for number in range(5):
            taken.append(number)
            yield GRAY

    pieces = animated_gif(pictures(), lambda _: 100.0)
    next(pieces)
    assert taken == [0]
    next(pieces)
    assert taken == [0, 1]
