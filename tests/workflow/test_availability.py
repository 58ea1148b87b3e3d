"""What a completed step names has come: said once, at once or when the last of it has come; and told to AEs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from pacsd.archive.commitment import Commitments
from pacsd.archive.reject import Rejections
from pacsd.archive.truth import Truth
from pacsd.events.outbox import Consumer
from pacsd.index.completion import complete_studies
from pacsd.workflow.availability import TOPICS, Availability, Notified
from pacsd.workflow.performed_steps import PerformedSteps
from pacsd.workflow.records import Records
from tests.archive.house import House, opened
from tests.synthetic import small_object, study
from tests.workflow.performed import CT, begun, ended, scheduled, series

WORLD = study(78)
UID, SERIES = WORLD.study_instance_uid, WORLD.series_instance_uid(1)


class Ward:
    """An archive, its performed steps, and a clock that goes when told to."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.now = datetime.now(UTC)
        self.peer = house.peer("east")
        records = Records(house.blobs, {key: code for code, key in house.keys.items()})
        self.steps = PerformedSteps(house.pool, records, grace_s=0.0, clock=lambda: self.now)
        self.commitments = Commitments(house.pool, house.blobs, house.sidecars)
        told = {house.keys["east"]: [Notified("RIS", "PACSD"), Notified("VIEWER", "PACSD")]}
        self.availability = Availability(house.pool, self.commitments.missing, told, give_up_s=3600.0,
                                         clock=lambda: self.now)  # fmt: skip
        self.consumer = Consumer(house.pool, "availability", self.availability.handle, topics=TOPICS)
        self.sop_class = CT

    def receive(self, *numbers: int, series: int = 1) -> None:
        for number in numbers:
            accepted = self.house.receive(small_object(WORLD, series=series, instance=number))
            self.sop_class = accepted.sop_class_uid

    def begin(self, uid: str, *orders: Any) -> None:
        self.steps.create(self.peer, uid, begun(*(orders or (scheduled(UID),))))

    def end(self, uid: str, *numbers: int, status: str = "COMPLETED") -> None:
        instances = [WORLD.sop_instance_uid(1, number) for number in numbers]
        self.steps.set(self.peer, uid, ended(series(SERIES, instances, sop_class=self.sop_class), status=status))

    def look(self) -> list[tuple[str, str]]:
        """What was said of availability and completion since the last look."""
        self.availability.run()
        topics = ["step.available", "study.completed"]
        with self.house.pool.connection() as connection:
            rows = connection.execute(
                "delete from event where topic = any(%s) returning pk, topic, subject, body", (topics,)
            ).fetchall()
        self.bodies = [row[3] for row in sorted(rows)]
        return [(row[1], row[2]) for row in sorted(rows)]

    def notified(self) -> list[tuple[Any, ...]]:
        """What is queued for whom."""
        while self.consumer.run():
            pass
        with self.house.pool.connection() as connection:
            rows = connection.execute(
                "select ae_title, own_title, sop_instance_uid, body from notification order by pk"
            ).fetchall()
        return [(ae, own, uid, orjson.loads(body)) for ae, own, uid, body in rows]


@pytest.fixture
def ward(database: str, tmp_path: Path) -> Iterator[Ward]:
    with opened(database, tmp_path / "blobs") as house:
        yield Ward(house)


COMPLETE = [("step.available", "1.1"), ("study.completed", UID)]


def test_a_study_is_complete_at_once_when_all_of_its_step_is_there(ward: Ward) -> None:
    ward.begin("1.1")
    ward.receive(1, 2)
    ward.house.pack_all()
    ward.receive(3)
    assert ward.look() == []
    ward.end("1.1", 1, 2, 3)
    assert ward.look() == COMPLETE
    assert ward.bodies == [
        {"sop_instance_uid": "1.1", "study_instance_uids": [UID]},
        {"study_instance_uid": UID, "instances": 3, "performed_steps": ["1.1"]},
    ]
    assert ward.look() == [], "once"
    assert complete_studies(ward.house.pool, quiet_s=0.0) == 0, "and not again because nothing comes"


def test_a_study_is_complete_when_the_last_of_its_step_has_come(ward: Ward) -> None:
    ward.begin("1.1")
    ward.receive(1)
    ward.end("1.1", 1, 2)
    assert ward.look() == []
    ward.receive(2)
    assert ward.look() == [], "it was looked at this very second"
    ward.now += timedelta(seconds=1)
    assert ward.look() == COMPLETE


