import orjson
import pytest

from pacsd.codec.json_dataset import dataset
from pacsd.faults import Fault, PacsdError
from tests.workflow.steps import step


def test_a_data_set_alone_or_in_an_array():
    text = orjson.dumps(step())
    assert dataset(text) == dataset(b"[" + text + b"]") == step()


def test_tags_become_upper_case_and_stand_in_order():
    assert list(dataset(b'{"0074100e":{"vr":"SQ"},"00100010":{"vr":"PN"}}')) == ["00100010", "0074100E"]


@pytest.mark.parametrize(
    "attribute",
    [
        '"00741004":{"vr":"DS","Value":[1,"2.5",null]}',
        '"00100010":{"vr":"PN","Value":[{"Ideographic":"张^三"}]}',
        '"00091010":{"vr":"OB","InlineBinary":"AAEC"}',
        '"00404005":{"vr":"DT","Value":["20261125100000.123456+0800"]}',
        '"00404005":{"vr":"DT"}',
        '"00400400":{"vr":"LT","Value":[""]}',
        '"00280010":{"vr":"US","Value":[0,"65535"]}',
        '"00089459":{"vr":"FL","Value":[3.4028234663852886e38,"-inf","nan"]}',
    ],
)
def test_what_is_taken(attribute):
    assert dataset(b"{" + attribute.encode() + b"}")


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "3", "[]", "[{},{}]", '{"0010":{}}', '{"PatientID":{"vr":"LO"}}', '{"00100020":"P1"}',
        '{"00100020":{}}', '{"00100020":{"vr":"XX"}}', '{"00100020":{"vr":"PN"}}',
        '{"00100020":{"vr":"LO","Value":"P1"}}',
        '{"00100020":{"vr":"LO","Value":[1]}}', '{"00100020":{"vr":"LO","Value":["a\\u0000"]}}',
        '{"00100020":{"vr":"LO","Value":["' + "x" * 65 + '"]}}', '{"00100010":{"vr":"PN","Value":["A^B"]}}',
        '{"00100010":{"vr":"PN","Value":[{"Latin":"A"}]}}', '{"00741004":{"vr":"DS","Value":["much"]}}',
        '{"00741004":{"vr":"DS","Value":[true]}}', '{"00100030":{"vr":"DA","Value":["yesterday"]}}',
        '{"00404005":{"vr":"DT","Value":["2026-11-25"]}}', '{"0020000D":{"vr":"UI","Value":["1.02"]}}',
        '{"00741002":{"vr":"SQ","Value":[3]}}', '{"00091010":{"vr":"OB","InlineBinary":"%%%"}}',
        '{"00091010":{"vr":"OB","Value":[1]}}', '{"00091010":{"vr":"OB","BulkDataURI":"http://x/"}}',
        '{"00020010":{"vr":"UI"}}', '{"00001000":{"vr":"UI","Value":["1.2"]}}', "NaN", '{"00100020":{"vr":"LO"},}',
        '{"00280010":{"vr":"US","Value":[65536]}}', '{"00280010":{"vr":"US","Value":["-1"]}}',
        '{"00280010":{"vr":"US","Value":[null]}}', '{"00280009":{"vr":"AT","Value":[null]}}',
        '{"00186020":{"vr":"SL","Value":[2147483648]}}', '{"00091001":{"vr":"SV","Value":[9223372036854775808]}}',
        '{"00089459":{"vr":"FL","Value":[1e39]}}', '{"00189087":{"vr":"FD","Value":[null]}}',
    ],
)  # fmt: skip
def test_what_is_not(text):
    with pytest.raises(PacsdError) as error:
        dataset(text.encode())
    assert error.value.fault is Fault.MALFORMED
