"""Receiving: what is kept, what is refused, and in which order."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.access.directory import Peer
from pacsd.access.scope import Scope
from pacsd.archive.ingest import Ingest
from pacsd.blobs.spool import Spool
from pacsd.codec.part10 import read_meta
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Arrival, Outcome, Stored
from tests.synthetic import compressed_object, ct_series, small_object, study

PEER = Peer(
    title="CT1", organisation=1, organisation_code="east", assigning_authority="east", scope=Scope((1,), 1)
)
EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass
class Admitted:
    """An index that shows everything, and remembers it."""

    seen: list[Arrival] = field(default_factory=list)

    def admit(self, arrival: Arrival, durable: Callable[[], None] | None = None) -> Stored:
        if durable is not None:
            durable()
        self.seen.append(arrival)
        return Stored(Outcome.STORED)


def opened(tmp_path: Path) -> tuple[Ingest, Admitted]:
    admitted = Admitted()
    return Ingest(Spool(tmp_path, reserve_bytes=0), admitted), admitted


def data_set(file: bytes) -> bytes:
    return file[read_meta(file).dataset_offset :]


def uids(file: bytes) -> dict[str, str]:
    parsed = pydicom.dcmread(io.BytesIO(file))
    return {"sop_class_uid": str(parsed.SOPClassUID), "sop_instance_uid": str(parsed.SOPInstanceUID),
            "transfer_syntax_uid": EXPLICIT}


def spool_files(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.rglob("*.dcm"))


def test_a_received_data_set_is_kept_bit_identical_with_a_receipt_that_verifies(tmp_path: Path) -> None:
    file = small_object(study(1))
    ingest, admitted = opened(tmp_path)
    reception = ingest.receive(PEER, **uids(file), receiving_ae="PACSD")
    reception.write(data_set(file))
    reception.commit()
    kept = spool_files(tmp_path)[0].read_bytes()
    meta = read_meta(kept)
    assert kept[meta.dataset_offset :] == data_set(file)
    assert meta.receipt is not None
    assert meta.receipt.organisation == "east"
    assert meta.receipt.dataset_bytes == len(data_set(file))
    assert meta.receipt.digest == admitted.seen[0].digest
    assert meta.source_ae == "CT1"


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 3000), max_size=12))
def test_any_cutting_of_the_stream_keeps_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    file = small_object(study(2))
    folder = tmp_path_factory.mktemp("cut")
    ingest, admitted = opened(folder)
    reception = ingest.receive_part10(PEER)
    edges = [0, *sorted(min(cut, len(file)) for cut in cuts), len(file)]
    for start, end in pairwise(edges):
        reception.write(file[start:end])
    reception.commit()
    kept = spool_files(folder)[0].read_bytes()
    assert kept[admitted.seen[0].dataset_offset_bytes :] == data_set(file)


def test_an_envelope_that_names_another_instance_is_a_mismatch_and_leaves_nothing(tmp_path: Path) -> None:
    file = small_object(study(3))
    ingest, admitted = opened(tmp_path)
    reception = ingest.receive(PEER, **{**uids(file), "sop_instance_uid": "1.2.3"})
    reception.write(data_set(file))
    with pytest.raises(PacsdError) as refused:
        reception.commit()
    assert refused.value.fault is Fault.MISMATCH
    assert not spool_files(tmp_path) and not admitted.seen


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2/3", "", "..", "1" * 65])
def test_a_uid_that_is_no_uid_is_refused(tmp_path: Path, uid: str) -> None:
    parsed = pydicom.dcmread(io.BytesIO(small_object(study(4))))
    with pydicom.config.disable_value_validation():
        parsed.StudyInstanceUID = uid
        raw = io.BytesIO()
        parsed.save_as(raw)
    ingest, admitted = opened(tmp_path)
    reception = ingest.receive_part10(PEER)
    reception.write(raw.getvalue())
    with pytest.raises(PacsdError) as refused:
        reception.commit()
    assert refused.value.fault is Fault.MALFORMED
    assert not spool_files(tmp_path) and not admitted.seen


def test_an_aborted_reception_leaves_nothing(tmp_path: Path) -> None:
    file = small_object(study(5))
    ingest, admitted = opened(tmp_path)
    reception = ingest.receive(PEER, **uids(file))
    reception.write(data_set(file)[:2000])
    reception.abort()
    assert not spool_files(tmp_path) and not admitted.seen


def test_an_empty_data_set_is_refused(tmp_path: Path) -> None:
    ingest, _ = opened(tmp_path)
    with pytest.raises(PacsdError) as refused:
        ingest.receive(PEER, **uids(small_object(study(6)))).commit()
    assert refused.value.fault is Fault.MALFORMED


def test_an_object_of_another_study_than_asked_for_is_a_mismatch(tmp_path: Path) -> None:
    ingest, admitted = opened(tmp_path)
    reception = ingest.receive_part10(PEER, study_instance_uid="1.2.3.4")
    reception.write(small_object(study(7)))
    with pytest.raises(PacsdError) as refused:
        reception.commit()
    assert refused.value.fault is Fault.MISMATCH
    assert not spool_files(tmp_path) and not admitted.seen


@pytest.mark.parametrize("missing", [0, 1, 2, 1000])
def test_a_data_set_that_ends_inside_its_pixels_is_refused(tmp_path: Path, missing: int) -> None:
    file = next(iter(ct_series(study(8), count=1, rows=32, columns=32)))
    data = data_set(file)
    ingest, admitted = opened(tmp_path)
    reception = ingest.receive(PEER, **uids(file))
    reception.write(data[: len(data) - missing])
    if missing <= 1:                     # writers that leave out the byte that makes a value even
        assert reception.commit().outcome is Outcome.STORED
        return
    with pytest.raises(PacsdError) as refused:
        reception.commit()
    assert refused.value.fault is Fault.MALFORMED
    assert not spool_files(tmp_path) and not admitted.seen


def received(tmp_path: Path, file: bytes, *, lost: int, piece: int) -> Fault | None:
    """How a compressed object that loses its end on the way is answered, sent in pieces of this size."""
    ingest, admitted = opened(tmp_path)
    data = data_set(file)
    reception = ingest.receive(PEER, **{**uids(file), "transfer_syntax_uid": "1.2.840.10008.1.2.4.50"})
    for at in range(0, len(data) - lost, piece):
        reception.write(memoryview(data)[at : min(at + piece, len(data) - lost)])
    try:
        reception.commit()
    except PacsdError as error:
        assert admitted.seen == [] and spool_files(tmp_path) == []
        return error.fault
    return None


@pytest.mark.parametrize("piece", [37, 4096, 1 << 20])
@pytest.mark.parametrize(
    ("lost", "fault"),
    [
        (0, None),
        (4, Fault.MALFORMED),            # in the middle of the delimitation
        (8, Fault.MALFORMED),            # its last fragment is whole: only the delimitation is missing
        (20, Fault.MALFORMED),
        (3000, Fault.MALFORMED),
        (70_000, Fault.MALFORMED),
        (90_000 + 20, Fault.MALFORMED),
        (90_000 + 16, Fault.MALFORMED),  # exactly between two fragments: which ones should follow is not told
    ],
)
def test_a_compressed_object_whose_fragments_do_not_end_is_refused(
    tmp_path: Path, lost: int, fault: Fault | None, piece: int
) -> None:
    file = compressed_object(study(8), fragments=(b"a" * 70_000, b"b" * 500, b"c" * 90_000))
    assert received(tmp_path, file, lost=lost, piece=piece) is fault
