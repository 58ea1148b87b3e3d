import numpy as np
import pytest

from pacsd.codec.render.grayscale import Grayscale
from pacsd.codec.render.picture import picture
from pacsd.codec.render.voi_lut import Window
from pacsd.faults import Fault, PacsdError
from tests.codec.render.images import EXPLICIT, gray_image, header_of, lut_item, shown


def test_monochrome1_is_inverse():
    made = gray_image(PhotometricInterpretation="MONOCHROME1", WindowCenter=50, WindowWidth=100)
    assert shown(made, [0, 100]) == [255, 0]


def test_a_presentation_lut_shape_inverts_once():
    both = gray_image(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    assert shown(both, [0, 100]) == [255, 0]
    assert shown(gray_image(PresentationLUTShape="IDENTITY"), [0, 100]) == [0, 255]


def test_a_modality_lut_of_a_sequence():
    made = gray_image(ModalityLUTSequence=[lut_item([1000, 0, 500], bits=16)], WindowCenter=500, WindowWidth=1001)
    assert shown(made, [0, 1, 2, 3]) == [255, 0, 128, 128]


def test_the_modality_lut_of_a_logarithmic_x_ray_image_is_not_for_display():
    made = gray_image(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.12.1", PixelIntensityRelationship="LOG",
        ModalityLUTSequence=[lut_item([255, 0])], WindowCenter=50, WindowWidth=100,
    )  # fmt: skip
    assert shown(made, [0, 100]) == [0, 255]


@pytest.mark.parametrize("bits", [(32, 0), (32, 1)])
def test_values_of_32_bits(bits):
    made = gray_image(BitsAllocated=32, BitsStored=32, HighBit=31, PixelRepresentation=bits[1])
    low = -2_000_000_000 if bits[1] else 0
    assert shown(made, [low, 2_000_000_000, (low + 2_000_000_000) // 2]) == [0, 255, 128]


@pytest.mark.parametrize(("allocated", "kind"), [(32, np.float32), (64, np.float64)])
def test_float_values(allocated, kind):
    made = gray_image(BitsAllocated=allocated, FloatPixelPaddingValue=-99.0, DoubleFloatPixelPaddingValue=-99.0)
    del made.BitsStored, made.HighBit, made.PixelRepresentation
    setattr(made, "FloatPixelData" if allocated == 32 else "DoubleFloatPixelData", b"")
    header = header_of(made)
    values = np.array([[0.0, 0.5, 1.0, np.nan, np.inf, -99.0]], kind)
    assert list(picture(header, values, 1, EXPLICIT)[0][:3]) == [0, 128, 255]


def test_many_pixels_go_the_same_way_whatever_their_width():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    way = Grayscale(voi=Window(30000, 5000))
    assert (way.apply(values) == way.apply(values.astype(np.uint32))).all()


def test_the_order_is_modality_then_voi_then_presentation():
    values = np.array([[0, 1, 2]], np.uint16)
    made = gray_image(
        ModalityLUTSequence=[lut_item([2, 0, 1])],
        VOILUTSequence=[lut_item([10, 20, 30])],
        PresentationLUTShape="INVERSE",
    )
    assert list(picture(header_of(made), values, 1, EXPLICIT)[0]) == [255 - 30, 255 - 10, 255 - 20]


@pytest.mark.parametrize(
    ("descriptor", "data"),
    [([], b""), ([4, 0, 8], b""), ([4, 0, 99], b"\0" * 8), ([0, 0, 16], b"\0" * 100)],
)
def test_a_broken_table_is_refused(descriptor, data):
    broken = lut_item([1])
    broken.LUTDescriptor = descriptor
    broken.add_new(0x00283006, "OW", data)
    with pytest.raises(PacsdError) as refused:
        shown(gray_image(VOILUTSequence=[broken]), [0])
    assert refused.value.fault is Fault.MALFORMED


def test_tables_in_implicit_vr_with_ambiguous_vrs():
    made = gray_image(PixelRepresentation=1, BitsStored=16, HighBit=15, PixelPaddingValue=-5)
    header = header_of(made, implicit=True)
    assert list(picture(header, np.array([[-5, 0, 10]], np.int16), 1, EXPLICIT)[0]) == [0, 0, 255]
