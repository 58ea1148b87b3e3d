"""The header scanner against pydicom's full parse, and against bytes nobody should send."""

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filewriter import write_dataset

from pacsd.codec.dicom_json import members
from pacsd.codec.frames import frame_extents
from pacsd.codec.header import MalformedDataset, NeedMoreData, fingerprint, scan
from pacsd.codec.keys import INDEXED_TAGS
from pacsd.codec.part10 import read_meta
from pacsd.codec.splice import spliced
from pacsd.codec.walk import BytesReader
from pacsd.faults import Fault, PacsdError
from tests.synthetic import ct_series, study

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
HOW = {IMPLICIT: (True, True), EXPLICIT: (False, True), BIG: (False, False), DEFLATED: (False, True)}
FEW = settings(max_examples=60, deadline=None)


def encoded(dataset: Dataset, syntax: str) -> bytes:
    out = pydicom.filebase.DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = HOW[syntax]
    write_dataset(out, dataset)
    data: bytes = out.getvalue()
    if syntax == DEFLATED:
        deflater = zlib.compressobj(wbits=-15)
        return deflater.compress(data) + deflater.flush()
    return data


def small() -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality = "CT"
    dataset.PatientName = "A^B"
    dataset.StudyInstanceUID = "1.2.3.4"
    dataset.SeriesInstanceUID = "1.2.3.5"
    dataset.Rows = 7
    dataset.PixelData = b"\0" * 8
    dataset["PixelData"].VR = "OW"
    return dataset


text = st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="\\"), max_size=16)
items = st.recursive(
    st.fixed_dictionaries({}, optional={"CodeValue": text, "CodeMeaning": text}),
    lambda inner: st.fixed_dictionaries({"ConceptCodeSequence": st.lists(inner, max_size=3)}),
    max_leaves=6,
)


def dataset_of(fields: dict[str, object], undefined: bool) -> Dataset:
    dataset = Dataset()
    for keyword, value in fields.items():
        if isinstance(value, list):
            value = [dataset_of(item, undefined) for item in value]
        setattr(dataset, keyword, value)
        if isinstance(value, list):
            dataset[keyword].is_undefined_length = undefined
            for item in value:
                item.is_undefined_length_sequence_item = undefined
    return dataset


@FEW
@given(
    names=st.dictionaries(
        st.sampled_from(["StudyDescription", "PatientID", "AccessionNumber", "SeriesDescription"]),
        text,
    ),
    sequence=st.lists(items, max_size=4),
    undefined=st.booleans(),
    syntax=st.sampled_from(sorted(HOW)),
)
def test_finds_what_was_written(
    names: dict[str, str], sequence: list[object], undefined: bool, syntax: str
) -> None:
    dataset = small()
    for keyword, value in names.items():
        setattr(dataset, keyword, value)
    dataset.update(dataset_of({"ProcedureCodeSequence": sequence}, undefined))
    header = scan(encoded(dataset, syntax), syntax)
    wanted = {element.tag for element in dataset if element.tag in INDEXED_TAGS}
    assert set(header.elements) == wanted
    for keyword in names:
        element = header.elements[pydicom.datadict.tag_for_keyword(keyword) or 0]
        assert element.value.decode().rstrip(" ") == names[keyword].rstrip(" ")


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_a_prefix_asks_for_more_until_it_is_enough(syntax: str) -> None:
    dataset = small()
    inner = Dataset()
    inner.CodeMeaning = "x"
    dataset.ProcedureCodeSequence = [inner]
    dataset["ProcedureCodeSequence"].is_undefined_length = True
    data = encoded(dataset, syntax)
    whole = scan(data, syntax)
    enough = False
    for size in range(len(data) + 1):
        try:
            found = scan(data[:size], syntax, complete=False)
        except NeedMoreData as short:
            wanted = short.wanted_bytes
        else:
            enough, wanted = True, 0
            assert found.elements == whole.elements
        assert enough != (wanted > 0)
    assert enough or syntax == DEFLATED


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_truncation_at_any_byte_is_an_error_or_an_answer(syntax: str) -> None:
    data = encoded(small(), syntax)
    for size in range(len(data)):
        with suppress(MalformedDataset):
            scan(data[:size], syntax)
        members(data[:size], syntax)


@FEW
@given(data=st.binary(max_size=400), syntax=st.sampled_from(sorted(HOW)), seed=st.booleans())
def test_random_bytes_never_do_worse_than_a_fault(data: bytes, syntax: str, seed: bool) -> None:
    if seed:
        data = encoded(small(), EXPLICIT)[:60] + data
    reader = BytesReader(data)
    how = {"offset_bytes": 0, "length_bytes": len(data), "transfer_syntax_uid": syntax}
    for attempt in (
        lambda: scan(data, syntax),
        lambda: scan(data, syntax, complete=False),
        lambda: members(data, syntax),
        lambda: frame_extents(reader, **how),                                   # type: ignore[arg-type]
        lambda: list(spliced(reader, overlay={"00100020": None}, **how)),       # type: ignore[arg-type]
        lambda: read_meta(data),
    ):
        with suppress(PacsdError):
            attempt()


