from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from pacsd.codec.render.encode import JPEG, PNG, encode
from pacsd.codec.render.icc_profile import embedded, in_color_space, named, own_profile
from tests.codec.render.images import gray_image, header_of, item

GRAY = np.full((4, 4), 100, np.uint8)
GREEN = np.zeros((8, 8, 3), np.uint8) + np.array([60, 200, 90], np.uint8)


@pytest.mark.parametrize(
    ("space", "white", "red"),
    # D50 and the red colorants that the specifications of the spaces print
    [
        ("srgb", (0.9642, 1, 0.8249), (0.4361, 0.2225, 0.0139)),
        ("adobergb", (0.9642, 1, 0.8249), (0.6097, 0.3111, 0.0195)),
        ("rommrgb", (0.9642, 1, 0.8249), (0.7977, 0.2880, 0.0)),
    ],
)
def test_named_profiles_open_and_hold_their_primaries(space, white, red):
    profile = ImageCms.ImageCmsProfile(BytesIO(named(space))).profile
    assert profile.xcolor_space.strip() == "RGB"
    assert profile.red_colorant[0] == pytest.approx(red, abs=0.002)
    total = np.sum([profile.red_colorant[0], profile.green_colorant[0], profile.blue_colorant[0]], axis=0)
    assert total == pytest.approx(white, abs=0.002)


@pytest.mark.parametrize("wanted", ["", "no"])
def test_no_profile_unless_asked(wanted):
    picture, profile = in_color_space(GREEN, wanted, named("adobergb"))
    assert picture is GREEN and profile is None


def test_yes_gives_the_objects_own_or_srgb():
    assert in_color_space(GREEN, "yes", named("adobergb"))[1] == named("adobergb")
    assert in_color_space(GREEN, "yes", None)[1] == named("srgb")
    assert in_color_space(GREEN, "yes", b"no profile")[1] == named("srgb")


def test_conversion_goes_there_and_back():
    there, profile = in_color_space(GREEN, "adobergb", None)
    assert profile == named("adobergb")
    # the green of sRGB needs less of the wider green of Adobe RGB and more of its red
    assert there[0, 0, 0] > 60 + 20 and abs(int(there[0, 0, 1]) - 200) < 12
    back, _ = in_color_space(there, "srgb", profile)
    assert np.abs(back.astype(int) - GREEN).max() <= 2


def test_grey_becomes_rgb_where_a_profile_is_asked_for():
    picture, profile = in_color_space(GRAY, "srgb", None)
    assert picture.shape == (4, 4, 3) and profile == named("srgb")


@pytest.mark.parametrize("media_type", [JPEG, PNG])
def test_other_readers_find_the_profile(media_type):
    encoded = embedded(encode(GREEN, media_type), named("rommrgb"))
    image = Image.open(BytesIO(encoded))
    image.load()
    assert image.info["icc_profile"] == named("rommrgb")


def test_a_profile_of_several_segments():
    long = named("srgb") + bytes(150_000)
    image = Image.open(BytesIO(embedded(encode(GREEN, JPEG), long)))
    assert image.info["icc_profile"] == long


def test_the_profile_of_an_object_or_its_optical_path():
    assert own_profile(header_of(gray_image())) is None
    assert own_profile(header_of(gray_image(ICCProfile=b"1234"))) == b"1234"
    assert own_profile(header_of(gray_image(OpticalPathSequence=[item(ICCProfile=b"5678")]))) == b"5678"


def test_a_broken_profile_counts_as_none():
    """Its header says RGB, and nothing leads anywhere from it."""
    good, picture = named("adobergb"), np.full((2, 2, 3), 100, np.uint8)
    for broken in (good[:200], good[:140] + bytes(len(good) - 140), good[:16] + b"R\xc2B " + good[20:], b"RGB " * 50):
        for wanted in ("yes", "srgb", "rommrgb"):
            changed, profile = in_color_space(picture, wanted, broken)
            expected, plain = in_color_space(picture, wanted, None)
            assert np.array_equal(changed, expected) and profile == plain
