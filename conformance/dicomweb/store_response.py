"""The Store Instances Response Module (PS3.18 Annex I), read from either media type."""

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.dicomweb import expect, models, native_xml
from conformance.dicomweb.server import Answer, Model
from conformance.dicomweb.synthetic import Instance

RETRIEVE_URL, FAILURE_REASON, WARNING_REASON = "00081190", "00081197", "00081196"
FAILED, REFERENCED, OTHER_FAILURES = "00081198", "00081199", "0008119A"
SOP_CLASS, SOP_INSTANCE = "00081150", "00081155"


@dataclass(frozen=True, slots=True)
class Response:
    """The module, and its sequences as lists of items."""

    model: Model

    def items(self, sequence: str) -> list[Model]:
        """The items of a sequence of the module."""
        return [one for one in self.model.get(sequence, {}).get("Value", []) if isinstance(one, dict)]

    def uids(self, sequence: str) -> list[str]:
        """Referenced SOP Instance UIDs of a sequence, sorted."""
        return sorted(str(models.value(item, SOP_INSTANCE)) for item in self.items(sequence))


def of(answer: Answer) -> Response:
    """The module of an answer, in whichever media type it came."""
    if answer.media_type == "multipart/related":
        return Response(native_xml.parsed(answer.parts()[0].body))
    if answer.media_type == "application/dicom+xml":
        return Response(native_xml.parsed(answer.body))
    expect.media_type(answer, "application/dicom+json", "application/json")
    found = answer.json()
    found = found[0] if isinstance(found, list) and found else found
    expect.that(isinstance(found, dict), "a DICOM JSON object", repr(found)[:80])
    return Response(found)


def stored(answer: Answer, instances: Sequence[Instance], *codes: int) -> Response:
    """The module, if the status is one of these (200 unless said) and exactly these instances are referenced."""
    expect.status(answer, *(codes or (200,)))
    response = of(answer)
    expect.same(sorted(one.uid for one in instances), response.uids(REFERENCED), "in Referenced SOP Sequence")
    classes = {str(models.value(item, SOP_CLASS)) for item in response.items(REFERENCED)}
    expect.same({one.sop_class for one in instances}, classes, "Referenced SOP Class UIDs")
    return response
