"""Members of the DICOM JSON Model against pydicom's own, file by file, with every difference named."""

import math
import struct
from base64 import b64encode
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest

from pacsd.codec import attributes, dicom_json
from pacsd.codec.dicom_json import Member, members
from pacsd.codec.header import scan
from pacsd.codec.part10 import read_meta
from pacsd.faults import Fault, PacsdError

EXPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


def document(found: list[Member]) -> dict[str, Any]:
    text = b",".join(b'"%b":%b' % (tag.encode(), member) for tag, member in found)
    parsed: dict[str, Any] = orjson.loads(b"{" + text.replace(b"\0", b"http://here") + b"}")
    return parsed


def element(tag: int, vr: str, value: bytes, order: str = "<") -> bytes:
    long = vr in ("OB", "OW", "OD", "OF", "SQ", "UN", "UT", "SV", "UV")
    head = struct.pack(order + "HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    length = struct.pack(order + "HI", 0, len(value)) if long else struct.pack(order + "H", len(value))
    return head + length + value


def one(vr: str, value: bytes) -> Any:
    return document(members(element(0x00091001, vr, value), EXPLICIT))["00091001"]


def same(ours: Any, theirs: Any) -> bool:
    """Equal but for padding: we also strip leading spaces, which are no part of these values (PS3.5 6.2)."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if "BulkDataURI" in ours or "BulkDataURI" in theirs:
            return True                                      # thresholds differ
        if theirs.get("Value") == [] and ours.keys() == {"vr"}:
            return True                                      # empty means no Value (PS3.18 F.2.5)
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, str) and isinstance(theirs, str):
        return ours.strip() == theirs.strip()
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return ours == theirs or math.isclose(ours, theirs, rel_tol=1e-15)
    return bool(ours == theirs) or (ours is None and theirs == "")        # null for empty (PS3.18 F.2.5)


# pydicom leaves out what it finds invalid, we the one element that is cut off in the middle: (file, tag).
LEFT_OUT = {("badVR.dcm", "00280008"), ("rtplan_truncated.dcm", "300A00B0")} | {
    (name, "300C0002") for name in ("badVR.dcm", "rtdose.dcm", "rtdose_rle.dcm", "rtplan.dcm")
}
TOO_SHORT = "emri_small_jpeg_2k_lossless_too_short.dcm"      # pydicom gives up on all of it


def test_agrees_with_pydicom_on_every_real_file(data_folder: Path) -> None:
    seen = 0
    for path in sorted((data_folder / "dicom").rglob("*")):
        if not path.is_file() or path.suffix == ".xml" or path.name in ("no_meta.dcm", TOO_SHORT):
            continue
        data = path.read_bytes()
        meta = read_meta(data[:65536])
        ours = document(members(memoryview(data)[meta.dataset_offset :], meta.transfer_syntax_uid))
        theirs = pydicom.dcmread(path, force=True).to_json_dict(
            bulk_data_threshold=1024, bulk_data_element_handler=lambda _: "uri", suppress_invalid_tags=True
        )
        tags = {tag for tag in theirs if not tag.endswith("0000") and not tag.startswith("0002")}
        for tag in tags | ours.keys():
            if (path.name, tag) not in LEFT_OUT:
                assert same(ours.get(tag), theirs.get(tag)), (path.name, tag)
        header = scan(memoryview(data)[meta.dataset_offset :], meta.transfer_syntax_uid)
        for level in (attributes.patient, attributes.study, attributes.series, attributes.instance):
            for tag, attribute in level(header).items():
                assert attribute == ours[tag], (path.name, tag)
        seen += 1
    assert seen > 100


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("IS", b" 12\\+7\\x ", [12, 7, "x"]),
        ("IS", b"12345678901234567890", ["12345678901234567890"]),
        ("DS", b"1.50\\.5\\5.\\1e3\\-0.0\\1e999\\nan", [1.5, 0.5, 5.0, 1000.0, -0.0, "1e999", "nan"]),
        ("DS", b"007", [7]),
        ("LO", b"a\\\\b ", ["a", None, "b"]),
        ("LT", b" a\\b\r\n ", [" a\\b\r\n"]),
        ("PN", b"A^B=C\\\\=D", [{"Alphabetic": "A^B", "Ideographic": "C"}, None, {"Ideographic": "D"}]),
        ("AT", b"\x10\0\x20\0", ["00100020"]),
        ("FD", struct.pack("<4d", 0.1, math.nan, math.inf, -math.inf), [0.1, "NaN", "Infinity", "-Infinity"]),
        ("UV", struct.pack("<2Q", 5, 2**63), [5, str(2**63)]),
        ("SS", struct.pack("<2h", -1, 3), [-1, 3]),
        ("LO", b'a"b\x01', ['a"b\x01']),
    ],
)
def test_values(vr: str, value: bytes, expected: list[Any]) -> None:
    assert one(vr, value) == {"vr": vr, "Value": expected}


def test_digits_of_a_decimal_string_are_kept() -> None:
    assert members(element(0x00091001, "DS", b"1.50"), EXPLICIT)[0][1] == b'{"vr":"DS","Value":[1.50]}'


@pytest.mark.parametrize("vr", ["LO", "PN", "DS", "US", "OB", "SQ", "UN", "AT", "FD", "UT"])
def test_empty_values_have_no_member_but_the_vr(vr: str) -> None:
    assert one(vr, b"") == {"vr": vr}


def test_inline_binary_is_little_endian_whatever_the_data_set_is() -> None:
    data = element(0x00091001, "OW", b"\1\2\3\4", ">")
    assert document(members(data, BIG))["00091001"]["InlineBinary"] == "AgEEAw=="


def test_bulk_data_inside_items_is_named_by_its_path() -> None:
    waveform = element(0x54001010, "OW", bytes(2000))
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(waveform)) + waveform
    data = element(0x54000100, "SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 0) + item)
    found = members(data, EXPLICIT)[0][1]
    assert b'"BulkDataURI":"\0/bulkdata/54000100/2/54001010"' in found
    assert b"\n" not in found


def test_an_item_may_have_its_own_character_set() -> None:
    inner = element(0x00080005, "CS", b"ISO_IR 192") + element(0x00080104, "LO", "张三".encode())
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    data = element(0x00080005, "CS", b"ISO_IR 144") + element(0x00081032, "SQ", item)
    data += element(0x00081030, "LO", "Люк".encode("iso8859_5"))
    found = document(members(data, EXPLICIT))
    assert found["00081032"]["Value"][0]["00080104"]["Value"] == ["张三"]
    assert found["00081030"]["Value"] == ["Люк"]


@pytest.mark.parametrize(
    ("declared", "told"),
    [(b"GB18030 ", ["GB18030"]), (b"\\ISO 2022 IR 58 ", [None, "ISO 2022 IR 58"]), (b"ISO_IR 192", ["ISO_IR 192"])],
)
def test_the_character_set_told_is_that_of_the_data_set_at_every_depth(declared: bytes, told: list[str | None]) -> None:
    """PS3.18 F.2.2, note 3: it is no statement about the JSON, which is UTF-8."""
    one = element(0x00080005, "CS", declared)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(one)) + one
    found = document(members(one + element(0x00081032, "SQ", item), EXPLICIT))
    assert found["00080005"] == found["00081032"]["Value"][0]["00080005"] == {"vr": "CS", "Value": told}


def test_large_values_in_items_stand_in_their_place_too_where_nobody_can_fetch_them() -> None:
    large = struct.pack("<HH2sHI", 0x42, 0x11, b"OB", 0, 2000) + bytes(2000)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(large)) + large
    within = struct.pack("<HH2sHI", 8, 0x1115, b"SQ", 0, len(item)) + item
    [(_, told)] = members(within, EXPLICIT, by_uri=False)
    assert b"BulkDataURI" not in told and b64encode(bytes(2000)) in told


ENDLESS = {
    "elements": b"".join(struct.pack("<HH2sH", 0x71, number, b"LO", 0) for number in range(1, 1 << 16)) * 3,
    "items": struct.pack("<HH2sHI", 8, 0x1115, b"SQ", 0, 8 * 60_000) + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 60_000,
    "values": b"".join(struct.pack("<HH2sHI", 0x71, n, b"UT", 0, 1 << 20) + b"x" * (1 << 20) for n in range(1, 9)),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_more_than_fits_in_memory_is_not_told(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer may send gigabytes behind what receiving looks at."""
    monkeypatch.setattr(dicom_json, "MAX_TOLD_BYTES", 4 << 20)
    with pytest.raises(PacsdError) as refused:
        members(ENDLESS[what], EXPLICIT)
    assert refused.value.fault is Fault.TOO_MUCH