@pytest.mark.parametrize("undefined", [False, True])
def test_deep_nesting_is_refused_without_recursion(undefined: bool) -> None:
    opening = struct.pack("<HH2sHI", 8, 0x1032, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\0\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    data = opening * 10_000 + (closing * 10_000 if undefined else b"")
    for read in (scan, members):
        with pytest.raises(PacsdError) as caught:
            read(data, EXPLICIT)
        assert caught.value.fault is Fault.TOO_MUCH


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "item",
    [b"\xfe\xff\0\xe0\0\0\0\0", b"\xfe\xff\0\xe0\xff\xff\xff\xff\xfe\xff\x0d\xe0\0\0\0\0"],
)
def test_a_hundred_thousand_items_are_stepped_over(item: bytes) -> None:
    sequence = struct.pack("<HH2sHI", 8, 0x1032, b"SQ", 0, 0xFFFFFFFF) + item * 100_000
    data = sequence + b"\xfe\xff\xdd\xe0\0\0\0\0" + encoded(small(), EXPLICIT)
    assert scan(data, EXPLICIT).text(0x0020000D) == "1.2.3.4"


def test_a_length_that_lies_is_malformed_and_a_huge_one_too_much() -> None:
    lying = struct.pack("<HH2sH", 8, 0x16, b"UI", 4000) + b"1.2"
    with pytest.raises(MalformedDataset):
        scan(lying, EXPLICIT)
    huge = struct.pack("<HH2sHI", 9, 0x1001, b"OB", 0, 0x7FFFFFFF)
    with pytest.raises(PacsdError) as caught:
        scan(huge, EXPLICIT, complete=False)
    assert caught.value.fault is Fault.TOO_MUCH


def test_a_huge_document_ends_the_scan_instead_of_being_waited_for() -> None:
    data = encoded(small(), EXPLICIT)
    data = data[: data.index(b"\xe0\x7f\x10\0")]
    data += struct.pack("<HH2sHI", 0x42, 0x11, b"OB", 0, 500_000_000) + bytes(100)
    assert scan(data, EXPLICIT, complete=False).text(0x0020000D) == "1.2.3.4"


def test_a_deflate_bomb_ends_at_the_limit() -> None:
    deflater = zlib.compressobj(wbits=-15)
    bomb = struct.pack("<HH2sHI", 9, 0x1001, b"OB", 0, 0x7FFFFFFE) + bytes(20_000_000)
    data = deflater.compress(bomb) + deflater.flush()
    with pytest.raises(PacsdError) as caught:
        scan(data, DEFLATED, max_header_bytes=1_000_000)
    assert caught.value.fault in (Fault.TOO_MUCH, Fault.MALFORMED)


def test_an_element_out_of_order_is_found_and_the_last_of_two_counts() -> None:
    data = encoded(small(), EXPLICIT)
    late = struct.pack("<HH2sH", 0x300A, 2, b"SH", 2) + b"ab"
    assert scan(late + data, EXPLICIT).text(0x00080060) == "CT"
    patient_id = struct.pack("<HH2sH", 0x10, 0x20, b"LO", 2)
    assert scan(patient_id + b"aa" + patient_id + b"bb" + data, EXPLICIT).text(0x00100020) == "bb"


def test_unknown_of_undefined_length_holds_implicit_items() -> None:
    inner = struct.pack("<HHI", 8, 0x100, 2) + b"ab"
    unknown = (
        struct.pack("<HH2sHI", 9, 0x1001, b"UN", 0, 0xFFFFFFFF)
        + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner
        + struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    )
    data = encoded(small(), EXPLICIT)
    at = data.index(b"\x10\0\x10\0")
    assert scan(data[:at] + unknown + data[at:], EXPLICIT).text(0x0020000D) == "1.2.3.4"


def test_the_fingerprint_tells_series_apart_and_not_instances() -> None:
    first, second = small(), small()
    second.SOPInstanceUID, second.InstanceNumber = "9.9", "5"
    prints = [fingerprint(scan(encoded(one, EXPLICIT), EXPLICIT)) for one in (first, second)]
    assert prints[0] == prints[1] and len(prints[0]) == 16
    second.SeriesDescription = "other"
    assert fingerprint(scan(encoded(second, EXPLICIT), EXPLICIT)) != prints[0]


def test_agrees_with_pydicom_on_every_real_file(data_folder: Path) -> None:
    seen = 0
    for path in sorted((data_folder / "dicom").rglob("*")):
        # no_meta.dcm: a stray byte before the first tag; too_short: pydicom gives up on all of it
        if not path.is_file() or path.suffix == ".xml" or path.name in ("no_meta.dcm", TOO_SHORT):
            continue
        data = path.read_bytes()
        meta = read_meta(data[:65536])
        header = scan(memoryview(data)[meta.dataset_offset :], meta.transfer_syntax_uid)
        reference = pydicom.dcmread(BytesIO(data), force=True)
        for tag in INDEXED_TAGS:
            assert (tag in header.elements) == (tag in reference), (path.name, hex(tag))
            if tag not in header.elements or header.elements[tag].vr == "SQ":
                continue
            raw = reference.get_item(tag).value or b""
            if isinstance(raw, bytes):
                assert header.elements[tag].value == raw, (path.name, hex(tag))
        seen += 1
    assert seen > 100


TOO_SHORT = "emri_small_jpeg_2k_lossless_too_short.dcm"


def test_reaching_for_the_pixels_waits_for_no_sequence_and_minds_no_trailing_bytes() -> None:
    file = next(iter(ct_series(study(9), count=1, rows=16, columns=16)))
    data = file[read_meta(file).dataset_offset :]
    whole = scan(data, EXPLICIT, to_pixels=True)
    assert whole.reaches == len(data)
    at = whole.reaches - 512 - 12                                # the head of Pixel Data
    groups = b"\x00\x52\x30\x92SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    begun = scan(data[:at] + groups, EXPLICIT, complete=False, to_pixels=True)
    assert begun.reaches == at and begun.elements == whole.elements
    assert scan(data + b"\x08\0\x05\0CS\xff\xff????", EXPLICIT, to_pixels=True).reaches == len(data)
