"""The sidecar of a pack: what goes in comes out, whole or not at all, and fast."""

import gzip
import random
import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.archive.sidecar import PackedInstance, PackHead, SidecarIndex, build_sidecar, metadata
from pacsd.archive.sidecar_metadata import STUDY_TAGS, Member, decode, document, encode, split_members
from pacsd.archive.sidecars import Sidecars
from pacsd.blobs import LocalBlobs
from pacsd.codec.frames import FrameTable
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import PackRow

ARRIVED = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)
HEAD = PackHead("packs/a/1.zip", "west", "1.2", "1.2.3", 7, ("packs/a/0.zip",), ARRIVED)
OVERLAY = {
    "00100010": b'{"vr":"PN","Value":[{"Alphabetic":"New^Name"}]}',
    "00100021": b'{"vr":"LO","Value":["issuer"]}',
    "00100020": None,
    "04000561": b'{"vr":"SQ","Value":[{}]}',
}


def members(number: int, *, patient: str = "P") -> list[Member]:
    found = {
        "00080005": b'{"vr":"CS","Value":["ISO_IR 192"]}',
        "00080018": b'{"vr":"UI","Value":["1.2.3.%d"]}' % number,
        "00100010": b'{"vr":"PN","Value":[{"Alphabetic":"%b"}]}' % patient.encode(),
        "00100020": b'{"vr":"LO","Value":["1"]}',
        "0020000D": b'{"vr":"UI","Value":["1.2"]}',
        "0020000E": b'{"vr":"UI","Value":["1.2.3"]}',
        "00200013": b'{"vr":"IS","Value":[%d]}' % number,
        "00201041": b'{"vr":"DS","Value":[%d.10]}' % number,
        "7FE00010": b'{"vr":"OW","BulkDataURI":"\0/bulkdata/7FE00010"}',
    }
    if number % 3 == 0:
        found["00091001"] = b'{"vr":"OB","BulkDataURI":"\0/bulkdata/00091001"}'
        found["00100011"] = b'{"vr":"UN","InlineBinary":"e30="}'
        found["00104001"] = b'{"vr":"LT","Value":["quoted \\" and } and \\\\"]}'
    return sorted(found.items())


def packed(number: int, **changes: object) -> PackedInstance:
    one = PackedInstance(
        f"1.2.3.{number}", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "CT_1", "west", number * 1000, 900,
        400, bytes([number % 256]) * 16, bytes([number % 256]) * 32, ARRIVED,
        f'"00200013":{{"vr":"IS","Value":[{number}]}}',
        FrameTable((((410, 480),),), False, frame_bits=3840), members(number),
    )
    return replace(one, **changes)  # type: ignore[arg-type]


def urls(count: int) -> list[bytes]:
    return [b"http://host/instances/%d" % number for number in range(count)]


def test_every_fact_comes_back() -> None:
    instances = [
        packed(0), packed(1, source_ae="", received_at=ARRIVED.replace(microsecond=1)),
        packed(2, frames=None), packed(3, frames=FrameTable((), True)),
        packed(4, frames=FrameTable(tuple(((500 + 10 * n, 10),) for n in range(1000)), False, True, 80)),
        packed(5, frames=FrameTable((((500, 10),), ((518, 12), (538, 3))), True, inflated=True)),
        packed(6, frames=FrameTable((((500, 10),), ((509, 12),)), False, False, 77, (0, 5))),
        packed(300, members=members(300, patient="Q")),
    ]
    sidecar = SidecarIndex(build_sidecar(HEAD, instances))
    assert sidecar.head == HEAD and len(sidecar) == 8
    assert sidecar.instances() == instances
    assert sidecar.get("1.2.3.5") == sidecar.entries[5] and sidecar.get("1.2.3.99") is None
    assert [entry.position for entry in sidecar] == list(range(8))


def test_zcat_shows_it_whole() -> None:
    text = gzip.decompress(build_sidecar(HEAD, [packed(0), packed(1)]))
    assert text.startswith(b'{"pack":"packs/a/1.zip"') and b'"Alphabetic":"P"' in text


@pytest.mark.parametrize("overlay", [{}, OVERLAY], ids=["plain", "overlaid"])
@pytest.mark.parametrize("odd", [(), (4,), (0, 11)], ids=["alike", "one-outlier", "outliers-at-the-ends"])
def test_metadata_is_that_of_each_instance(odd: Sequence[int], overlay: dict[str, bytes | None]) -> None:
    instances = [members(number, patient="Q" if number in odd else "P") for number in range(12)]
    found = decode(encode(instances))
    assert set(found.outliers) == set(odd)
    text = b"[" + found.documents(urls(12), overlay=overlay) + b"]"
    expected = [document(one, url, overlay=overlay) for one, url in zip(instances, urls(12), strict=True)]
    assert text == b"[" + b",".join(expected) + b"]"
    for read in orjson.loads(text):
        assert list(read) == sorted(read)
        assert "00100020" in read or overlay
    some = found.documents([urls(12)[n] for n in (11, 4, 2)], positions=[11, 4, 2], overlay=overlay)
    assert some == b",".join(expected[n] for n in (11, 4, 2))
    assert found.documents([], positions=[]) == b""


