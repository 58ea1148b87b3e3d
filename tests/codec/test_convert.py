"""Conversion among the uncompressed transfer syntaxes; pydicom's own reader and writer are the reference."""

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from pacsd.codec.convert import CONVERTIBLE, converted, is_convertible
from pacsd.codec.deflate import deflated
from pacsd.codec.part10 import read_meta
from pacsd.faults import Fault, PacsdError

EXPLICIT, IMPLICIT, DEFLATED, BIG = CONVERTIBLE
JPEG = "1.2.840.10008.1.2.4.50"
PAIRS = [(source, target) for source in CONVERTIBLE for target in CONVERTIBLE if source != target]


def encoded(dataset: Dataset, syntax: str) -> bytes:
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = syntax == IMPLICIT, syntax != BIG
    write_dataset(out, dataset)
    return b"".join(deflated([out.getvalue()])) if syntax == DEFLATED else out.getvalue()


def parsed(data: bytes, syntax: str) -> Dataset:
    if syntax == DEFLATED:
        data = pydicom.filereader.zlib.decompress(data, -15)  # type: ignore[attr-defined]
    return pydicom.filereader.read_dataset(BytesIO(data), syntax == IMPLICIT, syntax != BIG)


def pieces(data: bytes, size: int = 1 << 20) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def convert(data: bytes, source: str, target: str, *, piece: int = 1 << 20) -> bytes:
    return b"".join(converted(pieces(data, piece), source=source, target=target, length_bytes=len(data)))


def values(dataset: Dataset, *, big: bool = False) -> dict[int, Any]:
    """What a data set says, without VRs and group lengths; binary words in little endian."""
    found: dict[int, Any] = {}
    for element in dataset:
        if element.tag.element == 0:
            continue
        if element.VR == "SQ":
            found[element.tag] = [values(item, big=big) for item in element.value]
        elif isinstance(element.value, bytes):
            found[element.tag] = (_words(element.value, element.VR) if big else element.value) or None
        else:
            found[element.tag] = element.value or None
    return found


def _words(data: bytes, vr: str) -> bytes:
    size = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}.get(vr, 1)
    return b"".join(data[at : at + size][::-1] for at in range(0, len(data), size))


def example() -> Dataset:
    inner = Dataset()
    inner.CodeValue, inner.CodeMeaning = "T-1", "meaning"
    inner.PixelRepresentation, inner.PixelPaddingValue = 0, 65000
    outer = Dataset()
    outer.ConceptNameCodeSequence = [inner]
    outer.add_new(0x00081190, "UR", "http://a.example/")
    dataset = Dataset()
    dataset.SpecificCharacterSet = "GB18030"
    dataset.PatientName = "张^三"
    dataset.add_new(0x00189810, "SS", -5)                            # before Pixel Representation, which decides
    dataset.ContentSequence = [outer, Dataset()]
    dataset.ProcedureCodeSequence = []
    dataset.BitsAllocated, dataset.PixelRepresentation = 16, 1
    dataset.add_new(0x00280106, "SS", -1024)
    dataset.add_new(0x00205000, "AT", [0x00181063, 0x00181065])
    dataset.add_new(0x00720074, "FD", [1.5, -2.25])
    dataset.add_new(0x00081140, "SQ", [inner])
    dataset.add_new(0x00660040, "OL", bytes(range(1, 9)))
    dataset.add_new(0x00180013, "FL", 2.5)
    dataset.add_new(0x00291010, "UN", b"\1\2\3\4")
    dataset.add_new(0x00290010, "LO", "CREATOR")
    dataset.PixelData = bytes(range(200))
    dataset["PixelData"].VR = "OW"
    return dataset


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_pair_keeps_every_value(source: str, target: str) -> None:
    dataset = example()
    if source == BIG:
        dataset["PixelData"].value = _words(dataset.PixelData, "OW")
        dataset[0x00660040].value = _words(dataset[0x00660040].value, "OL")
    result = parsed(convert(encoded(dataset, source), source, target), target)
    assert values(result, big=target == BIG) == values(example())


