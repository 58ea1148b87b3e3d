"""Every real file with pixels, and what DCMTK makes of some of them."""

import shutil
import subprocess
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pacsd.codec.render.canvas import aspect_ratio, placement
from pacsd.codec.render.encode import JPEG, PNG, encode
from tests.clients import require
from tests.codec.render.images import Loaded, images_below

COMPARED = {                             # file -> how dcm2pnm is told to do what the object itself says
    "series_ct_phantom_28_slices/I100.dcm": ["+Wi", "1"],
    "modality/dx/dx_image.dcm": [],
    "modality/nm/nm1_jpeg_lossless.dcm": ["+Wm"],
    "modality/seg/ct_3slice/01.dcm": ["+Wi", "1"],
    "modality/us/OBXXXX1A_rle_2frame.dcm": [],
    "modality/us/examples_palette.dcm": [],
    "modality/us/examples_ybr_color.dcm": [],
    "study_xa_multiframe_with_ko/images/000000.dcm": [],
    "study_mr_2series_with_ko/images/000000.dcm": ["+Wi", "1"],
    "transfer_syntax/small/MR_small.dcm": ["+Wi", "1"],
    "transfer_syntax/small/SC_rgb_rle_16bit_2frame.dcm": [],
    "transfer_syntax/same_ct_in_many/ct_1.2.840.10008.1.2.4.70_JPEGProcess14SV1.dcm": ["+Wi", "1"],
}


def test_every_file_with_pixels_has_pictures_of_the_right_size(data_folder):
    files = 0
    for path, loaded in images_below(data_folder / "dicom"):
        description = loaded.header.description
        files += 1
        for number in {1, description.number_of_frames}:
            source = loaded.picture(number)
            assert source.shape[:2] == (description.rows, description.columns), path
            place = placement(*source.shape[:2], None, aspect=aspect_ratio(loaded.header.dataset))
            for media_type in (JPEG, PNG):
                image = Image.open(BytesIO(encode(place.apply(source), media_type)))
                assert image.size == (place.width, place.height), path
                assert image.size[0] >= description.columns and image.size[1] >= description.rows, path
    assert files > 80


@pytest.mark.parametrize("name", COMPARED)
def test_pictures_are_those_of_dcmtk(name, data_folder, tmp_path):
    require("dcm2pnm", "dcmj2pnm")
    path, out = data_folder / "dicom" / name, tmp_path / "theirs.pnm"
    command = [shutil.which("dcmj2pnm"), "-q", "-O", *COMPARED[name], path, out]
    subprocess.run(command, check=True, capture_output=True)
    theirs = np.asarray(Image.open(BytesIO(out.read_bytes()))).astype(int)
    mine = Loaded(path.read_bytes()).picture().astype(int)
    difference = np.abs(mine - theirs)
    assert difference.max() <= 2 and difference.mean() < 1       # DCMTK cuts off where we round


def test_one_picture_whatever_the_byte_order(data_folder):
    small = data_folder / "dicom" / "transfer_syntax" / "small"
    names = "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm"
    first, *others = (Loaded((small / name).read_bytes()).picture() for name in names)
    assert all((first == other).all() for other in others)
