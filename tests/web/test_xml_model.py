from xml.etree import ElementTree

import pydicom
import pytest

from pacsd.web.xml_model import NAMESPACE, native_model

N = f"{{{NAMESPACE}}}"


def model(dataset):
    return ElementTree.fromstring(native_model(dataset))


def test_values_names_items_and_binary():
    root = model(
        {
            "00400275": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["S<1>"]}}, {}]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}]},
            "00280010": {"vr": "US", "Value": [512]},
            "00080005": {"vr": "CS"},
            "7FE00010": {"vr": "OW", "BulkDataURI": "http://x/?a=1&b=2"},
            "00420011": {"vr": "OB", "InlineBinary": "AAE="},
            "00091001": {"vr": "LO", "Value": ["a", None, "c"]},
        }
    )
    attributes = {one.get("tag"): one for one in root}
    assert list(attributes) == sorted(attributes)
    assert attributes["00280010"].get("keyword") == "Rows" and attributes["00280010"].find(N + "Value").text == "512"
    assert attributes["00091001"].get("keyword") is None
    assert [one.get("number") for one in attributes["00091001"]] == ["1", "3"]
    assert attributes["00400275"].find(f".//{N}Value").text == "S<1>"
    assert attributes["00100010"].find(f".//{N}Ideographic/{N}GivenName").text == "小东"
    assert attributes["7FE00010"].find(N + "BulkData").get("uri") == "http://x/?a=1&b=2"
    assert attributes["00420011"].find(N + "InlineBinary").text == "AAE="


def test_a_carriage_return_survives_a_reader():
    text = {"00104000": {"vr": "LT", "Value": ["one\r\ntwo\rthree"]}}
    assert b"one&#13;\ntwo&#13;three" in native_model(text)
    assert model(text)[0][0].text == "one\r\ntwo\rthree"


def test_characters_xml_cannot_hold_are_replaced():
    assert model({"00104000": {"vr": "LT", "Value": ["a\x00\x1b\ud800b"]}})[0][0].text == "a\ufffd\ufffd\ufffdb"


@pytest.mark.parametrize("path", ["modality", "charset"])
def test_real_files_make_well_formed_xml(data_folder, path):
    for file in sorted((data_folder / "dicom" / path).rglob("*.dcm"))[:20]:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        written = dataset.to_json_dict(bulk_data_threshold=100, bulk_data_element_handler=lambda element: "http://x")
        assert len(model(written)) == len(written)