def test_the_next_look_comes_later_the_longer_nothing_came(ward: Ward) -> None:
    ward.begin("1.1")
    ward.end("1.1", 1)
    looks = []
    began = ward.now
    for _ in range(8):
        ward.look()
        with ward.house.pool.connection() as connection:
            [(ward.now,)] = connection.execute("select look_at from performed_step").fetchall()
        looks.append((ward.now - began).total_seconds())
    assert looks[:3] == [1.0, 2.0, 3.0]
    ward.now = began + timedelta(days=1)
    ward.look()
    with ward.house.pool.connection() as connection:
        [(then,)] = connection.execute("select look_at from performed_step").fetchall()
    assert then - ward.now == timedelta(seconds=300)


def test_a_study_is_not_complete_while_another_step_of_it_runs_or_misses_images(ward: Ward) -> None:
    ward.begin("1.1")
    ward.begin("1.2")
    ward.receive(1)
    ward.end("1.1", 1)
    assert ward.look() == [("step.available", "1.1")]
    ward.end("1.2", 2)
    assert ward.look() == []
    ward.receive(2)
    ward.now += timedelta(seconds=1)
    assert ward.look() == [("step.available", "1.2"), ("study.completed", UID)]


def test_a_discontinued_step_completes_nothing_and_holds_up_nothing(ward: Ward) -> None:
    ward.begin("1.1")
    ward.begin("1.2")
    ward.receive(1)
    ward.end("1.2", 1, status="DISCONTINUED")
    assert ward.look() == []
    ward.end("1.1", 1)
    assert ward.look() == COMPLETE


def test_a_step_without_images_is_nothing_to_tell_of(ward: Ward) -> None:
    ward.begin("1.1")
    ward.steps.set(ward.peer, "1.1", ended(series("1.2.3.9")))
    assert ward.look() == []
    assert ward.notified() == []


def test_an_unscheduled_step_is_told_of_by_the_study_its_images_are_in(ward: Ward) -> None:
    ward.begin("1.1", scheduled("1.2.840.9999", "", ""))
    ward.receive(1)
    ward.end("1.1", 1)
    assert ward.look() == COMPLETE


def test_a_rejected_image_has_come(ward: Ward) -> None:
    ward.begin("1.1")
    ward.receive(1, 2)
    house = ward.house
    truth = Truth(house.pool, house.writing, house.sidecars, house.keys, grace_s=0.0)
    Rejections(house.journal, truth, house.sidecars).reject(
        "east", UID, SERIES, [WORLD.sop_instance_uid(1, 1)], code="113001"
    )
    ward.end("1.1", 1, 2)
    assert ward.look() == COMPLETE


def test_a_pause_in_an_exam_completes_no_study_and_an_exam_that_never_ends_does_not_hold_it_for_ever(
    ward: Ward,
) -> None:
    ward.begin("1.1")
    ward.receive(1)
    assert complete_studies(ward.house.pool, quiet_s=0.0) == 0, "it goes on"
    ward.end("1.1", 1, 2)
    assert ward.look() == [] and complete_studies(ward.house.pool, quiet_s=0.0) == 0, "one is still to come"
    ward.house.receive(small_object(WORLD), code="west")
    assert complete_studies(ward.house.pool, quiet_s=0.0) == 1, "another organisation's has no such step"
    with ward.house.pool.connection() as connection:
        connection.execute("update performed_step set changed_at = changed_at - interval '2 days'")
    assert complete_studies(ward.house.pool, quiet_s=0.0) == 1


def test_each_ae_is_told_once_of_a_step_and_of_a_quiet_study(ward: Ward) -> None:
    ward.begin("1.1")
    ward.receive(1)
    ward.end("1.1", 1)
    ward.availability.run()
    told = ward.notified()
    body = {"study": UID, "steps": ["1.1"]}
    assert [(ae, own, what) for ae, own, _, what in told] == [("RIS", "PACSD", body), ("VIEWER", "PACSD", body)]
    assert len({uid for *_, uid, _ in told}) == 2
    ward.receive(2)
    assert complete_studies(ward.house.pool, quiet_s=0.0) == 1
    assert [what for *_, what in ward.notified()[2:]] == [{"study": UID, "steps": []}] * 2
    with ward.house.pool.connection() as connection:
        connection.execute("delete from consumer")
    assert len(ward.notified()) == 4, "the same events handled again queue nothing"


def test_what_is_long_past_is_not_told(ward: Ward) -> None:
    ward.receive(1)
    assert complete_studies(ward.house.pool, quiet_s=0.0) == 1
    ward.now += timedelta(hours=2)
    assert ward.notified() == []


def test_other_organisations_are_told_nothing(ward: Ward) -> None:
    ward.house.receive(small_object(WORLD), code="west")
    assert complete_studies(ward.house.pool, quiet_s=0.0) == 1
    assert ward.notified() == []