def test_the_placeholder_becomes_each_instances_url() -> None:
    text = orjson.loads(b"[" + decode(encode([members(3), members(6)])).documents(urls(2)) + b"]")
    assert text[1]["7FE00010"]["BulkDataURI"] == "http://host/instances/1/bulkdata/7FE00010"
    assert text[1]["00091001"]["BulkDataURI"] == "http://host/instances/1/bulkdata/00091001"


def test_numbers_keep_their_digits() -> None:
    assert b'"00201041":{"vr":"DS","Value":[1.10]}' in decode(encode([members(0), members(1)])).documents(urls(2))


def test_study_names_what_an_overlay_may_replace() -> None:
    assert set(decode(encode([members(1), members(2)])).study) == {"00100010", "00100020", "0020000D"}


def test_members_are_split_without_reading_their_values() -> None:
    some = members(0)
    assert split_members(b",".join(b'"%b":%b' % (tag.encode(), text) for tag, text in some)) == some


TAGS = st.sampled_from(sorted([*random.Random(1).sample(sorted(STUDY_TAGS), 6), "00080001", "00080005", "00080018",
                               "00091001", "0020000E", "00200013", "00201041", "7FE00010"]))
VALUES = st.sampled_from([b'{"vr":"LO"}', b'{"vr":"LO","Value":["}\\"{"]}', b'{"vr":"OB","BulkDataURI":"\0/b"}'])
TABLES = st.lists(st.dictionaries(TAGS, VALUES), min_size=1, max_size=6)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(TABLES, st.dictionaries(st.sampled_from(sorted(STUDY_TAGS - {"0020000D"})), st.none() | VALUES, max_size=3))
def test_any_metadata_comes_back(tables: list[dict[str, bytes]], overlay: dict[str, bytes | None]) -> None:
    instances = [sorted({**table, "0020000D": b'{"vr":"UI"}'}.items()) for table in tables]
    found = decode(encode(instances))
    count = len(instances)
    assert found.documents(urls(count), overlay=overlay) == b",".join(
        document(one, url, overlay=overlay) for one, url in zip(instances, urls(count), strict=True)
    )
    assert [found.members(number) for number in range(count)] == instances


def test_every_truncation_and_flipped_bit_is_noticed() -> None:
    blob = build_sidecar(HEAD, [packed(number) for number in range(5)])
    whole = SidecarIndex(blob).instances()
    for cut in range(0, len(blob), 7):
        with pytest.raises(PacsdError) as caught:
            SidecarIndex(blob[:cut]).instances()
        assert caught.value.fault is Fault.UNAVAILABLE
    noticed = 0
    for at in range(0, len(blob), 5):
        spoilt = bytearray(blob)
        spoilt[at] ^= 0x10
        found = _read(bytes(spoilt))
        assert found in (None, whole)          # time stamp and flags of gzip are nobody's
        noticed += found is None
    assert noticed > len(blob) // 5 * 0.9


def _read(blob: bytes) -> list[PackedInstance] | None:
    try:
        return SidecarIndex(blob).instances()
    except PacsdError:
        return None


def test_a_later_version_is_named() -> None:
    blob = bytearray(build_sidecar(HEAD, [packed(0)]))
    blob[16:18] = b"\2\0"
    with pytest.raises(PacsdError) as caught:
        SidecarIndex(bytes(blob))
    assert caught.value.fault is Fault.UNSUPPORTED


def test_a_damaged_section_leaves_the_others_readable() -> None:
    blob = bytearray(build_sidecar(HEAD, [packed(0)]))
    blob[-6] ^= 1
    sidecar = SidecarIndex(bytes(blob))
    assert sidecar.entries[0].sop_instance_uid == "1.2.3.0"
    with pytest.raises(PacsdError):
        metadata(bytes(blob))


def test_a_line_feed_is_refused_rather_than_mixed_up() -> None:
    with pytest.raises(PacsdError) as caught:
        encode([[("0020000D", b'{"vr":\n"UI"}')]])
    assert caught.value.fault is Fault.INTERNAL


def test_sidecars_are_kept_within_a_limit(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    rows = []
    for number in range(6):
        blobs.put(f"s/{number}", build_sidecar(HEAD, [packed(one) for one in range(50)]))
        rows.append(PackRow(number, f"p/{number}", f"s/{number}", 0, 50, 0))
    size = SidecarIndex(blobs.read("s/0")).size_bytes
    sidecars = Sidecars(blobs, cache_bytes=5 * size)
    first = sidecars(rows[0])
    assert sidecars(rows[0]) is first
    for row in rows[1:]:
        sidecars(row)
    assert sidecars(rows[0]) is not first
    assert sidecars(rows[5]) is sidecars(rows[5])


def test_compression_is_plain_gzip() -> None:
    blob = build_sidecar(HEAD, [packed(0)])
    stream = zlib.decompressobj(31)
    stream.decompress(blob)
    assert stream.eof and stream.unused_data[:3] == b"\x1f\x8b\x08"
