import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from pacsd.codec.render.graphic_annotation import LEFT_OUT, MAX_POINTS, drawn
from pacsd.codec.render.presentation_state import PresentationState, Reference
from pacsd.codec.render.spatial import Spatial
from pacsd.codec.render.values import items
from pacsd.faults import Fault, PacsdError
from tests.clients import require
from tests.codec.render.images import EXPLICIT, Loaded, gray_image, header_of, item, lut_item
from tests.codec.render.states import displayed_area, presentation_state, window

SOP = "1.2.3.4"


def image(rows=4, columns=4, **attributes):
    made = gray_image(rows, columns, **attributes)
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = "1.2", "1.2.3", SOP
    return made


def state_of(made, **attributes):
    return PresentationState(header_of(presentation_state(made, **attributes)))


def seen(made, values, number=1, **attributes):
    """The grey of stored values under a state with these attributes."""
    frame = np.array([values], np.uint16)
    picture = state_of(made, **attributes).picture(header_of(made), frame, number, EXPLICIT, SOP)
    return [int(one) for one in picture[0]]


def test_the_state_replaces_what_the_image_says_also_where_it_says_nothing():
    made = image(WindowCenter=1, WindowWidth=1, RescaleSlope=3, PhotometricInterpretation="MONOCHROME1")
    assert seen(made, [0, 2048, 4095]) == [0, 128, 255]
    assert seen(made, [0, 2048, 4095], PresentationLUTShape="INVERSE") == [255, 127, 0]


def test_its_modality_voi_and_presentation_luts():
    assert seen(image(), [0, 1, 2], ModalityLUTSequence=[lut_item([255, 0, 128])]) == [255, 0, 128]
    assert seen(image(), [0, 100], SoftcopyVOILUTSequence=[window(50, 100)]) == [0, 255]
    table = lut_item([200, 100])
    assert seen(image(), [0, 4095], PresentationLUTSequence=[table]) == [200, 100]


def test_windows_of_some_images_and_frames_only():
    first, other = window(50, 100), window(5000, 10)
    first.ReferencedImageSequence = [item(ReferencedSOPInstanceUID=SOP, ReferencedFrameNumber=2)]
    other.ReferencedImageSequence = [item(ReferencedSOPInstanceUID="9.9")]
    made = image(NumberOfFrames=2)
    assert seen(made, [100], number=2, SoftcopyVOILUTSequence=[first, other]) == [255]
    assert seen(made, [100], number=1, SoftcopyVOILUTSequence=[first, other]) == [6]


def test_references():
    assert state_of(image(), frames=[3, 1]).references() == [Reference("1.2.3", SOP, (3, 1))]
    with pytest.raises(PacsdError) as refused:
        state_of(image(), ReferencedSeriesSequence=[]).references()
    assert refused.value.fault is Fault.MALFORMED


def test_an_overlay_is_shown_where_its_group_is_activated():
    made = image(2, 2, BitsAllocated=16)
    for element, vr, value in ((0x10, "US", 2), (0x11, "US", 2), (0x50, "SS", [1, 1]), (0x100, "US", 1),
                               (0x102, "US", 0), (0x3000, "OW", b"\x09\0")):  # fmt: skip
        made.add_new(0x60000000 | element, vr, value)
    state = presentation_state(made)
    frame = np.zeros((2, 2), np.uint16)
    plain = PresentationState(header_of(state)).picture(header_of(made), frame, 1, EXPLICIT, SOP)
    assert not plain.any()
    state.add_new(0x60001001, "CS", "L1")
    state.GraphicLayerSequence = [item(GraphicLayer="L1", GraphicLayerOrder=1,
                                       GraphicLayerRecommendedDisplayGrayscaleValue=0x8000)]  # fmt: skip
    shown = PresentationState(header_of(state)).picture(header_of(made), frame, 1, EXPLICIT, SOP)
    assert shown.tolist() == [[128, 0], [0, 128]]


