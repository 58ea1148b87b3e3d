import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.web.xml_dataset import dataset
from pacsd.web.xml_model import native_model
from tests.workflow.steps import attribute, performed, progress, step

WHOLE = {**step(), **performed(), **progress(12.5), "00280010": attribute("US", 512),
         "00091010": {"vr": "OB", "InlineBinary": "AAEC"}}  # fmt: skip


def test_what_is_written_is_read_again():
    assert dataset(native_model(WHOLE)) == dict(sorted(WHOLE.items()))


def test_values_count_by_their_numbers_and_comments_do_not():
    text = b"""<NativeDicomModel><!-- hi --><DicomAttribute tag="00081050" vr="PN"/>
        <DicomAttribute tag="00080061" vr="CS"><Value number="2">MR</Value><Value number="1">CT</Value></DicomAttribute>
        </NativeDicomModel>"""
    assert dataset(text) == {"00080061": attribute("CS", "CT", "MR"), "00081050": {"vr": "PN"}}


def whole(attributes: bytes) -> bytes:
    return b"<NativeDicomModel>" + attributes + b"</NativeDicomModel>"


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{}", b"<a/>", b"<NativeDicomModel><b/></NativeDicomModel>",
        whole(b'<DicomAttribute tag="1" vr="LO"/>'),
        whole(b'<DicomAttribute tag="00100020" vr="LO"/>' * 2),
        whole(b'<DicomAttribute tag="00741004" vr="DS"><Value number="1">x</Value></DicomAttribute>'),
        whole(b'<DicomAttribute tag="7FE00010" vr="OW"><BulkData uri="x"/></DicomAttribute>'),
        b'<!DOCTYPE NativeDicomModel><NativeDicomModel/>',
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l "l">' + b"".join(
            b'<!ENTITY l%d "%b">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"&l;" * 10) for n in range(9)
        ) + b"]><NativeDicomModel>&l8;</NativeDicomModel>",
        b'<?xml version="1.0" encoding="no-such"?><NativeDicomModel/>',
    ],
)  # fmt: skip
def test_what_is_refused(text):
    with pytest.raises(PacsdError) as error:
        dataset(text)
    assert error.value.fault is Fault.MALFORMED
