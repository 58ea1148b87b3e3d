import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.faults import Fault, PacsdError
from pacsd.web.multipart import (
    Limits,
    MultipartReader,
    MultipartWriter,
    PartData,
    PartEnd,
    PartStart,
    boundary_of,
)

BOUNDARY = b"aB-1"
LIMITS = Limits()


def read(pieces, boundary=BOUNDARY, limits=LIMITS):
    """The complete parts that a reader finds, and whether the body was whole."""
    reader = MultipartReader(boundary, limits)
    parts, content, headers = [], b"", {}
    for piece in pieces:
        for event in reader.feed(piece):
            match event:
                case PartStart():
                    headers, content = event.headers, b""
                case PartData():
                    content += event.data
                case PartEnd():
                    parts.append((headers, content))
    reader.finish()
    return parts


def body(contents, boundary=BOUNDARY, preamble=b""):
    parts = b"".join(b"--%s\r\nContent-Type: a/b\r\n\r\n%s\r\n" % (boundary, one) for one in contents)
    return preamble + parts + b"--%s--\r\n" % boundary


def cut(data, places):
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(at)]


# Contents made of what delimiters are made of, so that near misses are common.
PIECE = st.sampled_from([b"\r", b"\n", b"-", b"--", b"aB-1", b"\r\n--aB-", b"\r\n--aB-1x", b"\0\xff"])
CONTENT = st.lists(PIECE, max_size=12).map(b"".join)


@settings(max_examples=300, derandomize=True)
@given(st.lists(CONTENT, min_size=1, max_size=4), st.lists(st.integers(0, 500), max_size=12))
def test_any_chunking_gives_the_same_parts(contents, places):
    whole = body(contents)
    try:
        expected = read([whole])
    except PacsdError:
        with pytest.raises(PacsdError):
            read(cut(whole, places))
        return
    assert read(cut(whole, places)) == expected


@settings(max_examples=200, derandomize=True)
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=4), st.lists(st.integers(0, 500), max_size=12))
def test_what_is_written_is_read(contents, places):
    writer = MultipartWriter("application/dicom")
    whole = b"".join(writer.head("application/dicom", size_bytes=len(one)) + one for one in contents) + writer.close()
    boundary, parameters = boundary_of(writer.content_type)
    assert parameters["type"] == "application/dicom"
    parts = read(cut(whole, places), boundary)
    assert [content for _, content in parts] == contents
    assert [headers["content-length"] for headers, _ in parts] == [str(len(one)) for one in contents]


def test_byte_by_byte():
    whole = body([b"one", b"", b"\r\n--aB-1x\r\n"], preamble=b"hello\r\n")
    parts = read([whole[at : at + 1] for at in range(len(whole))])
    assert [content for _, content in parts] == [b"one", b"", b"\r\n--aB-1x\r\n"]
    assert parts[0][0] == {"content-type": "a/b"}


def test_parts_without_headers_padding_and_epilogue_are_understood():
    whole = b"--aB-1 \t\r\n\r\ncontent\r\n--aB-1--  epilogue\r\n--aB-1\r\n\r\nnot a part"
    assert read([whole]) == [({}, b"content")]


@pytest.mark.parametrize(
    ("whole", "fault"),
    [
        (b"", Fault.MALFORMED),
        (b"no boundary at all", Fault.MALFORMED),
        (b"--other\r\n\r\nx\r\n--other--", Fault.MALFORMED),
        (b"--aB-1\r\nContent-Type: a/b\r\n\r\ntruncated", Fault.MALFORMED),
        (b"--aB-1\r\nContent-Type: a/b\r\n\r\ntruncated\r\n--aB-1", Fault.MALFORMED),
        (b"--aB-1\r\nContent-Ty", Fault.MALFORMED),
        (b"--aB-1\r\nno colon here\r\n\r\nx\r\n--aB-1--", Fault.MALFORMED),
        (b"--aB-1\r\nX: " + b"y" * 20_000, Fault.TOO_MUCH),
        (b"x" * 70_000, Fault.MALFORMED),
    ],
)
def test_a_broken_body_is_refused(whole, fault):
    with pytest.raises(PacsdError) as caught:
        read(cut(whole, range(0, len(whole), 1000)))
    assert caught.value.fault is fault


def test_parts_before_the_break_are_given_out():
    reader = MultipartReader(BOUNDARY)
    seen = []
    with pytest.raises(PacsdError):
        for event in reader.feed(b"--aB-1\r\n\r\nwhole\r\n--aB-1\r\nbroken\r\n\r\n"):
            seen.append(type(event))
    assert seen == [PartStart, PartData, PartEnd]


def test_more_parts_than_the_limit_are_refused():
    limits = Limits(max_parts=100)
    assert len(read([body([b"x"] * 100)], limits=limits)) == 100
    with pytest.raises(PacsdError) as caught:
        read([body([b"x"] * 101)], limits=limits)
    assert caught.value.fault is Fault.TOO_MUCH


def test_thousands_of_tiny_parts_in_one_piece_are_read_in_linear_time():
    parts = read([body([b""] * 40_000)])
    assert len(parts) == 40_000


def test_memory_holds_no_content_back():
    reader = MultipartReader(BOUNDARY)
    list(reader.feed(b"--aB-1\r\n\r\n"))
    for piece in (b"x" * 10_000, b"\r" * 10_000, b"\r\n--aB" * 2_000):
        given_out = sum(len(event.data) for event in reader.feed(piece) if isinstance(event, PartData))
        assert given_out >= len(piece) - 8


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/related",
        "multipart/related; boundary=",
        'multipart/related; boundary="' + "x" * 201 + '"',
        'multipart/related; boundary="a\r\nb"',
        "multipart/form-data; boundary=x",
        "",
    ],
)
def test_a_missing_or_impossible_boundary_is_malformed(content_type):
    with pytest.raises(PacsdError) as caught:
        boundary_of(content_type)
    assert caught.value.fault is Fault.MALFORMED