@pytest.mark.parametrize("middle", CONVERTIBLE)
@pytest.mark.parametrize("undefined", [False, True])
def test_a_round_trip_gives_the_same_bytes(middle: str, undefined: bool) -> None:
    dataset = example()
    for name in ("ContentSequence", "ProcedureCodeSequence"):
        dataset[name].is_undefined_length = undefined
        for item in dataset[name].value:
            item.is_undefined_length_sequence_item = undefined
    data = encoded(dataset, EXPLICIT)
    assert convert(convert(data, EXPLICIT, middle), middle, EXPLICIT) == data


@pytest.mark.parametrize("piece", [1, 7, 64])
def test_chunks_may_be_cut_anywhere(piece: int) -> None:
    data = encoded(example(), EXPLICIT)
    for target in (IMPLICIT, BIG, DEFLATED):
        there = convert(data, EXPLICIT, target, piece=piece)
        assert there == convert(data, EXPLICIT, target)
        assert convert(there, target, EXPLICIT, piece=piece) == data


def test_private_sequences_stay_sequences_through_implicit_vr() -> None:
    """Their VR is known only in explicit VR; undefined length tells the next reader."""
    item = Dataset()
    item.PatientID = "1"
    dataset = Dataset()
    dataset.add_new(0x00090010, "LO", "CREATOR")
    dataset.add_new(0x00091010, "SQ", [item])
    dataset.add_new(0x00091011, "US", 7)
    result = parsed(convert(convert(encoded(dataset, BIG), BIG, IMPLICIT), IMPLICIT, EXPLICIT), EXPLICIT)
    assert result[0x00091010].VR == "SQ" and result[0x00091010].value[0].PatientID == "1"
    assert result[0x00091011].VR == "UN" and result[0x00091011].value == b"\7\0"


def test_unknown_values_are_never_swapped() -> None:
    """PS3.5 6.2.2: UN is little endian whatever is around it."""
    dataset = Dataset()
    dataset.add_new(0x00091010, "UN", b"\1\2\3\4")
    for source, target in PAIRS:
        assert parsed(convert(encoded(dataset, source), source, target), target)[0x00091010].value == b"\1\2\3\4"


def test_unknown_sequences_hold_implicit_little_endian() -> None:
    """CP-246: UN of undefined length, in either byte order."""
    inside = struct.pack("<HHIHHI2sHHI", 0xFFFE, 0xE000, 10, 0x0010, 0x0020, 2, b"ID", 0xFFFE, 0xE0DD, 0)
    source = struct.pack("<HH2sHI", 9, 0x1010, b"UN", 0, 0xFFFFFFFF) + inside
    big = convert(source, EXPLICIT, BIG)
    assert big == struct.pack(">HH2sHI", 9, 0x1010, b"UN", 0, 0xFFFFFFFF) + inside
    assert convert(big, BIG, EXPLICIT) == source
    implicit = struct.pack("<HHI", 9, 0x1010, 0xFFFFFFFF) + inside
    assert convert(source, EXPLICIT, IMPLICIT) == convert(big, BIG, IMPLICIT) == implicit


def test_group_lengths_are_dropped() -> None:
    data = struct.pack("<HH2sHI", 8, 0, b"UL", 4, 999) + struct.pack("<HH2sH2s", 8, 0x60, b"CS", 2, b"CT")
    assert convert(data, EXPLICIT, IMPLICIT) == struct.pack("<HHI2s", 8, 0x60, 2, b"CT")


def test_a_value_too_long_for_its_vr_becomes_unknown() -> None:
    data = struct.pack("<HHI", 0x10, 0x4000, 70_000) + b"x" * 70_000          # LT
    out = convert(struct.pack("<HHI", 0x10, 0x1000, 70_000) + b"x" * 70_000 + data, IMPLICIT, EXPLICIT)
    assert [(one.VR, len(one.value)) for one in parsed(out, EXPLICIT)] == [("UN", 70_000)] * 2


def test_eight_bit_pixels_are_bytes() -> None:
    dataset = Dataset()
    dataset.BitsAllocated = 8
    dataset.add_new(0x7FE00010, "OB", b"\1\2\3\4")
    out = parsed(convert(encoded(dataset, IMPLICIT), IMPLICIT, BIG), BIG)
    assert (out["PixelData"].VR, out.PixelData) == ("OB", b"\1\2\3\4")


