import numpy as np
import pytest
from pydicom.dataset import Dataset

from pacsd.codec.render import fonts
from pacsd.codec.render.annotation import NO_FONT, Lines, annotated, annotation_lines, shown_name
from pacsd.codec.render.fonts import faces, font_for, has_glyph
from tests.codec.render.images import gray_image, header_of

BLACK = np.zeros((512, 512), np.uint8)


def chinese() -> bool:
    return any(has_glyph(face, "张") for face in faces())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Zhang^San", "Zhang San"), ("Zhang^San=张^三", "张三 (Zhang San)"), ("=张^三", "张三"), ("张^三", "张三"),
        ("Zhang^San=张^三=ㄓㄤ^ㄙㄢ", "张三 (Zhang San)"), ("", ""), ("^^^^", ""), ("Müller^Jürgen", "Müller Jürgen"),
    ],
)  # fmt: skip
def test_names(name, shown):
    assert shown_name(name) == shown


def patient(**attributes) -> Dataset:
    given = {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Zhang^San=张^三", "PatientID": "P1",
             "PatientBirthDate": "19600229", "PatientSex": "M", "StudyDate": "20260102", "Modality": "CT",
             "KVP": "120"}  # fmt: skip
    return gray_image(**{**given, **attributes})


def test_the_keywords_choose_what_is_written():
    header = header_of(patient())
    both = annotation_lines(header, {}, ("patient", "technique"))
    assert both.upper == ("张三 (Zhang San)", "P1", "1960-02-29 M")
    assert both.lower[0].startswith("2026-01-02") and "120 kV" in "".join(both.lower)
    assert annotation_lines(header, {}, ("technique",)).upper == ()
    assert annotation_lines(header, {}, ("patient",)).lower == ()


def test_a_name_in_undeclared_gbk_is_read():
    dataset = patient(SpecificCharacterSet="ISO_IR 100")
    dataset.add_new(0x00100010, "UN", "王^五".encode("gbk"))       # so that pydicom leaves the bytes alone
    assert annotation_lines(header_of(dataset), {}, ("patient",)).upper[0] == "王五"


def test_a_header_that_has_been_looked_at_says_the_same():
    header = header_of(patient())
    assert header.dataset.PatientName and header.dataset.StudyDate
    assert annotation_lines(header, {}, ("patient",)).upper[0] == "张三 (Zhang San)"


def test_a_correction_goes_before_the_object():
    overlay = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Li^Si", "Ideographic": "李^四"}]},
        "00100020": None,
    }
    assert annotation_lines(header_of(patient()), overlay, ("patient",)).upper == ("李四 (Li Si)", "1960-02-29 M")


@pytest.mark.parametrize("size", [(512, 512), (16, 16), (1, 1), (2000, 50)])
@pytest.mark.parametrize("colors", [(), (3,)])
def test_lines_are_burned_in_whatever_the_size(size, colors):
    picture = np.full((*size, *colors), 60, np.uint8)
    shown, warning = annotated(picture, Lines(("Zhang San", "P1"), ("120 kV",)))
    assert shown.shape == picture.shape and warning == ""
    if min(size) >= 50:
        assert (shown != picture).any()


def test_the_upper_and_the_lower_corner():
    upper, _ = annotated(BLACK, Lines(("NAME",), ()))
    lower, _ = annotated(BLACK, Lines((), ("120 kV",)))
    assert upper[:60, :120].any() and not upper[200:].any()
    assert lower[-60:, :120].any() and not lower[:300].any()


@pytest.mark.skipif(not chinese(), reason="no font with Chinese characters is installed")
def test_chinese_names_are_written():
    shown, warning = annotated(BLACK, Lines(("张三",), ()))
    other, _ = annotated(BLACK, Lines(("李四",), ()))
    assert warning == "" and shown.any() and (shown != other).any()


def test_without_a_font_for_them_characters_are_question_marks_and_a_warning_says_so(monkeypatch):
    latin = tuple(face for face in faces() if not has_glyph(face, "张"))
    monkeypatch.setattr(fonts, "faces", lambda: latin)
    assert font_for("张A", 20)[1] == "?A"
    shown, warning = annotated(BLACK, Lines(("张三",), ()))
    expected, _ = annotated(BLACK, Lines(("??",), ()))
    assert warning == NO_FONT and (shown == expected).all()


def test_without_any_font_there_is_still_the_one_inside(monkeypatch):
    monkeypatch.setattr(fonts, "faces", tuple)
    shown, warning = annotated(BLACK, Lines(("Zhang",), ()))
    assert shown.any() and warning == ""
    assert annotated(BLACK, Lines(("张",), ()))[1] == NO_FONT
