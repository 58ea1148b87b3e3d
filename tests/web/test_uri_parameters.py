import pytest

from pacsd.codec.render.parameters import Parameters, Viewport
from pacsd.codec.render.voi_lut import Window
from pacsd.web.problem import HttpError
from pacsd.web.uri_parameters import uri_request

ASKED = {"requestType": "WADO", "studyUID": "1.2", "seriesUID": "1.3", "objectUID": "1.4"}


def read(**more):
    return uri_request([*ASKED.items(), *more.items()])


def test_the_three_uids_and_nothing_else():
    found = read(unknown="x")
    assert found.uids == ("1.2", "1.3", "1.4") and found.ranges == () and found.rendering == Parameters()


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("value", [None, ""])
def test_a_mandatory_parameter_is_missing(name, value):
    given = {key: one for key, one in ASKED.items() if key != name} | ({} if value is None else {name: value})
    with pytest.raises(HttpError) as refused:
        uri_request(given.items())
    assert refused.value.status == 400 and name in refused.value.detail


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"requestType": "XDS"}, "requestType"),
        ({"studyUID": "../x"}, "studyUID"),
        ({"objectUID": "1." * 60}, "objectUID"),
        ({"contentType": "nonsense"}, "contentType"),
        ({"contentType": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"}, "contentType"),
        ({"contentType": "application/dicom; charset=utf-8"}, "contentType"),
        ({"anonymize": "no"}, "anonymize"),
        ({"transferSyntax": "jpeg"}, "transferSyntax"),
        ({"transferSyntax": "1.2,1.3"}, "transferSyntax"),
        ({"annotation": "name"}, "annotation"),
        ({"imageQuality": "0"}, "imageQuality"),
        ({"imageQuality": "101"}, "imageQuality"),
        ({"imageQuality": "-1"}, "imageQuality"),
        ({"frameNumber": "0"}, "frameNumber"),
        ({"frameNumber": "1,2"}, "frameNumber"),
        ({"frameNumber": "²"}, "frameNumber"),
        ({"rows": "0"}, "rows"),
        ({"rows": "1e3"}, "rows"),
        ({"rows": "999999999", "columns": "999999999"}, "viewport"),
        ({"rows": "999999999"}, "viewport"),
        ({"region": "0,0,1"}, "region"),
        ({"region": "0,0,1,1,1"}, "region"),
        ({"region": "0.5,0,0.5,1"}, "region"),
        ({"region": "0,0.6,1,0.5"}, "region"),
        ({"region": "0,0,1.01,1"}, "region"),
        ({"region": "-0.1,0,1,1"}, "region"),
        ({"region": "nan,0,1,1"}, "region"),
        ({"windowCenter": "40"}, "windowCenter"),
        ({"windowWidth": "400"}, "windowCenter"),
        ({"windowCenter": "x", "windowWidth": "400"}, "windowCenter"),
        ({"windowCenter": "40", "windowWidth": "0"}, "windowWidth"),
        ({"presentationUID": "1.5"}, "presentationSeriesUID"),
        ({"presentationSeriesUID": "1.5"}, "presentationUID"),
        ({"presentationSeriesUID": "1.5", "presentationUID": "1.6", "frameNumber": "1"}, "presentation"),
        ({"presentationSeriesUID": "1.5", "presentationUID": "1.6", "windowCenter": "4", "windowWidth": "9"}, "window"),
    ],
)
def test_what_the_clauses_forbid_is_a_bad_request(more, word):
    with pytest.raises(HttpError) as refused:
        uri_request({**ASKED, **more}.items())
    assert refused.value.status == 400 and word in refused.value.detail


def test_a_parameter_twice_is_a_bad_request():
    with pytest.raises(HttpError) as refused:
        uri_request([*ASKED.items(), ("rows", "1"), ("rows", "2")])
    assert refused.value.status == 400


def test_deidentification_is_refused_clearly():
    with pytest.raises(HttpError) as refused:
        read(anonymize="yes")
    assert refused.value.status == 501 and "de-identify" in refused.value.detail


def test_rendering_parameters():
    found = read(annotation="patient,technique", imageQuality="80", rows="100", columns="200", region="0,.25,.5,1",
                 windowCenter="-40.5", windowWidth="400").rendering  # fmt: skip
    assert found.annotation == ("patient", "technique") and found.quality == 80
    assert found.viewport == Viewport(200, 100) and found.window == Window(-40.5, 400.0, "LINEAR")
    assert found.viewport_on(400, 1000) == Viewport(200, 100, 0.0, 100.0, 500.0, 300.0)
    assert read(imageAnnotation="patient").rendering.annotation == ("patient",)


def test_a_region_alone_is_as_large_as_it_is_in_the_source():
    assert read(region="0.5,0,1,0.5").rendering.viewport_on(512, 256) == Viewport(128, 256, 128.0, 0.0, 128.0, 256.0)


@pytest.mark.parametrize("name", ["rows", "columns"])
def test_one_side_alone_is_bounded_by_the_other(name):
    viewport = read(**{name: "100"}).rendering.viewport
    assert getattr(viewport, {"rows": "height", "columns": "width"}[name]) == 100
    assert viewport.width * viewport.height <= 1 << 25