def test_a_pseudo_colour_state():
    colors = {"PixelRepresentation": 0}      # only for pydicom, to write the descriptors
    for color, entries in (("Red", range(256)), ("Green", [0] * 256), ("Blue", range(255, -1, -1))):
        colors[f"{color}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        colors[f"{color}PaletteColorLookupTableData"] = np.array(entries, "<u2").tobytes()
    frame = np.array([[0, 4095]], np.uint16)
    picture = state_of(image(), **colors).picture(header_of(image()), frame, 1, EXPLICIT, SOP)
    assert picture[0].tolist() == [[0, 0, 255], [255, 0, 0]]


@pytest.mark.parametrize(
    ("corners", "area"), [((1, 1, 4, 4), (0, 0, 4, 4)), ((4, 1, 2, 3), (1, 0, 4, 3)), ((-3, 0, 9, 9), (-4, -1, 9, 9))]
)
def test_the_displayed_area_has_corners_of_the_turned_image(corners, area):
    state = state_of(image(), DisplayedAreaSelectionSequence=[displayed_area(*corners)])
    found = state.displayed_area(header_of(image()), 1, SOP)
    assert (found.left, found.top, found.right, found.bottom) == area


def test_the_mode_magnify_and_pixels_that_are_not_square():
    area = displayed_area(
        1, 1, 4, 4, PresentationSizeMode="MAGNIFY", PresentationPixelMagnificationRatio=2.5,
        PresentationPixelAspectRatio=[2, 1],
    )  # fmt: skip
    found = state_of(image(), DisplayedAreaSelectionSequence=[area]).displayed_area(header_of(image()), 1, SOP)
    assert found.magnification == 2.5 and found.aspect == 2.0


def graphics(*objects, texts=()):
    annotation = item(GraphicLayer="L1", GraphicObjectSequence=list(objects), TextObjectSequence=list(texts))
    layer = item(GraphicLayer="L1", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayGrayscaleValue=65535)
    return {"GraphicAnnotationSequence": [annotation], "GraphicLayerSequence": [layer]}


def graphic(kind, data, *, units="PIXEL", filled="N"):
    count = min(len(data) // 2, 65535)
    return item(GraphicAnnotationUnits=units, GraphicDimensions=2, NumberOfGraphicPoints=count, GraphicData=data,
                GraphicType=kind, GraphicFilled=filled)  # fmt: skip


def draw(*objects, texts=(), size=100):
    made = image(size, size)
    state = PresentationState(header_of(presentation_state(made, **graphics(*objects, texts=texts)), implicit=True))
    return drawn(np.zeros((size, size), np.uint8), state, SOP, 1, pixel=lambda at: at,
                 display=lambda at: (at[0] * size, at[1] * size))  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "data", "on", "off"),
    [
        ("POINT", [50, 40], [(40, 50)], [(50, 40), (40, 60)]),
        ("POLYLINE", [10, 20, 90, 20], [(20, 10), (20, 50), (20, 90)], [(30, 50)]),
        ("CIRCLE", [50, 50, 80, 50], [(50, 80), (80, 50), (20, 50), (50, 20)], [(50, 50)]),
        ("ELLIPSE", [10, 50, 90, 50, 50, 40, 50, 60], [(50, 10), (50, 90), (40, 50), (60, 50)], [(50, 50), (20, 50)]),
        ("INTERPOLATED", [10, 10, 50, 50, 90, 10], [(10, 10), (50, 50), (10, 90)], [(90, 50)]),
    ],
)
def test_graphics(kind, data, on, off):
    picture, warning = draw(graphic(kind, data))
    assert warning == ""
    assert all(picture[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].any() for row, column in on)
    assert not any(picture[row - 1 : row + 2, column - 1 : column + 2].any() for row, column in off)


def test_filled_graphics_and_those_in_units_of_the_display():
    picture, _ = draw(graphic("CIRCLE", [0.5, 0.5, 0.8, 0.5], units="DISPLAY", filled="Y"))
    assert picture[50, 50] == 255 and picture[50, 75] == 255 and picture[10, 10] == 0


def test_text_in_its_box_and_at_its_anchor():
    boxed = item(UnformattedTextValue="AB", BoundingBoxAnnotationUnits="PIXEL", BoundingBoxTopLeftHandCorner=[60, 10],
                 BoundingBoxBottomRightHandCorner=[95, 30], BoundingBoxTextHorizontalJustification="LEFT")  # fmt: skip
    picture, _ = draw(texts=[boxed])
    assert picture[10:35, 60:].any() and not picture[50:].any() and not picture[:, :50].any()
    anchored = item(UnformattedTextValue="AB", AnchorPointAnnotationUnits="PIXEL", AnchorPoint=[5, 70])
    picture, _ = draw(texts=[anchored])
    assert picture[65:, :40].any() and not picture[:60].any()


