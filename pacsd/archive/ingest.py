"""Receiving an object: spool, make durable, index, and only then say so."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import xxhash

from pacsd.access.directory import Peer
from pacsd.archive.accepted import Accepted, accepted
from pacsd.archive.batch import Batch
from pacsd.archive.part10_reception import Part10Reception
from pacsd.blobs.scratch import Scratch
from pacsd.blobs.spool import Spool
from pacsd.blobs.spool_writer import SpoolWriter
from pacsd.codec.alike import Headers, Reading, reading_of
from pacsd.codec.fragments import FragmentLeaps
from pacsd.codec.header import Header, NeedMoreData, scan
from pacsd.codec.part10 import Meta, Receipt, build_meta, seal
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Arrival, Extent, Stored
from pacsd.index.rows import joined

SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E

_FIRST_LOOK_BYTES = 1 << 16          # holds the indexed part of nearly every header
_MAX_HEADER_BYTES = 64 << 20         # a header that has not ended by then is refused
_MISSING_PAD_BYTES = 1               # writers that count the byte that makes a value even, and leave it out
_KEYABLE_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")


class Arrivals(Protocol):
    """Where a durable object becomes visible, and what the configured rule makes of a duplicate."""

    def admit(self, arrival: Arrival, durable: Callable[[], None] | None = None) -> Stored:
        """Index one arrival, `durable` first. Raises PacsdError CONFLICT or REFUSED if it may not become visible."""

    def admit_all(self, arrivals: Sequence[Arrival], durable: Callable[[], None]) -> list[Stored | PacsdError]:
        """The same for arrivals that `durable` makes durable together: an answer for each, in order."""


class Place(Protocol):
    """Where bytes go as they arrive: the spool, or a batch of it."""

    def create(self, organisation: str) -> SpoolWriter:
        """Begin an object. Raises PacsdError FULL, UNAVAILABLE, MALFORMED."""


class Ingest:
    """Opens receptions; one per service process, used by many threads."""

    def __init__(
        self, spool: Spool, arrivals: Arrivals, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._spool = spool
        self._arrivals = arrivals
        self._now = now
        self._headers = Headers()

    def receive(
        self,
        peer: Peer,
        *,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        receiving_ae: str = "",
    ) -> "Reception":
        """Begin to receive the data set of a C-STORE (PS3.4 B.2): `write` its bytes, then `commit` or `abort`."""
        reception = self._reception(self._spool, peer, receiving_ae)
        reception.expect(sop_class_uid, sop_instance_uid, transfer_syntax_uid)
        return reception

    def receive_part10(self, peer: Peer, *, study_instance_uid: str | None = None) -> Part10Reception:
        """Begin to receive a Part 10 file (PS3.18 10.5, imports): its own group 2 is read, and replaced by ours.

        With `study_instance_uid`, an object of another study fails with MISMATCH at commit.
        """
        return Part10Reception(self.reception(peer), study_instance_uid)

    def reception(self, peer: Peer) -> "Reception":
        """A reception that is told by its `expect` what comes."""
        return self._reception(self._spool, peer)

    def _reception(self, place: "Place", peer: Peer, receiving_ae: str = "") -> "Reception":
        return Reception(
            place, self._arrivals, self._headers, peer, receiving_ae=receiving_ae, received_at=self._now()
        )

    def batch(self, peer: Peer) -> Batch:
        """Room for Part 10 files of one sender that become durable, and visible, together."""
        place = self._spool.batch()

        def reception() -> Reception:
            return self._reception(place, peer)

        return Batch(place, self._arrivals, reception)

    def scratch(self) -> Scratch:
        """Room on the disk for what comes before its object is known (PS3.18 10.5.2). Raises PacsdError FULL."""
        return self._spool.scratch()


class Reception:
    """One object on its way in. A failure in `write` is kept and raised by `commit`: the sender is heard out."""

    def __init__(
        self, place: Place, arrivals: Arrivals, headers: Headers, peer: Peer, *, receiving_ae: str,
        received_at: datetime,
    ) -> None:  # fmt: skip
        self._place = place
        self._arrivals = arrivals
        self._headers = headers
        self._peer = peer
        self._receiving_ae = receiving_ae
        self._received_at = received_at
        self._head = bytearray()
        self._look_again_bytes = 0
        self._told: Reading | None = None
        self._leaps: FragmentLeaps | None = None
        self._writer: SpoolWriter | None = None
        self._meta: Meta | None = None
        self._length_bytes = 0
        self._digest = xxhash.xxh3_128()
        self._failure: PacsdError | None = None
        self._study_instance_uid: str | None = None
        self.sop_class_uid = ""
        self.sop_instance_uid = ""

    def expect(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        *,
        source_ae: str | None = None,
        study_instance_uid: str | None = None,
        header: Header | None = None,
    ) -> None:
        """What the envelope says; the data set has to agree. `header` if the data set was scanned already."""
        self.sop_class_uid = sop_class_uid
        self.sop_instance_uid = sop_instance_uid
        self._transfer_syntax_uid = transfer_syntax_uid
        self._source_ae = self._peer.title if source_ae is None else source_ae
        self._study_instance_uid = study_instance_uid
        if header is not None:
            try:
                self._tell(reading_of(header, self._peer.character_set))
            except PacsdError as error:
                self._fail(error)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The next bytes of the data set; the buffer may be used again on return."""
        if self._failure is not None:
            return
        view = memoryview(data)
        try:
            if self._told is None:
                self._look(view)
            if self._writer is None:
                self._writer = self._open()
            self._writer.write(view)
            if self._leaps is not None:
                self._leaps.feed(view, self._length_bytes)
        except PacsdError as error:
            self._fail(error)
            return
        self._digest.update(view)
        self._length_bytes += len(view)

    def commit(self) -> Accepted:
        """Make the object durable, then visible.

        Raises PacsdError: MALFORMED, MISMATCH, FULL, CONFLICT (other bytes are kept under this SOP Instance UID),
        REFUSED (the instance was rejected), UNAVAILABLE (the index is away: the sender should come again).
        """
        try:
            arrival = self._whole()
            return accepted(arrival, self._arrivals.admit(arrival, self._make_durable))
        except BaseException as error:
            self._end(error)
            raise

    def seal(self) -> Arrival:
        """The object is whole: what the index is to be told once its batch is durable. Raises as `commit`."""
        try:
            arrival = self._whole()
            self._make_durable()
            return arrival
        except BaseException as error:
            self._end(error)
            raise

    def _end(self, error: BaseException) -> None:
        """Whatever it is, also a defect of ours: what is not durable yet must not stay open."""
        if isinstance(error, PacsdError):
            self._fail(error)
        else:
            self.abort()

    def _whole(self) -> Arrival:
        """What arrived, checked and sealed."""
        if self._failure is not None:
            raise self._failure
        writer, meta = self._writer, self._meta
        if writer is None or meta is None or meta.patch_offset is None:
            raise PacsdError(Fault.MALFORMED, "the data set is empty")
        told = self._told or self._scan_whole()
        if self._length_bytes + _MISSING_PAD_BYTES < told.header.reaches:
            raise PacsdError(Fault.MALFORMED, "the data set ends inside its last value")
        if self._leaps is not None:
            self._check_fragments(self._leaps)
        digest = self._digest.digest()
        writer.patch(meta.patch_offset, seal(self._length_bytes, digest))
        return self._arrival(writer.key, len(meta.data), told, digest)

    def _check_fragments(self, leaps: FragmentLeaps) -> None:
        """Whether all of them came: which should follow is not told, only that a delimiter ends them (PS3.5 A.4)."""
        if self._length_bytes + _MISSING_PAD_BYTES < leaps.reaches:
            raise PacsdError(Fault.MALFORMED, "the data set ends inside a fragment of its pixels")
        if not leaps.ended:
            raise PacsdError(Fault.MALFORMED, "the data set ends without the delimiter of its fragments (FFFE,E0DD)")

    def _make_durable(self) -> None:
        """From here on only the index decides about the file."""
        if self._writer is not None:
            self._writer.commit()
            self._writer = None

    def abort(self) -> None:
        """Forget the object (the sender went away)."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None

    def fail(self, error: PacsdError) -> None:
        """Refuse what is coming; `commit` will raise `error`."""
        self._fail(error)

    def _fail(self, error: PacsdError) -> None:
        self._failure = error
        self.abort()

    def _look(self, view: memoryview) -> None:
        """Try to read the header from what has arrived; small looks first, each next one on twice as much."""
        room = max(_FIRST_LOOK_BYTES, self._look_again_bytes - len(self._head))
        if self._look_again_bytes > len(self._head) + len(view):
            self._head += view
            return
        head = bytes(self._head + view[:room]) if self._head else bytes(view[:room])
        try:
            told = self._headers.read(head, self._transfer_syntax_uid, override=self._peer.character_set)
        except NeedMoreData as short:
            if len(head) > _MAX_HEADER_BYTES:
                raise PacsdError(Fault.TOO_MUCH, "the header does not end within its limit") from short
            self._head = bytearray(head)
            self._look_again_bytes = max(short.wanted_bytes, 2 * len(head))
            if len(view) > room:
                self._look(view[room:])
            return
        self._head = bytearray()
        self._tell(told, head)

    def _scan_whole(self) -> Reading:
        head = bytes(self._head)
        header = scan(head, self._transfer_syntax_uid, to_pixels=True)
        return self._tell(reading_of(header, self._peer.character_set), head)

    def _tell(self, told: Reading, head: bytes = b"") -> Reading:
        """What the data set says; where its pixels come in fragments, begin to look how far these reach."""
        if told.header.fragments_at:
            self._leaps = FragmentLeaps(told.header.fragments_at)
            self._leaps.feed(head, 0)
        self._check(told.header)
        self._told = told
        return told

    def _check(self, header: Header) -> None:
        """The data set against its envelope (PS3.4 B.2.3: 0xA900) and against what can be kept at all."""
        for tag, expected in (
            (SOP_CLASS_UID, self.sop_class_uid),
            (SOP_INSTANCE_UID, self.sop_instance_uid),
            (STUDY_INSTANCE_UID, self._study_instance_uid),
        ):
            found = header.text(tag)
            if expected is not None and found != expected:
                how = "is not what was announced" if found else "is missing"
                raise PacsdError(Fault.MISMATCH, f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {how}")
        for tag in (SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID):
            if not _KEYABLE_UID.fullmatch(header.text(tag)):
                raise PacsdError(Fault.MALFORMED, f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is missing or not a UID")

    def _open(self) -> SpoolWriter:
        receipt = Receipt(
            organisation=self._peer.organisation_code,
            assigning_authority=self._peer.assigning_authority,
            received_at=self._received_at,
            dataset_bytes=-1,            # unsealed until commit
            digest=bytes(16),
        )
        self._meta = build_meta(
            sop_class_uid=self.sop_class_uid,
            sop_instance_uid=self.sop_instance_uid,
            transfer_syntax_uid=self._transfer_syntax_uid,
            source_ae=self._source_ae,
            receiving_ae=self._receiving_ae,
            receipt=receipt,
        )
        writer = self._place.create(self._peer.organisation_code)
        writer.write(self._meta.data)
        return writer

    def _arrival(self, key: str, meta_bytes: int, told: Reading, digest: bytes) -> Arrival:
        header = told.header
        return Arrival(
            organisation=self._peer.organisation,
            assigning_authority=self._peer.assigning_authority,
            sop_class_uid=self.sop_class_uid,
            sop_instance_uid=self.sop_instance_uid,
            study_instance_uid=header.text(STUDY_INSTANCE_UID),
            series_instance_uid=header.text(SERIES_INSTANCE_UID),
            transfer_syntax_uid=self._transfer_syntax_uid,
            extent=Extent(key, 0, meta_bytes + self._length_bytes),
            dataset_offset_bytes=meta_bytes,
            digest=digest,
            received_at=self._received_at,
            source_ae=self._source_ae,
            header=header,
            fingerprint=told.fingerprint,
            attributes=joined(told.texts),
            character_set=self._peer.character_set,
        )
