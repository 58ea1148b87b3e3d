"""Files that become durable, and visible, together."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacsd.archive.accepted import Accepted
from pacsd.archive.batch import Batch
from pacsd.blobs import Spool
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Outcome
from tests.archive.house import House, opened
from tests.synthetic import ct_slice, dataset_bytes, small_object, sop_instance_uid, study

OF = study(31)


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    """An archive whose spool has segments."""
    with opened(database, tmp_path) as made:
        made.spool.close()
        made.spool = Spool(tmp_path, reserve_bytes=0, segment_bytes=4 << 20)
        made.ingest._spool = made.spool
        yield made


def add(batch: Batch, *files: bytes, study_instance_uid: str | None = None) -> None:
    """Files, in pieces."""
    for file in files:
        reception = batch.receive_part10(study_instance_uid=study_instance_uid)
        for at in range(0, len(file), 150_000):
            reception.write(memoryview(file)[at : at + 150_000])
        batch.add(reception)


def outcomes(answers: list[Accepted | PacsdError]) -> list[Outcome | Fault]:
    """In short."""
    return [one.outcome if isinstance(one, Accepted) else one.fault for one in answers]


def test_every_file_has_its_own_answer_in_order(house: House) -> None:
    files = [ct_slice(OF, instance=number) for number in (1, 2, 3)]
    other = bytearray(files[1])
    other[-1] ^= 1
    batch = house.ingest.batch(house.peer("east"))
    add(batch, files[0], b"no DICOM at all" * 100, files[1][:-100_000], files[1], files[0], bytes(other), files[2])
    assert outcomes(batch.commit()) == [
        Outcome.STORED, Fault.MALFORMED, Fault.MALFORMED, Outcome.STORED, Outcome.DUPLICATE, Fault.CONFLICT,
        Outcome.STORED,
    ]
    kept = house.data_sets(OF.study_instance_uid)
    assert kept == {sop_instance_uid(file): dataset_bytes(file) for file in files}
    batch = house.ingest.batch(house.peer("east"))
    add(batch, small_object(OF, instance=9), study_instance_uid="1.2.3")
    assert outcomes(batch.commit()) == [Fault.MISMATCH]


def test_nothing_is_visible_that_did_not_become_durable(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = house.ingest.batch(house.peer("east"))
    add(batch, *(small_object(OF, instance=number) for number in (1, 2, 3)))

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)
        assert outcomes(batch.commit()) == [Fault.UNAVAILABLE] * 3
    assert house.contents(OF.study_instance_uid) == []
    assert house.keys_under("spool/") == []
    add(again := house.ingest.batch(house.peer("east")), *(small_object(OF, instance=number) for number in (1, 2, 3)))
    assert outcomes(again.commit()) == [Outcome.STORED] * 3


def test_what_is_kept_is_durable_before_the_index_shows_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = os.fdatasync

    def watched(descriptor: int) -> None:
        seen.append(sum(len(content.loose) for content in house.contents(OF.study_instance_uid)))
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", watched)
    for numbers in ((1, 2), (3, 4)):
        batch = house.ingest.batch(house.peer("east"))
        add(batch, *(small_object(OF, instance=number) for number in numbers))
        assert outcomes(batch.commit()) == [Outcome.STORED] * 2
    assert seen == [0, 2]


def test_batches_of_one_study_at_the_same_time_count_right(house: House) -> None:
    answers: list[Outcome | Fault] = []

    def work(first: int) -> None:
        for at in range(first, first + 40, 8):
            batch = house.ingest.batch(house.peer("east"))
            add(batch, *(small_object(OF, instance=number) for number in range(at, at + 8)))
            answers.extend(outcomes(batch.commit()))

    threads = [threading.Thread(target=work, args=(first,)) for first in (1, 21, 41, 61)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers.count(Outcome.STORED) == 100 and answers.count(Outcome.DUPLICATE) == 60
    assert len(house.data_sets(OF.study_instance_uid)) == 100


def test_an_index_that_is_away_keeps_nothing_of_the_batch(house: House) -> None:
    batch = house.ingest.batch(house.peer("east"))
    add(batch, small_object(OF, instance=1), small_object(OF, instance=2))
    house.writing.close()
    house.pool.close()
    assert set(outcomes(batch.commit())) <= {Fault.UNAVAILABLE, Fault.INTERNAL}
    assert house.keys_under("spool/") == []
