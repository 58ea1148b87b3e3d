"""Reading rejection notes: every coding of one, and what is none."""

import contextlib
import struct

import pytest

from pacsd.archive.rejection_note import RejectionNote, read_note
from pacsd.codec.part10 import read_meta
from pacsd.codec.walk import BytesReader
from pacsd.faults import Fault, PacsdError
from tests.synthetic import UNCOMPRESSED, rejection_note, study, uid

WORLD = study(66)
ONE, TWO = (WORLD.study_instance_uid, "1.2.1", "1.2.1.1"), (WORLD.study_instance_uid, "1.2.2", "1.2.2.1")
OTHER = ("1.9", "1.9.1", "1.9.1.1")
EXPLICIT = "1.2.840.10008.1.2.1"


def read(file: bytes) -> RejectionNote | None:
    meta = read_meta(file)
    at = meta.dataset_offset
    return read_note(
        BytesReader(file), offset_bytes=at, length_bytes=len(file) - at, transfer_syntax_uid=meta.transfer_syntax_uid
    )


def read_dataset(data: bytes) -> RejectionNote | None:
    return read_note(BytesReader(data), offset_bytes=0, length_bytes=len(data), transfer_syntax_uid=EXPLICIT)


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    if vr == b"SQ":
        return head + struct.pack("<HI", 0, len(value)) + value
    value += b"\0" * (len(value) % 2)
    return head + struct.pack("<H", len(value)) + value


def item(*elements: bytes) -> bytes:
    value = b"".join(elements)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value


TITLE = element(0x0040A043, b"SQ", item(element(0x00080100, b"SH", b"113037"), element(0x00080102, b"SH", b"DCM")))


def series_item(*sops: bytes, series: bytes = b"1.2.1") -> bytes:
    instances = b"".join(item(element(0x00081155, b"UI", sop)) for sop in sops)
    return item(element(0x00081199, b"SQ", instances), element(0x0020000E, b"UI", series))


def evidence(*series: bytes, studies: int = 1) -> bytes:
    below = element(0x00081115, b"SQ", b"".join(series))
    uids = [b"1.2" if number == 0 else b"1.2.%d" % number for number in range(studies)]
    return element(0x0040A375, b"SQ", b"".join(item(below, element(0x0020000D, b"UI", uid)) for uid in uids))


@pytest.mark.parametrize("syntax", UNCOMPRESSED)
@pytest.mark.parametrize("undefined_length", [False, True])
@pytest.mark.parametrize("code", ["113001", "113037", "113038", "113039"])
def test_a_note_is_read_in_every_coding(syntax: str, undefined_length: bool, code: str) -> None:
    file = rejection_note(
        WORLD, [ONE, TWO, OTHER], code=code, transfer_syntax_uid=syntax, undefined_length=undefined_length
    )
    assert read(file) == RejectionNote(code, {
        WORLD.study_instance_uid: {"1.2.1": ["1.2.1.1"], "1.2.2": ["1.2.2.1"]}, "1.9": {"1.9.1": ["1.9.1.1"]},
    })  # fmt: skip


@pytest.mark.parametrize("code", ["113000", "113001 99LOCAL", "113030"])
def test_another_title_rejects_nothing(code: str) -> None:
    assert read(rejection_note(WORLD, [ONE], code=code)) is None


def test_a_note_without_a_title_is_none() -> None:
    assert read_dataset(evidence(series_item(b"1.2.1.1"))) is None
    assert read_dataset(element(0x0040A043, b"SQ", b"") + evidence(series_item(b"1.2.1.1"))) is None


@pytest.mark.parametrize(
    "data",
    [
        TITLE,
        TITLE + element(0x0040A375, b"SQ", b""),
        TITLE + evidence(),
        TITLE + evidence(item(element(0x0020000E, b"UI", b"1.2.1"))),
        TITLE + evidence(series_item(b"1.2.1.1", series=b"")),
        TITLE + evidence(series_item(b"../../etc")),
        TITLE + evidence(series_item(b"1." * 40)),
        TITLE + evidence(item(element(0x00081199, b"SQ", item()), element(0x0020000E, b"UI", b"1.2.1"))),
        TITLE + element(0x0040A375, b"SQ", b"\xfe\xff\x00\xe0\xf0\x00\x00\x00" + b"\x20" * 16),
        TITLE + element(0x0040A375, b"SQ", b"\x20" * 16),
    ],
)
def test_a_note_that_names_nothing_or_not_instances_is_refused(data: bytes) -> None:
    with pytest.raises(PacsdError) as caught:
        read_dataset(data)
    assert caught.value.fault is Fault.MALFORMED


def test_every_cut_of_a_note_is_read_or_refused_and_never_names_what_the_whole_does_not() -> None:
    file = rejection_note(WORLD, [ONE, TWO], undefined_length=True)
    at = read_meta(file).dataset_offset
    named = {ONE[2], TWO[2]}
    for end in range(at + 8, len(file)):
        note = None
        with contextlib.suppress(PacsdError):
            note = read_dataset(file[at:end])
        found = {} if note is None else note.references
        sops = {sop for series in found.values() for some in series.values() for sop in some}
        assert sops <= named


def test_a_hundred_thousand_references_are_read_in_seconds_and_more_than_the_limit_refused() -> None:
    sops = [uid("many", number).encode() for number in range(1000)]
    many = TITLE + evidence(*(series_item(*sops, series=b"1.2.%d" % number) for number in range(100)))
    note = read_dataset(many)
    assert note is not None and sum(map(len, note.references["1.2"].values())) == 100_000
    most = TITLE + evidence(*(series_item(*[b"1.1"] * 1000, series=b"1.2.%d" % number) for number in range(251)))
    for data in (most, TITLE + evidence(series_item(b"1.1"), studies=1001)):
        with pytest.raises(PacsdError) as caught:
            read_dataset(data)
        assert caught.value.fault is Fault.TOO_MUCH
