import pytest

from pacsd.codec.documents.encapsulated import document_bytes, media_type
from pacsd.codec.documents.sop_classes import ENCAPSULATED
from tests.codec.documents.reports import value


@pytest.mark.parametrize(
    ("told", "content", "expected"),
    [
        (9, b"%PDF-1.7\n\0", 9),
        (10, b"%PDF-1.7\n\0", 10),           # a zero that belongs to the document
        (None, b"%PDF-1.7\n\0", 9),
        (None, b"%PDF-1.7\n\n", 10),
        (3, b"%PDF-1.7\n\0", 9),             # a lie
        (2**32, b"%PDF-1.7\n\n", 10),
        (None, b"", 0),
    ],
)
def test_the_document_ends_where_its_padding_begins(told, content, expected):
    attributes = {} if told is None else {"00420015": value("UL", told)}
    assert document_bytes(attributes, len(content), lambda: content[-1:]) == expected


def test_the_type_is_that_of_the_sop_class():
    assert media_type("1.2.840.10008.5.1.4.1.1.104.1") == "application/pdf"
    assert sorted(set(ENCAPSULATED.values())) == [
        "application/pdf", "model/mtl", "model/obj", "model/stl", "text/xml"]
