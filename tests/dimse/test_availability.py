"""Instance Availability Notifications at a foreign SCP: of a completed step, and of a study that fell silent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pacsd.events.outbox import Consumer
from pacsd.index.completion import complete_studies
from pacsd.workflow.availability import TOPICS
from tests.archive.house import opened
from tests.dimse.department import MPPS, Heard, Ward, listening, modality, references
from tests.dimse.test_performed_step import create, set_
from tests.server import free_port
from tests.synthetic import study
from tests.workflow.performed import ended, scheduled, series
from tests.workflow.steps import attribute

WORLD = study(80)
UID, SERIES = WORLD.study_instance_uid, WORLD.series_instance_uid(1)
ALLOWED = {0x00081111, 0x0020000D, 0x00081115}           # PS3.4 R.3.2.1.2: the use of others is forbidden


@pytest.fixture
def ward(database: str, tmp_path: Path) -> Iterator[Ward]:
    with opened(database, tmp_path / "blobs") as house:
        yield Ward(house)


def told(ward: Ward) -> None:
    """Everything that is due."""
    looking = ward.availability("RIS")
    looking.run()
    consumer = Consumer(ward.house.pool, "availability", looking.handle, topics=TOPICS)
    while consumer.run():
        pass
    while ward.notifier.turn():
        pass


def sop(number: int) -> str:
    return WORLD.sop_instance_uid(1, number)


def test_an_ae_is_notified_of_what_a_completed_step_made(ward: Ward) -> None:
    heard = Heard()
    with ward.serving() as server, listening(heard, free_port(), title="RIS") as ward.directory.remotes["RIS"]:
        with modality(server.port, MPPS) as scu:
            assert create(scu, "1.2.3.4", t00400270=attribute("SQ", scheduled(UID))).Status == 0
            sop_class = ward.receive(WORLD, 1, 2, 3)
            ward.house.pack_all()
            made = series(SERIES, [sop(1), sop(2)], sop_class=sop_class)
            assert set_(scu, "1.2.3.4", ended(made)).Status == 0
        told(ward)
    [(uid, notification)] = heard.created
    assert uid.startswith("2.25.")
    assert {int(element.tag) for element in notification} == ALLOWED
    assert notification.StudyInstanceUID == UID
    [step] = notification.ReferencedPerformedProcedureStepSequence
    assert (step.ReferencedSOPClassUID, step.ReferencedSOPInstanceUID) == (MPPS, "1.2.3.4")
    assert len(step.PerformedWorkitemCodeSequence) == 0
    [one] = notification.ReferencedSeriesSequence
    assert one.SeriesInstanceUID == SERIES
    assert references(one.ReferencedSOPSequence) == [(sop_class, sop(1)), (sop_class, sop(2))]
    assert {(item.InstanceAvailability, item.RetrieveAETitle) for item in one.ReferencedSOPSequence} == {
        ("ONLINE", "PACSD")
    }
    assert ward.states() == ["delivered"]


def test_an_ae_is_notified_of_a_silent_study_without_steps(ward: Ward) -> None:
    sop_class = ward.receive(WORLD, 1)
    assert complete_studies(ward.house.pool, quiet_s=0.0) == 1
    heard = Heard()
    with listening(heard, free_port(), title="RIS") as ward.directory.remotes["RIS"]:
        told(ward)
    [(_, notification)] = heard.created
    assert len(notification.ReferencedPerformedProcedureStepSequence) == 0
    assert references(notification.ReferencedSeriesSequence[0].ReferencedSOPSequence) == [(sop_class, sop(1))]


def test_a_repeat_that_the_ae_knows_is_told(ward: Ward) -> None:
    ward.receive(WORLD, 1)
    complete_studies(ward.house.pool, quiet_s=0.0)
    heard = Heard(status=0x0111)
    with listening(heard, free_port(), title="RIS") as ward.directory.remotes["RIS"]:
        told(ward)
    assert ward.states() == ["delivered"]


def test_an_ae_that_is_busy_is_asked_again_with_the_same_uid(ward: Ward) -> None:
    ward.receive(WORLD, 1)
    complete_studies(ward.house.pool, quiet_s=0.0)
    heard = Heard(status=0x0213)
    with listening(heard, free_port(), title="RIS") as ward.directory.remotes["RIS"]:
        told(ward)
        ward.go(2)
        heard.status = 0
        told(ward)
    assert ward.states() == ["delivered"]
    assert len({uid for uid, _ in heard.created}) == 1
    assert len(heard.created) == 2


def test_a_study_that_is_gone_is_nothing_to_notify_of(ward: Ward) -> None:
    ward.receive(WORLD, 1)
    complete_studies(ward.house.pool, quiet_s=0.0)
    with ward.house.pool.connection() as connection:
        connection.execute("update study set instances = 0")
    heard = Heard()
    with listening(heard, free_port(), title="RIS") as ward.directory.remotes["RIS"]:
        told(ward)
    assert (heard.created, ward.states()) == ([], ["refused"])
