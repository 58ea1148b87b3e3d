"""A report's PDF as Encapsulated PDF (PS3.3 A.45.1), written without ever holding it whole."""

from pacsd.reports import document
from pacsd.reports.document import Attributes, Subject, coded, element, sequence
from pacsd.reports.report import Document
from pacsd.reports.wording import clean

SOP_CLASS_UID, KIND = "1.2.840.10008.5.1.4.1.1.104.1", "encapsulated pdf"
SERIES_NUMBER = 9002
ENCAPSULATED_DOCUMENT = "00420011"
_LONGEST_TITLE = 1024                    # VR ST


def attributes(subject: Subject, one: Document, number: int) -> Attributes:
    """The attributes of its `number`-th document, whose bytes are named by its key (PS3.3 C.24.2)."""
    made = document.common(
        subject, kind=KIND, sop_class_uid=SOP_CLASS_UID, modality="DOC", series_number=SERIES_NUMBER, number=number
    )
    del made["00081111"]                 # an SR document's alone
    return {
        **made,
        "0008002A": element("DT"),
        "00080064": element("CS", "WSD"),
        "00280301": element("CS", "YES"),
        "0040A043": sequence(coded(document.TITLE)),
        "00420010": element("ST", clean(one.title)[:_LONGEST_TITLE]),
        ENCAPSULATED_DOCUMENT: {"vr": "OB", "BulkDataURI": one.key},
        "00420012": element("LO", one.media_type),
        "00420015": element("UL", one.size_bytes),
    }
