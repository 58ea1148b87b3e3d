"""What stands beside every pack: who is in it and where, checksums, frames, and metadata ready to be given out.

A sidecar is a blob of four gzip members, one behind the other, so that `zcat` shows it whole. The header of the
first carries an extra field (RFC 1952 2.3.1.1) with the identification "PX": u16 version (1), u16 number of
sections (4), then the compressed size of each section as u64, all little-endian. Sections, in this order:

    keys        JSON object. Of the pack: "pack" (its key), "replaces" (keys of packs it was merged from),
                "generation", "organisation" (code), "study", "series" (UIDs), "created_us"; "texts".
                Lists with a value for each instance in pack order: "sop"; "class", "syntax", "source",
                "authority" (numbers into "texts"); "offset", "length" (of the Part 10 file, from the start of
                the pack); "dataset" (offset of the data set in the file); "digest" (xxh3_128 of the data set),
                "sha256" (of the file), both hex; "received_us". Times in microseconds since 1970.
    frames      JSON list, an entry for each instance: null (no pixel data, or such that its frames cannot be
                told), or an object of "extents", "encapsulated", "big_endian", "bits", "bit_offsets",
                "inflated" as pacsd.codec.frames.FrameTable has them; extents from the start of the file as
                [offset, length, count] (frames of one length, one behind the other), or as
                [[offsets], [lengths], [fragments]] where the last says how many each frame takes ([]: one each)
    attributes  a line for each instance: the DICOM JSON members of the instance level that the index keeps
    metadata    see pacsd.archive.sidecar_metadata

The sidecar of an alternate, a pack of instances coded otherwise, has in its keys: "of" (key of the pack they were read
from), and the lists "original" (xxh3_128 of the data set as it was received), "header" and "pixels" (its identity: see
pacsd.codec.transcode.Identity), all hex. There "digest" is of the data set as it is coded.

Each section can be read without the others. gzip's CRC-32 tells a damaged section.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple, cast

import orjson
from isal import isal_zlib

from pacsd.archive.sidecar_metadata import Member, SidecarMetadata, decode, encode
from pacsd.codec.frames import Frames, FrameTable
from pacsd.faults import Fault, PacsdError

VERSION = 1
SECTIONS = ("keys", "frames", "attributes", "metadata")
_GZIP = struct.Struct("<BBBBIBBH")
_FIELD = struct.Struct("<2sHHH")
_SIZES = struct.Struct(f"<{len(SECTIONS)}Q")
_NAMED = ("class", "syntax", "source", "authority")
_PLAIN = ("offset", "length", "dataset", "digest", "sha256", "received_us")
_PROVEN = ("original", "header", "pixels")
_HEAD_BYTES = _GZIP.size + _FIELD.size + _SIZES.size
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAMAGED = cast("type[Exception]", isal_zlib.error)      # its stub declares an instance



@dataclass(frozen=True, slots=True)
class Proof:
    """What an instance that was coded otherwise was proven to be."""

    original: bytes                      # xxh3_128 of the data set as it was received
    header: bytes                        # pacsd.codec.transcode.Identity, of both
    pixels: bytes


@dataclass(frozen=True, slots=True)
class PackedInstance:
    """Everything a sidecar says about one instance; frames and data set count from the start of its file."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    source_ae: str
    assigning_authority: str
    offset_bytes: int                    # of the Part 10 file, in the pack
    length_bytes: int
    dataset_offset_bytes: int
    digest: bytes                        # xxh3_128 of the data set
    sha256: bytes                        # of the Part 10 file
    received_at: datetime
    attributes: str
    frames: FrameTable | None
    members: Sequence[Member]
    proof: Proof | None = None           # in an alternate


@dataclass(frozen=True, slots=True)
class PackHead:
    """Everything a sidecar says about its pack as a whole."""

    pack: str
    organisation: str
    study_instance_uid: str
    series_instance_uid: str
    generation: int
    replaces: tuple[str, ...]
    created_at: datetime
    of: str = ""                         # of an alternate: the pack whose instances it holds


