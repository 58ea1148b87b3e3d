import pytest

from pacsd.codec.render.parameters import MAX_VIEWPORT_PIXELS, Parameters, Viewport, parameters
from pacsd.codec.render.voi_lut import Window
from pacsd.faults import Fault, PacsdError


def test_nothing_asked_is_nothing_changed():
    assert parameters({"charset": "utf-8", "whatever": "1"}) == Parameters()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"annotation": "patient"}, Parameters(annotation=("patient",))),
        ({"annotation": "technique,patient"}, Parameters(annotation=("technique", "patient"))),
        ({"iccprofile": "adobergb"}, Parameters(iccprofile="adobergb")),
        ({"quality": "1"}, Parameters(quality=1)),
        ({"quality": "100"}, Parameters(quality=100)),
        ({"window": "40,400,linear"}, Parameters(window=Window(40, 400, "LINEAR"))),
        ({"window": "-1.5e2,.5,linear-exact"}, Parameters(window=Window(-150, 0.5, "LINEAR_EXACT"))),
        ({"window": "0,1,sigmoid"}, Parameters(window=Window(0, 1, "SIGMOID"))),
        ({"viewport": "512,256"}, Parameters(viewport=Viewport(512, 256))),
        ({"viewport": "512,256,10,20.5,30,40"}, Parameters(viewport=Viewport(512, 256, 10, 20.5, 30, 40))),
        ({"viewport": "9,9,,,5"}, Parameters(viewport=Viewport(9, 9, 0, 0, 5))),
        ({"viewport": "9,9,1,,,7"}, Parameters(viewport=Viewport(9, 9, 1, 0, None, 7))),
        # PS3.18 8.3.5.1.3: absolute values count, and a negative width or height turns the picture over
        ({"viewport": "9,9,-1,-2,-3,-4"}, Parameters(viewport=Viewport(9, 9, 1, 2, 3, 4, True, True))),
    ],
)
def test_what_is_legal(given, read):
    assert parameters(given) == read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("annotation", ""), ("annotation", "Patient"), ("annotation", "patient,secret"), ("annotation", "patient," * 9),
        ("iccprofile", "cmyk"), ("iccprofile", ""), ("quality", "0"), ("quality", "101"), ("quality", "9.5"),
        ("quality", "-1"), ("quality", "٣"), ("quality", "9" * 5000), ("window", "40,400"), ("window", "40,400,"),
        ("window", "40,400,LINEAR"), ("window", "a,400,linear"), ("window", "nan,400,linear"),
        ("window", "inf,1,linear"),
        ("window", "40,0,linear"), ("window", "40,0.5,linear"), ("window", "40,-1,sigmoid"),
        ("window", "1e999,1,linear"),
        ("viewport", ""), ("viewport", "512"), ("viewport", "0,512"), ("viewport", "-5,512"), ("viewport", "5.5,512"),
        ("viewport", "100000,10000"), ("viewport", "999999999,999999999"), ("viewport", "9,9,0,0,0,5"),
        ("viewport", "9,9,0,0,5,0"), ("viewport", "9,9,x"), ("viewport", "9,9,0,0,1,1,1"), ("viewport", "9,9,nan"),
        ("viewport", "9,9,1e5"), ("viewport", f"9,9,{'1' * 400}"),
    ],
)  # fmt: skip
def test_what_is_not_legal_is_refused(name, value):
    with pytest.raises(PacsdError) as refused:
        parameters({name: value})
    assert refused.value.fault is Fault.MALFORMED


def test_the_largest_viewport():
    assert parameters({"viewport": f"{MAX_VIEWPORT_PIXELS},1"}).viewport == Viewport(MAX_VIEWPORT_PIXELS, 1)
    with pytest.raises(PacsdError):
        parameters({"viewport": f"{MAX_VIEWPORT_PIXELS + 1},1"})
