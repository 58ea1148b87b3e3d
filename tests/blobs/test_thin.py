"""Thin blobs: the contract of every blob store, and what only a store can get wrong that fills holes."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import xxhash

from pacsd.blobs import BlobStore, LocalBlobs
from pacsd.blobs.thin import ThinBlobs, thin_key
from pacsd.blobs.thin_file import BLOCK_BYTES, TAIL_BYTES, Hole
from pacsd.faults import Fault, PacsdError
from tests.blobs.contract import CONTRACT, MakeStore

KEY, SOURCE = "packs/east/ONE.zip", "alternates/east/OTHER.zip"
SOURCE_BYTES = bytes(range(256)) * 40


def fill(form: str, coded: bytes) -> bytes:
    """A code that says each byte once for `form` bytes, upside down."""
    if not form.isdigit():
        raise PacsdError(Fault.MALFORMED, "no such form")
    return bytes(255 - byte for byte in coded for _ in range(int(form)))


def made(store: ThinBlobs, parts: list[bytes | tuple[int, int, int]], key: str = KEY, *, commit: bool = True) -> bytes:
    """Write a thin file of bytes and holes (offset and length in the source, form); the blob that it stands for."""
    writer, whole = store.create_thin(key, SOURCE), bytearray()
    for part in parts:
        if isinstance(part, bytes):
            writer.write(part)
            whole += part
            continue
        at, length, form = part
        data = fill(str(form), SOURCE_BYTES[at : at + length])
        writer.leave(Hole(len(whole), len(data), at, length, str(form), xxhash.xxh3_128(data).digest()))
        whole += data
    assert writer.finish() == writer.stored_bytes
    if commit:
        writer.commit()
    return bytes(whole)


PARTS: list[bytes | tuple[int, int, int]] = [
    b"head", (0, 100, 2), (300, 1, 1), b"x" * (BLOCK_BYTES + 11), (100, 200, 3), bytes(range(256)) * 600, (7, 7, 7),
]


@pytest.fixture
def store(tmp_path: Path) -> ThinBlobs:
    store = ThinBlobs(LocalBlobs(tmp_path, reserve_bytes=0), fill)
    store.put(SOURCE, SOURCE_BYTES)
    return store


def damage(store: ThinBlobs, key: str, at: int) -> None:
    """Turn a bit over, of the byte there."""
    data = bytearray(store.stored.read(key))
    data[at] ^= 1
    replaced(store, key, bytes(data))


def replaced(store: ThinBlobs, key: str, data: bytes) -> None:
    store.stored.delete([key])
    store.stored.put(key, data)


def fault(read: Callable[[], object]) -> Fault:
    with pytest.raises(PacsdError) as caught:
        read()
    return caught.value.fault


@pytest.mark.parametrize("promise", CONTRACT, ids=lambda promise: promise.__name__)
def test_contract(promise: Callable[[MakeStore], None], tmp_path: Path) -> None:
    def make_store() -> BlobStore:
        return ThinBlobs(LocalBlobs(tmp_path / "blobs", reserve_bytes=0), fill)

    promise(make_store)


@pytest.mark.parametrize("anew", [True, False])
def test_every_range_of_a_thin_blob_is_that_of_the_whole_one(store: ThinBlobs, anew: bool) -> None:
    whole = made(store, PARTS)
    assert store.stored.size(thin_key(KEY)) < len(whole) // 2
    with store.open_thin(KEY, anew=anew) as reader:
        assert reader.size_bytes == len(whole) and reader.fileno() is None and reader.base_bytes == 0
        edges = {0, 1, 4, 203, 204, 205, 206, BLOCK_BYTES + 215, BLOCK_BYTES + 216, len(whole) - 49, len(whole) - 1}
        edges |= set(range(0, len(whole), 9973))
        for start in sorted(edges):
            for length in (0, 1, 2, 101, BLOCK_BYTES, len(whole)):
                assert reader.pread(length, start) == whole[start : start + length]
        assert reader.pread(9, len(whole)) == b"" == reader.pread(9, len(whole) + 5)
    assert store.read(KEY) == whole and store.read(KEY, offset_bytes=3, length_bytes=9) == whole[3:12]
    assert store.size(KEY) == len(whole)


def test_a_blob_of_holes_alone_and_one_without_any(store: ThinBlobs) -> None:
    assert store.read(KEY) if store.is_thin(KEY) else True
    whole = made(store, [(0, 5, 1), (5, 5, 1)])
    assert store.read(KEY) == whole and len(whole) == 10
    other = KEY.replace("ONE", "TWO")
    assert made(store, [b"abc"], other) == b"abc" == store.read(other)


def test_thin_blobs_are_listed_by_their_own_name_and_size_in_order(store: ThinBlobs) -> None:
    size = len(made(store, PARTS))
    stem = KEY.removesuffix(".zip")
    expected = [f"{stem}.sidecar.gz", f"{stem}.u", f"{stem}.zi", KEY, KEY + "-1", "packs/z"]
    for key in expected:
        if key != KEY:
            store.put(key, b"1")
    assert [info.key for info in store.list("packs/")] == expected
    assert {info.size_bytes for info in store.list(KEY)} == {size, 1}
    for prefix in ("packs/east/ONE.z", "packs/east/ONE.zi", KEY, "packs/east/ONE.", "packs/east/ONE"):
        assert [info.key for info in store.list(prefix)] == [key for key in expected if key.startswith(prefix)]
    assert list(store.list("packs/east/ONE.t")) == []


def test_of_whole_and_thin_the_whole_one_counts(store: ThinBlobs) -> None:
    writer = store.create_whole(KEY)
    writer.write(b"whole")
    writer.commit()
    made(store, PARTS)
    assert store.read(KEY) == b"whole" and store.size(KEY) == 5
    assert [(info.key, info.size_bytes) for info in store.list("packs/")] == [(KEY, 5)]
    assert store.is_whole(KEY) and store.is_thin(KEY) and list(store.heads("packs/")) == []
    store.delete_whole(KEY)
    assert store.size(KEY) > 5 and [key for key, _ in store.heads("packs/")] == [KEY]


def test_deleting_takes_both_and_an_open_reader_outlives_it(store: ThinBlobs) -> None:
    whole = made(store, PARTS)
    with store.open(KEY) as reader:
        store.delete([KEY, SOURCE])
        assert reader.pread(len(whole), 0) == whole
    assert fault(lambda: store.open(KEY)) is fault(lambda: store.size(KEY)) is Fault.NOT_FOUND
    assert list(store.stored.list("")) == []


def test_a_thin_blob_is_written_once_and_no_name_is_taken_from_it(store: ThinBlobs) -> None:
    made(store, PARTS)
    assert fault(lambda: store.put(KEY, b"other")) is Fault.CONFLICT
    assert fault(lambda: made(store, [b"other"])) is Fault.CONFLICT
    for operation in (store.create, store.open, store.size, lambda key: store.delete([key])):
        assert fault(lambda use=operation: use(thin_key(KEY))) is Fault.MALFORMED  # type: ignore[misc]
    assert fault(lambda: store.create_thin("packs/one.gz", SOURCE)) is Fault.MALFORMED


def test_nothing_of_it_is_seen_before_it_is_committed(store: ThinBlobs) -> None:
    made(store, PARTS, commit=False)
    assert not store.is_thin(KEY) and fault(lambda: store.open(KEY)) is Fault.NOT_FOUND


def test_without_its_source_what_stands_between_the_holes_is_still_read(store: ThinBlobs) -> None:
    whole = made(store, PARTS)
    store.delete([SOURCE])
    assert store.read(KEY, length_bytes=4) == b"head"
    assert store.read(KEY, offset_bytes=205, length_bytes=BLOCK_BYTES) == whole[205 : 205 + BLOCK_BYTES]
    with store.open(KEY) as reader:
        assert reader.pread(5, 0) == b"head" and fault(lambda: reader.pread(1, 4)) is Fault.UNAVAILABLE
    assert fault(lambda: store.read(KEY, length_bytes=5)) is Fault.UNAVAILABLE


@pytest.mark.parametrize("part", ["block", "stored block", "tables", "tail"])
def test_a_bit_that_turned_over_is_found(store: ThinBlobs, part: str) -> None:
    whole = made(store, [b"y" * BLOCK_BYTES, xxhash.xxh3_128(b"").digest(), (0, 9, 1)])
    file = store.stored.size(thin_key(KEY))
    stored = file - TAIL_BYTES - struct.unpack("<Q", store.stored.read(thin_key(KEY))[-32:-24])[0]
    at = {"block": 5, "stored block": stored - 1, "tables": stored + 9, "tail": file - TAIL_BYTES}[part]
    assert store.read(KEY) == whole
    damage(store, thin_key(KEY), at)
    if part in ("tables", "tail"):                       # which this process has read, and rightly
        assert store.read(KEY) == whole
        store = ThinBlobs(store.stored, fill)
    assert fault(lambda: store.read(KEY)) is Fault.UNAVAILABLE
    if part.startswith("tab") or part == "tail":
        assert fault(lambda: store.size(KEY)) is Fault.UNAVAILABLE and list(store.heads("packs/")) == [(KEY, None)]
    assert [info.key for info in store.list("packs/")] == [KEY]


@pytest.mark.parametrize("kept", [0, 1, TAIL_BYTES - 1, TAIL_BYTES, 200, -1])
def test_a_file_that_was_cut_off_is_no_thin_file(store: ThinBlobs, kept: int) -> None:
    made(store, PARTS)
    replaced(store, thin_key(KEY), store.stored.read(thin_key(KEY))[:kept])
    assert fault(lambda: store.read(KEY)) is Fault.UNAVAILABLE


def test_a_source_that_changed_or_ends_too_early_is_never_believed(store: ThinBlobs) -> None:
    whole = made(store, PARTS)
    damage(store, SOURCE, 101)
    with store.open_thin(KEY) as reader:
        assert reader.pread(5, 0) == whole[:5]
        assert fault(lambda: reader.pread(1, BLOCK_BYTES + 220)) is Fault.UNAVAILABLE
    replaced(store, SOURCE, SOURCE_BYTES[:50])
    assert fault(lambda: ThinBlobs(store.stored, fill).read(KEY)) is Fault.UNAVAILABLE


def test_a_form_that_nobody_knows_is_the_stores_fault(store: ThinBlobs) -> None:
    writer = store.create_thin(KEY, SOURCE)
    writer.leave(Hole(0, 4, 0, 4, "unknown", bytes(16)))
    writer.finish()
    writer.commit()
    assert fault(lambda: store.read(KEY)) is Fault.UNAVAILABLE


def forged(store: ThinBlobs, change: Callable[[list[int], bytearray], None], *, size: int | None = None) -> None:
    """A thin file of two holes with other numbers, and right checksums."""
    made(store, [(0, 4, 1), b"between", (4, 4, 1), b"end"])
    data = store.stored.read(thin_key(KEY))
    blob_bytes, table_bytes = struct.unpack_from("<QQ", data, len(data) - TAIL_BYTES)
    tables = bytearray(data[-TAIL_BYTES - table_bytes : -TAIL_BYTES])
    columns_at = 4 + int.from_bytes(tables[:4], "little")
    numbers = list(struct.unpack_from("<10Q", tables, columns_at))
    change(numbers, tables)
    struct.pack_into("<10Q", tables, columns_at, *numbers)
    told = struct.pack("<QQ", blob_bytes if size is None else size, len(tables))
    digest = xxhash.xxh3_128(told + tables).digest()
    replaced(store, thin_key(KEY), data[: -TAIL_BYTES - table_bytes] + tables + told + digest + data[-8:])


@pytest.mark.parametrize(
    ("column", "value"),
    [(1, 3), (1, 1 << 63), (0, 12), (2, 0), (2, 12), (3, 8), (2, (1 << 64) - 1), (8, 7)],
    ids=["overlap", "far", "behind the next", "empty", "into the next", "beyond", "endless", "no such form"],
)
def test_holes_that_overlap_or_lie_outside_are_refused(store: ThinBlobs, column: int, value: int) -> None:
    def change(numbers: list[int], tables: bytearray) -> None:
        numbers[column] = value

    forged(store, change)
    assert fault(lambda: store.read(KEY)) is Fault.UNAVAILABLE


@pytest.mark.parametrize("size", [0, 11, 17, 19, 1 << 40])
def test_a_blob_of_another_size_than_its_parts_is_refused(store: ThinBlobs, size: int) -> None:
    forged(store, lambda numbers, tables: None, size=size)
    assert fault(lambda: store.read(KEY)) is Fault.UNAVAILABLE


def test_a_thin_file_of_another_blob_is_refused_and_so_is_one_of_a_later_version(store: ThinBlobs) -> None:
    made(store, PARTS)
    other = KEY.replace("ONE", "TWO")
    store.stored.put(thin_key(other), store.stored.read(thin_key(KEY)))
    assert fault(lambda: store.read(other)) is fault(lambda: store.open_thin(other, anew=True)) is Fault.UNAVAILABLE
    store.stored.delete([thin_key(KEY)])

    def later(numbers: list[int], tables: bytearray) -> None:
        tables[:] = tables.replace(b'"version":1', b'"version":2')

    forged(store, later)
    assert fault(lambda: store.read(KEY)) is Fault.UNSUPPORTED


def test_a_file_that_ends_before_its_blob_is_read_to_where_it_ends(
    store: ThinBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It became shorter after it was opened."""
    reader = store.stored.open(SOURCE)
    monkeypatch.setattr(reader, "size_bytes", 2 * len(SOURCE_BYTES))
    monkeypatch.setattr(store.stored, "open", lambda key: reader)
    assert store.read(SOURCE) == SOURCE_BYTES
