"""Headers that are like the one before read as if they were scanned."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.codec import alike
from pacsd.codec.alike import Headers, reading_of
from pacsd.codec.header import NeedMoreData, scan
from pacsd.faults import PacsdError

EXPLICIT, IMPLICIT, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.70"
LONG = ("OB", "OW", "SQ", "UN", "UT")
SERIES = {
    0x00080005: ("CS", b"ISO_IR 100"), 0x00080016: ("UI", b"1.2.840.10008.5.1.4.1.1.2\0"), 0x00080018: ("UI", b"1.1\0"),
    0x00080060: ("CS", b"CT"), 0x00091001: ("UN", b"\0\1\2\3"), 0x00100010: ("PN", b"A^B "), 0x00100020: ("LO", b"17"),
    0x0020000D: ("UI", b"1.2\0"), 0x0020000E: ("UI", b"1.3\0"), 0x00200013: ("IS", b"1 "),
    0x00200032: ("DS", b"1\\2\\3 "), 0x00280010: ("US", b"\x10\0"),
}  # fmt: skip
PIXELS = (0x7FE00010, "OW", b"\0" * 64)


def element(tag: int, vr: str, value: bytes, syntax: str, *, undefined: bool = False) -> bytes:
    length = 0xFFFFFFFF if undefined else len(value)
    if syntax == IMPLICIT:
        return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length) + value
    if vr in LONG:
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode(), 0, length) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), length) + value


def dataset(syntax: str = EXPLICIT, **changed: bytes | None) -> bytes:
    """The object of the series with these values in place of its own; None leaves an element out."""
    values = {tag: changed.get(f"t{tag:08X}", value) for tag, (_, value) in SERIES.items()}
    written = [element(tag, SERIES[tag][0], value, syntax) for tag, value in values.items() if value is not None]
    if syntax == JPEG:
        fragments = b"\xfe\xff\x00\xe0\0\0\0\0" + b"\xfe\xff\x00\xe0\4\0\0\0abcd" + b"\xfe\xff\xdd\xe0\0\0\0\0"
        return b"".join(written) + element(0x7FE00010, "OB", fragments, syntax, undefined=True)
    return b"".join(written) + element(*PIXELS, syntax)


def check(headers: Headers, data: bytes, syntax: str = EXPLICIT) -> None:
    """It reads what scanning gives, whatever was read before."""
    try:
        plain = scan(data, syntax, complete=False, to_pixels=True)
    except PacsdError as error:
        with pytest.raises(type(error)):
            headers.read(data, syntax, override=None)
        return
    assert headers.read(data, syntax, override=None) == reading_of(plain, None)


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Data sets that were scanned."""
    found: list[bytes] = []

    def note(data: bytes, *arguments: object, **options: object) -> object:
        found.append(data)
        return scan(data, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(alike, "scan", note)
    return found


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, JPEG])
def test_of_a_series_only_what_differs_is_read(syntax: str, scanned: list[bytes]) -> None:
    headers = Headers()
    for number in range(1, 120):
        uid = f"1.1.{number}".encode()
        check(headers, dataset(syntax, t00080018=uid + b"\0" * (len(uid) % 2), t00200013=b"%-4d" % number), syntax)
    assert len(scanned) == 2


def test_exams_of_one_image_are_alike_too(scanned: list[bytes]) -> None:
    headers = Headers()
    for number in range(1, 60):
        whose = {
            "t00080018": b"1.1.%04d" % number, "t0020000D": b"1.2.%04d" % number, "t0020000E": b"1.3.%04d" % number,
            "t00100010": b"A^B%d " % (number % 10), "t00100020": b"%04d" % number,
        }  # fmt: skip
        check(headers, dataset(**whose))
    assert len(scanned) == 2


def test_what_varied_in_one_series_does_not_keep_another_from_being_alike(
    monkeypatch: pytest.MonkeyPatch, scanned: list[bytes]
) -> None:
    monkeypatch.setattr(alike, "_MOST_VARYING", 4)
    headers = Headers()
    for series, varying in enumerate((("t00100010", "t00100020", "t00200013"), ("t00091001", "t00280010"))):
        for number in range(20):
            values = {"t0020000E": b"1.3.%02d" % series, **dict.fromkeys(varying, b"%02d" % number)}
            check(headers, dataset(t00080018=b"1.1.%02d" % number, **values))
    assert len(scanned) <= 4


@pytest.mark.parametrize("left_out", ["t00091001", "t00280010"])
def test_what_is_never_alike_is_not_compared_for_ever(left_out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    headers, compared = Headers(), []
    monkeypatch.setattr(alike, "_varying", lambda before, now: compared.append(now))
    for number in range(1, 161):
        check(headers, dataset(t00080018=b"1.1.%04d" % number, **({left_out: None} if number % 2 else {})))
    assert 8 <= len(compared) <= 8 + 160 // 16


@pytest.mark.parametrize(
    "changed",
    [
        {"t00100010": b"C^D "}, {"t00100010": b"Somebody^Else "}, {"t00080005": b"ISO_IR 192"}, {"t00280010": None},
        {"t00091001": b"\4\3\2\1"}, {"t00200032": b"-100.25\\2\\3"}, {"t0020000E": b"1.4\0"}, {"t00080018": b""},
        {"t0020000D": b"1.2.3.4 "},
    ],
    ids=str,
)  # fmt: skip
def test_what_changes_in_a_series_is_seen(changed: dict[str, bytes | None]) -> None:
    headers = Headers()
    for number in (b"1.1\0", b"1.2\0", b"1.3\0"):
        check(headers, dataset(t00080018=number))
    for number in (b"1.4\0", b"1.5\0"):
        check(headers, dataset(**{"t00080018": number, **changed}))
    check(headers, dataset(t00080018=b"1.6\0"))


def test_a_prefix_of_what_is_alike_asks_for_more() -> None:
    headers = Headers()
    for number in (b"1.1\0", b"1.2\0", b"1.3\0"):
        check(headers, dataset(t00080018=number))
    whole = dataset(t00080018=b"1.4\0")
    header_bytes = len(whole) - len(element(*PIXELS, EXPLICIT))
    with pytest.raises(NeedMoreData):
        headers.read(whole[:header_bytes], EXPLICIT, override=None)
    for size in range(len(whole)):
        check(headers, whole[:size])


values = st.sampled_from((None, b"", b"1 ", b"1.2.3\0", b"1.2.34", b"x" * 70, b"\xff" * 8))
objects = st.lists(
    st.dictionaries(st.sampled_from([f"t{tag:08X}" for tag in SERIES]), values, max_size=3), min_size=2, max_size=8
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(objects, st.sampled_from((EXPLICIT, IMPLICIT, JPEG)))
def test_whatever_comes_it_reads_as_if_it_were_scanned(changes: list[dict[str, bytes | None]], syntax: str) -> None:
    headers = Headers()
    for changed in changes:
        for _ in range(2):
            check(headers, dataset(syntax, **changed), syntax)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_one_wrong_byte_reads_as_if_it_were_scanned(data: st.DataObject) -> None:
    headers = Headers()
    for number in (b"1.1\0", b"1.2\0", b"1.3\0"):
        check(headers, dataset(t00080018=number))
    wrong = bytearray(dataset(t00080018=b"1.4\0"))
    wrong[data.draw(st.integers(0, len(wrong) - 1))] = data.draw(st.integers(0, 255))
    check(headers, bytes(wrong))
