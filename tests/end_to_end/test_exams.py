"""A modality's exams with the whole server: steps, commitment and notifications outlive kills and a lost index."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom.presentation import build_context

from tests.dimse.department import MPPS, PUSH, RETRIEVE, WELL_KNOWN, Heard, asked, listening, modality, references
from tests.dimse.test_performed_step import create, set_
from tests.end_to_end import peers
from tests.end_to_end.house import failed
from tests.end_to_end.samples import read_samples
from tests.server import Server, free_port, remove_folder, scratch_folder
from tests.synthetic import small_object, study
from tests.workflow.performed import ended, scheduled, series
from tests.workflow.steps import attribute

WORLD = study(81)
UID, SERIES = WORLD.study_instance_uid, WORLD.series_instance_uid(1)


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture
def server(ports: tuple[int, int]) -> Iterator[Server]:
    folder = scratch_folder("pacsd-exams-")
    aes = (("CT1", ports[0], "commitment_on_same_association = false"), ("RIS", ports[1], "availability = true"))
    remotes = "".join(
        f'[[remote_aes]]\ntitle = "{title}"\nhost = "127.0.0.1"\nport = {port}\norganisation = "default"\n{more}\n'
        for title, port, more in aes
    )
    made = Server(folder / "data", config=f"{remotes}[storage]\nquiet_s = 3600.0\n")
    try:
        yield made.start()
    finally:
        made.kill()
        remove_folder(folder)


def until(what: Callable[[], Any], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def store(server: Server, *numbers: int) -> str:
    """Their SOP class."""
    folder = server.data.parent / "sent"
    folder.mkdir(exist_ok=True)
    for number in numbers:
        (folder / f"{number}.dcm").write_bytes(small_object(WORLD, instance=number))
    samples = read_samples(folder)
    assert set(peers.store(server.dicom_port, samples, called="PACSD", calling="CT1").values()) == {0}
    return samples[0].sop_class_uid


def commit(server: Server, transaction: str, sop_class: str, *numbers: int) -> None:
    wanted = [(sop_class, WORLD.sop_instance_uid(1, number)) for number in numbers]
    with modality(server.dicom_port, PUSH) as scu:
        assert scu.send_n_action(asked(transaction, wanted), 1, PUSH, WELL_KNOWN)[0].Status == 0


def status(server: Server, uid: str) -> str:
    with modality(server.dicom_port, MPPS, RETRIEVE) as scu:
        found: Dataset = scu.send_n_get([0x00400252], MPPS, uid, meta_uid=RETRIEVE)[1]
        return str(found.PerformedProcedureStepStatus)


def test_an_exam_outlives_kills_and_a_lost_index(server: Server, ports: tuple[int, int]) -> None:
    step, running = generate_uid(), generate_uid()
    with modality(server.dicom_port, MPPS) as scu:
        for uid in (step, running):
            assert create(scu, uid, t00400270=attribute("SQ", scheduled(UID if uid == step else "1.2.9"))).Status == 0
    sop_class = store(server, 1, 2)
    with modality(server.dicom_port, MPPS) as scu:
        made = series(SERIES, [WORLD.sop_instance_uid(1, n) for n in (1, 2)], sop_class=sop_class)
        assert set_(scu, step, ended(made)).Status == 0
    commit(server, "1.2.3.1", sop_class, 1, 2, 3)
    server.kill()
    modality_heard, ris_heard = Heard(), Heard()
    with listening(modality_heard, ports[0]), listening(ris_heard, ports[1], title="RIS"):
        server.start()
        until(lambda: modality_heard.events and ris_heard.created)
    kind, information = modality_heard.events[0]
    assert (kind, information.TransactionUID) == (2, "1.2.3.1")
    assert len(information.ReferencedSOPSequence) == 2
    assert [item.FailureReason for item in information.FailedSOPSequence] == [0x0112]
    notification = ris_heard.created[0][1]
    assert notification.ReferencedPerformedProcedureStepSequence[0].ReferencedSOPInstanceUID == step
    assert len(references(notification.ReferencedSeriesSequence[0].ReferencedSOPSequence)) == 2
    assert server.stop() == 0
    shutil.rmtree(server.data / "postgres")
    done = server.command("rebuild")
    assert done.returncode == 0, failed(done)
    server.start()
    assert [status(server, uid) for uid in (step, running)] == ["COMPLETED", "IN PROGRESS"]
    with modality(server.dicom_port, MPPS) as scu:
        assert set_(scu, step, ended()).ErrorID == 0xA710
        assert set_(scu, running, ended(status="DISCONTINUED")).Status == 0


def test_steps_and_images_share_an_association(server: Server) -> None:
    """As modalities do that open one for everything."""
    uid = generate_uid()
    contexts = [build_context(MPPS), build_context(PUSH)]
    with peers.association(server.dicom_port, contexts, called="PACSD", calling="CT1") as made:
        assert create(made, uid).Status == 0
        assert made.send_n_action(asked("1.2.3.2", [("1.2", "1.3")]), 1, PUSH, WELL_KNOWN)[0].Status == 0
        assert set_(made, uid, ended()).Status == 0