class SidecarEntry(NamedTuple):
    """One instance of a pack as the key table has it; `position` is its number in the pack."""

    position: int
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    source_ae: str
    assigning_authority: str
    offset_bytes: int
    length_bytes: int
    dataset_offset_bytes: int
    digest_hex: str
    sha256_hex: str
    received_us: int

    @property
    def digest(self) -> bytes:
        """xxh3_128 of the data set."""
        return bytes.fromhex(self.digest_hex)

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the Part 10 file."""
        return bytes.fromhex(self.sha256_hex)

    @property
    def received_at(self) -> datetime:
        """When the object arrived."""
        return _EPOCH + self.received_us * _MICROSECOND


class SidecarIndex:
    """A sidecar, its sections read when they are asked for. Iterates over the entries in pack order."""

    def __init__(self, blob: bytes) -> None:
        """Raises PacsdError UNAVAILABLE if this is no sidecar, UNSUPPORTED for one of a later version."""
        self._blob = blob
        self._sections = _sections(blob)

    @property
    def size_bytes(self) -> int:
        """Roughly the memory this takes: the blob and the decoded key table."""
        return len(self._blob) + 6 * self._sections["keys"][1]

    @cached_property
    def head(self) -> PackHead:
        """What holds for the pack as a whole."""
        keys = self._keys
        try:
            return PackHead(
                keys["pack"], keys["organisation"], keys["study"], keys["series"], keys["generation"],
                tuple(keys["replaces"]), _EPOCH + keys["created_us"] * _MICROSECOND, keys.get("of", ""),
            )
        except (KeyError, TypeError) as error:
            raise _unreadable() from error

    @cached_property
    def entries(self) -> tuple[SidecarEntry, ...]:
        """The key table in pack order."""
        keys = self._keys
        try:
            texts = keys["texts"]
            named = ([texts[number] for number in keys[column]] for column in _NAMED)
            plain = (keys[column] for column in _PLAIN)
            rows = zip(range(len(keys["sop"])), keys["sop"], *named, *plain, strict=True)
            return tuple(map(SidecarEntry._make, rows))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _unreadable() from error

    def get(self, sop_instance_uid: str) -> SidecarEntry | None:
        """The entry of an instance, if the pack holds it."""
        return self._by_uid.get(sop_instance_uid)

    def frames(self, entry: SidecarEntry) -> FrameTable | None:
        """Where each frame stands in the instance's file; None without pixel data, or if that cannot be told."""
        return _decode_frames(self._frames[entry.position])

    def proof(self, entry: SidecarEntry) -> Proof:
        """What the instance of an alternate was proven to be. Raises PacsdError UNAVAILABLE."""
        try:
            return Proof(*(bytes.fromhex(self._keys[column][entry.position]) for column in _PROVEN))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _unreadable() from error

    def attributes(self) -> list[str]:
        """The instance-level members that the index keeps, in pack order."""
        text = self._section("attributes").decode()
        lines = text.split("\n")
        if len(lines) != len(self.entries) + 1:
            raise _unreadable()
        return lines[:-1]

    def metadata(self) -> SidecarMetadata:
        """The metadata section, ready to be put together; read afresh, not kept."""
        return decode(self._section("metadata"))

    def instances(self) -> list[PackedInstance]:
        """Everything, for a merge."""
        attributes, metadata = self.attributes(), self.metadata()
        return [
            PackedInstance(
                *entry[1:9], entry.digest, entry.sha256, entry.received_at, attributes[entry.position],
                self.frames(entry), metadata.members(entry.position),
            )
            for entry in self.entries
        ]

    def __iter__(self) -> Iterator[SidecarEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def _by_uid(self) -> dict[str, SidecarEntry]:
        return {entry.sop_instance_uid: entry for entry in self.entries}

    @cached_property
    def _keys(self) -> dict[str, Any]:
        keys = self._json("keys")
        if not isinstance(keys, dict):
            raise _unreadable()
        return keys

    @cached_property
    def _frames(self) -> list[Any]:
        frames = self._json("frames")
        if not isinstance(frames, list) or len(frames) != len(self.entries):
            raise _unreadable()
        return frames

    def _json(self, section: str) -> Any:
        try:
            return orjson.loads(self._section(section))
        except orjson.JSONDecodeError as error:
            raise _unreadable() from error

    def _section(self, name: str) -> bytes:
        offset, size = self._sections[name]
        try:
            return isal_zlib.decompress(memoryview(self._blob)[offset : offset + size], 31)
        except _DAMAGED as error:
            raise _unreadable() from error


def metadata(blob: bytes) -> SidecarMetadata:
    """The metadata of a pack from the bytes of its sidecar. Raises PacsdError UNAVAILABLE if damaged."""
    return SidecarIndex(blob).metadata()


def build_sidecar(head: PackHead, instances: Sequence[PackedInstance]) -> bytes:
    """The sidecar of a pack, `instances` in pack order."""
    sections = (
        orjson.dumps(_key_table(head, instances)),
        orjson.dumps([_encode_frames(instance.frames) for instance in instances]),
        "".join(instance.attributes + "\n" for instance in instances).encode(),
        encode([instance.members for instance in instances]),
    )
    packed = [_deflated(section) for section in sections]
    sizes = [_GZIP.size - 2 + len(deflated) for deflated in packed]
    sizes[0] = _HEAD_BYTES + len(packed[0])
    extra = _FIELD.pack(b"PX", 4 + _SIZES.size, VERSION, len(SECTIONS)) + _SIZES.pack(*sizes)
    first = _GZIP.pack(31, 139, 8, 4, 0, 0, 255, len(extra)) + extra
    plain = _GZIP.pack(31, 139, 8, 0, 0, 0, 255, 0)[:-2]
    return b"".join((first, packed[0], *(plain + deflated for deflated in packed[1:])))


def _key_table(head: PackHead, instances: Sequence[PackedInstance]) -> dict[str, object]:
    texts: dict[str, int] = {}

    def number(text: str) -> int:
        return texts.setdefault(text, len(texts))

    return {
        "pack": head.pack,
        "replaces": head.replaces,
        "generation": head.generation,
        "organisation": head.organisation,
        "study": head.study_instance_uid,
        "series": head.series_instance_uid,
        "created_us": (head.created_at - _EPOCH) // _MICROSECOND,
        "sop": [one.sop_instance_uid for one in instances],
        "class": [number(one.sop_class_uid) for one in instances],
        "syntax": [number(one.transfer_syntax_uid) for one in instances],
        "source": [number(one.source_ae) for one in instances],
        "authority": [number(one.assigning_authority) for one in instances],
        "offset": [one.offset_bytes for one in instances],
        "length": [one.length_bytes for one in instances],
        "dataset": [one.dataset_offset_bytes for one in instances],
        "digest": [one.digest.hex() for one in instances],
        "sha256": [one.sha256.hex() for one in instances],
        "received_us": [(one.received_at - _EPOCH) // _MICROSECOND for one in instances],
        "texts": list(texts),            # last: the columns above fill it
        **_alternate(head, instances),
    }


def _alternate(head: PackHead, instances: Sequence[PackedInstance]) -> dict[str, object]:
    proofs = [one.proof for one in instances if one.proof is not None]
    if not head.of:
        return {}
    return {"of": head.of, **{column: [getattr(proof, column).hex() for proof in proofs] for column in _PROVEN}}


def _encode_frames(table: FrameTable | None) -> object:
    if table is None:
        return None
    return {
        "extents": _encode_extents(table.frames),
        "encapsulated": table.encapsulated,
        "big_endian": table.big_endian,
        "bits": table.frame_bits,
        "bit_offsets": table.bit_offsets,
        "inflated": table.inflated,
    }


def _encode_extents(frames: Frames) -> object:
    if not frames:
        return [[], [], []]
    first, length = frames[0][0] if frames[0] else (0, 0)
    if all(extents == ((first + number * length, length),) for number, extents in enumerate(frames)):
        return [first, length, len(frames)]
    flat = [extent for extents in frames for extent in extents]
    counts = [len(extents) for extents in frames]
    offsets, lengths = [offset for offset, _ in flat], [length for _, length in flat]
    return [offsets, lengths, [] if set(counts) == {1} else counts]


def _decode_frames(entry: Any) -> FrameTable | None:
    if entry is None:
        return None
    try:
        return FrameTable(
            _decode_extents(*entry["extents"]), entry["encapsulated"], entry["big_endian"], entry["bits"],
            tuple(entry["bit_offsets"]), entry["inflated"],
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _unreadable() from error


def _decode_extents(offsets: Any, lengths: Any, counts: Any) -> Frames:
    if isinstance(offsets, int):
        return tuple(((offsets + number * lengths, lengths),) for number in range(counts))
    extents = iter(zip(offsets, lengths, strict=True))
    return tuple(tuple(next(extents) for _ in range(count)) for count in counts or [1] * len(offsets))


def _deflated(section: bytes) -> bytes:
    """A gzip member without its header."""
    stream = zlib.compressobj(6, zlib.DEFLATED, -15)
    trailer = struct.pack("<II", zlib.crc32(section), len(section) & 0xFFFFFFFF)
    return stream.compress(section) + stream.flush() + trailer


def _sections(blob: bytes) -> dict[str, tuple[int, int]]:
    """Offset and compressed size of each section by name."""
    if len(blob) < _HEAD_BYTES or blob[:4] != b"\x1f\x8b\x08\x04":
        raise _unreadable()
    identification, _, version, count = _FIELD.unpack_from(blob, _GZIP.size)
    if identification != b"PX":
        raise _unreadable()
    if version != VERSION or count != len(SECTIONS):
        raise PacsdError(Fault.UNSUPPORTED, f"a pack's sidecar is of version {version}, later than {VERSION}")
    sizes = _SIZES.unpack_from(blob, _GZIP.size + _FIELD.size)
    if sum(sizes) != len(blob):
        raise _unreadable()
    offsets = [sum(sizes[:number]) for number in range(count)]
    return dict(zip(SECTIONS, zip(offsets, sizes, strict=True), strict=True))


def _unreadable() -> PacsdError:
    return PacsdError(Fault.UNAVAILABLE, "a pack's sidecar cannot be read")
