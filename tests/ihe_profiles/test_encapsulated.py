"""Documents are decoded piece by piece to what they were, however they are broken into lines."""

import base64
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7.conditions import Hl7Error, Location
from ihe_profiles.rd import encapsulated
from ihe_profiles.rd.encapsulated import Encapsulated


def decoded(pieces: list[bytes], encoding: str = "base64") -> bytes:
    def told() -> Iterator[bytes | memoryview]:
        return iter([memoryview(piece) for piece in pieces])

    return b"".join(Encapsulated(Location("OBX"), encoding, "", told).chunks())


@given(st.binary(max_size=500), st.integers(1, 40), st.integers(1, 50), st.sampled_from(["\\.br\\", "\\X0D0A\\", "\n"]))
def test_what_was_encoded_is_there_again(data: bytes, width: int, cut: int, breaks: str) -> None:
    document = b"%PDF-" + data
    for encoding, encoded in (("base64", base64.b64encode(document)), ("hex", document.hex().encode())):
        lines = breaks.encode().join(encoded[at : at + width] for at in range(0, len(encoded), width))
        assert decoded([lines[at : at + cut] for at in range(0, len(lines), cut)], encoding) == document


def test_steps_end_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    document = b"%PDF-" + bytes(range(256))
    lines = b"\\.br\\".join(base64.b64encode(document)[at : at + 7] for at in range(0, 400, 7))
    for step in range(1, 40):
        monkeypatch.setattr(encapsulated, "_STEP_BYTES", step)
        assert decoded([lines]) == document


@pytest.mark.parametrize(
    "data",
    [b"", b"=", b"JVBERi0=JVBERi0=", b"JVBERi0", b"JVBE*i0=", b"JVBERi0=x", b"\\.br\\", b"aGVsbG8=", b"JVBERi0\\"],
)
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(Hl7Error):
        decoded([data])