@pytest.mark.parametrize("data", [[1e30, 1e30, -1e30, 1e30], [0, 0], [5], [1e9, 0, -1e9, 0, 1e9, 1e9]])
@pytest.mark.parametrize("kind", ["POINT", "POLYLINE", "CIRCLE", "ELLIPSE", "INTERPOLATED", "CONE"])
@pytest.mark.timeout(20)
def test_graphics_from_hostile_numbers_take_no_time(kind, data):
    assert draw(graphic(kind, data), graphic(kind, data, filled="Y"))[0].shape == (100, 100)


def test_more_points_than_anybody_needs_are_not_drawn():
    picture, warning = draw(graphic("POLYLINE", [50.0, 50.0] * (MAX_POINTS + 1)))
    assert not picture.any() and warning == LEFT_OUT


@pytest.mark.timeout(20)
def test_more_text_and_larger_areas_than_anybody_needs_are_not_drawn():
    """Whoever draws keeps others from drawing."""
    said = item(UnformattedTextValue="AB" * 30_000, AnchorPointAnnotationUnits="PIXEL", AnchorPoint=[5, 70])
    picture, warning = draw(texts=[said] * 100)
    assert picture.any() and warning == LEFT_OUT
    picture, warning = draw(*[graphic("CIRCLE", [50, 50, 90, 50], filled="Y")] * 600)
    assert picture.any() and warning == LEFT_OUT


@pytest.mark.parametrize(
    ("declared", "codec"), [("GB18030", "gb18030"), ("ISO_IR 100", "gbk"), ("ISO_IR 192", "utf_8"), ("", "gb18030")]
)
def test_the_text_of_an_item_is_decoded_as_that_of_the_header(declared, codec):
    said = Dataset()
    said.add_new("UnformattedTextValue", "ST", "右肺结节".encode(codec).decode("latin_1"))
    header = header_of(gray_image(GraphicAnnotationSequence=[item(TextObjectSequence=[said])]))
    header._raw[0x00080005] = "CS", declared.encode()
    [within] = items(items(header.dataset, "GraphicAnnotationSequence")[0], "TextObjectSequence")
    assert header.text_of(within, "UnformattedTextValue") == "右肺结节"


def with_dcmtk(state: Path, image: Path) -> np.ndarray:
    """What DCMTK makes of the values, rotation and flip of a state."""
    require("dcmp2pgm")
    out = state.with_suffix(".pgm")
    subprocess.run([shutil.which("dcmp2pgm"), "-q", "-p", state, image, out], check=True, capture_output=True)
    return np.asarray(Image.open(BytesIO(out.read_bytes())))


def ours(state: Path, image: Path) -> np.ndarray:
    loaded, made = Loaded(image.read_bytes()), PresentationState(Loaded(state.read_bytes()).header)
    sop = made.references()[0].sop_instance_uid
    picture = made.picture(loaded.header, loaded.frame(1), 1, loaded.transfer_syntax_uid, sop)
    return Spatial(made.displayed_area(loaded.header, 1, sop), made.rotation, made.flipped).apply(picture)


def test_scrambled_luts_end_up_as_dcmtk_has_them(data_folder, tmp_path):
    folder = data_folder / "dicom" / "modality" / "pr"
    state = Path(shutil.copy(folder / "prLUTs.dcm", tmp_path / "state.dcm"))
    assert (ours(state, folder / "imageForPrLUTs.dcm") == with_dcmtk(state, folder / "imageForPrLUTs.dcm")).all()


@pytest.mark.parametrize(
    "attributes",
    [
        {}, {"ImageRotation": 90, "ImageHorizontalFlip": "N"}, {"ImageRotation": 270, "ImageHorizontalFlip": "Y"},
        {"ImageRotation": 180, "ImageHorizontalFlip": "Y"}, {"PresentationLUTShape": "INVERSE"},
        {"SoftcopyVOILUTSequence": [window(40, 400)], "RescaleSlope": "1", "RescaleIntercept": "-1024",
         "RescaleType": "HU"},
    ],
)  # fmt: skip
def test_states_of_a_ct_end_up_as_dcmtk_has_them(attributes, data_folder, tmp_path):
    image = data_folder / "dicom" / "series_ct_phantom_28_slices" / "I100.dcm"
    made = presentation_state(pydicom.dcmread(image, stop_before_pixels=True), **attributes)
    made.save_as(tmp_path / "state.dcm", enforce_file_format=True)
    mine, theirs = ours(tmp_path / "state.dcm", image), with_dcmtk(tmp_path / "state.dcm", image)
    assert mine.shape == theirs.shape
    assert np.abs(mine.astype(int) - theirs).max() <= 1