def test_large_sequences_stream_with_undefined_length() -> None:
    item = Dataset()
    item.add_new(0x54001010, "OW", b"\1\2" * 2_000_000)
    dataset = Dataset()
    dataset.WaveformSequence = [item]
    data = encoded(dataset, EXPLICIT)
    chunks = list(converted(pieces(data), source=EXPLICIT, target=BIG, length_bytes=len(data)))
    assert max(map(len, chunks)) < 3 << 20
    assert parsed(b"".join(chunks), BIG).WaveformSequence[0][0x54001010].value == b"\2\1" * 2_000_000


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, 1 << 30) + b"cut short", Fault.MALFORMED),
        (struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF), Fault.UNSUPPORTED),
        (struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF) + b"no items here", Fault.MALFORMED),
        (struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 8) + struct.pack("<HHI", 0xFFFE, 0xE000, 900), Fault.MALFORMED),
        ((struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF))
         * 200, Fault.TOO_MUCH),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_says_so_before_its_first_byte(data: bytes, fault: Fault) -> None:
    with pytest.raises(PacsdError) as caught:
        next(converted([data], source=EXPLICIT, target=BIG, length_bytes=len(data)))
    assert caught.value.fault is fault


def test_compressed_syntaxes_are_not_converted() -> None:
    assert not is_convertible(JPEG, EXPLICIT) and not is_convertible(EXPLICIT, JPEG)
    with pytest.raises(PacsdError):
        next(converted([b""], source=JPEG, target=EXPLICIT))


def test_a_deflated_data_set_cut_short_is_malformed() -> None:
    data = encoded(example(), DEFLATED)
    assert len(data) % 2 == 0
    with pytest.raises(PacsdError):
        convert(data[: len(data) // 2], DEFLATED, EXPLICIT)


_TEXTS = st.text("ABC 123", max_size=9).map(lambda text: text.strip())
_ELEMENTS = st.one_of(
    st.tuples(st.just(0x00100020), st.just("LO"), _TEXTS),
    st.tuples(st.just(0x00201041), st.just("DS"), st.integers(-999, 999).map(str)),
    st.tuples(st.just(0x00280010), st.just("US"), st.integers(0, 65535)),
    st.tuples(st.just(0x00205000), st.just("AT"), st.integers(0x00080000, 0x00FFFFFF)),
    st.tuples(st.just(0x00186020), st.just("SL"), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just(0x00720074), st.just("FD"), st.floats(allow_nan=False)),
    st.tuples(st.just(0x00660016), st.just("OF"), st.binary(min_size=2, max_size=8).map(lambda raw: raw * 4)),
    st.tuples(st.just(0x00091020), st.just("UN"), st.binary(max_size=9).map(lambda raw: raw * 2)),
    st.tuples(st.just(0x00091021), st.just("FL"), st.just(1.5)),
)  # fmt: skip


def _dataset(parts: list[Any], items: list[Dataset], undefined: bool) -> Dataset:
    dataset = Dataset()
    for tag, vr, value in parts:
        dataset.add_new(tag, vr, value)
    if items:
        dataset.add_new(0x00081140 if len(items) % 2 else 0x00091030, "SQ", items)
        dataset[0x00081140 if len(items) % 2 else 0x00091030].is_undefined_length = undefined
    dataset.is_undefined_length_sequence_item = undefined
    return dataset


_DATASETS = st.recursive(
    st.builds(_dataset, st.lists(_ELEMENTS, max_size=6), st.just([]), st.booleans()),
    lambda inner: st.builds(
        _dataset, st.lists(_ELEMENTS, max_size=4), st.lists(inner, min_size=1, max_size=3), st.booleans()
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_DATASETS, st.sampled_from([DEFLATED, BIG]), st.integers(1, 40))
def test_any_data_set_comes_back_byte_for_byte_from_explicit_syntaxes(data: Dataset, middle: str, piece: int) -> None:
    before = encoded(data, EXPLICIT)
    there = convert(before, EXPLICIT, middle, piece=piece)
    assert convert(there, middle, EXPLICIT, piece=piece) == before
    if middle == BIG:
        assert there == convert(encoded(data, IMPLICIT), IMPLICIT, BIG) or _has_private(data)


def _has_private(dataset: Dataset) -> bool:
    return any(e.tag.is_private or (e.VR == "SQ" and any(map(_has_private, e.value))) for e in dataset)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_DATASETS)
def test_any_data_set_keeps_its_values_through_implicit_vr(data: Dataset) -> None:
    implicit = convert(encoded(data, EXPLICIT), EXPLICIT, IMPLICIT)
    back = parsed(convert(implicit, IMPLICIT, EXPLICIT), EXPLICIT)
    private = 0x00091021                                             # its VR is gone, its bytes are not
    for dataset in _all(data):
        if private in dataset:
            dataset[private] = pydicom.DataElement(private, "UN", struct.pack("<f", dataset[private].value))
    assert values(back) == values(data)


def _all(dataset: Dataset) -> Iterator[Dataset]:
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _all(item)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_damaged_data_sets_end_or_fail_cleanly(data: st.DataObject) -> None:
    source, target = data.draw(st.sampled_from(PAIRS))
    damaged = bytearray(encoded(example(), source))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        convert(bytes(damaged), source, target, piece=50)
    except PacsdError:
        return


def test_every_real_uncompressed_file_keeps_its_values(data_folder: Path) -> None:
    seen = 0
    for path in sorted((data_folder / "dicom").rglob("*")):
        if not path.is_file() or "malformed" in path.parts:
            continue
        content = path.read_bytes()
        try:
            meta = read_meta(content)
        except PacsdError:
            continue
        source = meta.transfer_syntax_uid
        if source not in CONVERTIBLE or len(content) > 600_000 or path.name == "DICOMDIR":
            continue
        seen += 1
        data = content[meta.dataset_offset :]
        for target in CONVERTIBLE:
            if target == source:
                continue
            there = convert(data, source, target)
            back = convert(there, target, source)
            before = _plain(parsed(data, source), big=source == BIG)
            assert before == _plain(parsed(there, target), big=target == BIG), (path, target)
            assert before == _plain(parsed(back, source), big=source == BIG), (path, target)
    assert seen > 20


def _plain(dataset: Dataset, *, big: bool = False) -> dict[int, Any]:
    """The values, binary words in little endian; private ones, whose VR may be lost, only by tag."""
    found: dict[int, Any] = {}
    for tag in sorted(dataset.keys()):
        if tag.element == 0:
            continue
        if tag.is_private or dataset[tag].VR == "UN":
            found[tag] = "private"
            continue
        element = dataset[tag]
        if element.VR == "SQ":
            found[element.tag] = [_plain(item, big=big) for item in element.value]
        elif isinstance(element.value, bytes):
            found[element.tag] = _words(element.value, element.VR) if big else element.value
        elif element.VR in ("US", "SS") and element.VM > 1:                        # LUT Data may be OW, too
            found[element.tag] = b"".join(struct.pack("<H", number & 0xFFFF) for number in element.value)
        else:
            found[element.tag] = str(element.value or "")
    return found


@pytest.mark.timeout(20)
@pytest.mark.parametrize("target", [IMPLICIT, BIG])
def test_a_group_length_that_leaves_its_item_is_malformed(target: str) -> None:
    """Going on behind the item and then back to its end would never come to an end."""
    lying = struct.pack("<HH2sHI", 0x10, 0, b"UL", 0xFFFF, 0)
    within = struct.pack("<HHI", 0xFFFE, 0xE000, len(lying)) + lying
    sequence = struct.pack("<HH2sHI", 8, 0x1115, b"SQ", 0, len(within)) + within
    behind = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, 100_000) + bytes(100_000)
    with pytest.raises(PacsdError) as refused:
        list(converted(pieces(sequence + behind, 1000), source=EXPLICIT, target=target))
    assert refused.value.fault is Fault.MALFORMED
