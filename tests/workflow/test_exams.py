"""Performed steps move the steps they were scheduled as, and a rebuild leads there again."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.settings import OrganisationSettings, Settings, StorageSettings, WorklistSettings
from pacsd.access.directory import Directory
from pacsd.archive.journal import FactKind
from pacsd.workflow import step_facts
from pacsd.workflow.order_facts import applier
from pacsd.workflow.orders import progress
from pacsd.workflow.performed_steps import PerformedSteps
from pacsd.workflow.rebuild import Rebuild
from pacsd.workflow.records import Records
from pacsd.workflow.services import open_workflow
from tests.archive.house import House, opened
from tests.workflow.performed import begun, ended, scheduled
from tests.workflow.steps import attribute
from tests.workflow.test_orders import emptied, ordered, place

EMPTIED = ("scheduled_step", "requested_procedure", "performed_step")


class Ward:
    """An archive with orders and performed steps."""

    def __init__(self, house: House) -> None:
        self.house, self.peer = house, house.peer("east")
        self.records = Records(house.blobs, {key: code for code, key in house.keys.items()})
        self.steps = PerformedSteps(house.pool, self.records, grace_s=0.0, progress=progress)

    def order(self, number: str = "1", *, steps: int = 1) -> list[dict[str, Any]]:
        """What its performed step will say of each scheduled one."""
        place(self.house, ordered(number, steps=steps))
        with self.house.pool.connection() as connection:
            rows = connection.execute(
                "select study_instance_uid, accession_number, step_id from scheduled_step order by pk desc limit %s",
                (steps,),
            ).fetchall()
        return [scheduled(*row) for row in reversed(rows)]

    def statuses(self) -> list[str]:
        with self.house.pool.connection() as connection:
            return [row[0] for row in connection.execute("select status from scheduled_step order by step_id")]

    def rebuilt(self) -> None:
        """As from blobs alone, the journal first."""
        emptied(self.house, *EMPTIED)
        apply = {
            FactKind.ORDER: applier(self.house.pool, self.house.keys),
            FactKind.STEP_PERFORMED: step_facts.applier(self.house.pool, self.house.keys, progress),
        }
        for fact in self.house.journal.replay():
            apply[fact.kind](fact)
        scope = self.peer.scope
        Rebuild(self.house.pool, self.records, self.house.keys, lambda _: scope, progress=progress).run()

    def forgotten(self) -> None:
        """As long after: performed steps are no longer kept, nor are their records."""
        with self.house.pool.connection() as connection:
            connection.execute("update performed_step set changed_at = changed_at - interval '1 day'")
        organisations = tuple(OrganisationSettings(code) for code in self.house.keys)
        made = Settings(
            organisations=organisations, worklist=WorklistSettings(keep_performed_s=3600.0),
            storage=StorageSettings(grace_s=0.0),
        )  # fmt: skip
        directory = Directory(made, self.house.keys)
        workflow = open_workflow(
            made, self.house.pool, self.house.blobs, directory, progress=progress, say=self.house.journal.append_all
        )
        (delete,) = [run for name, _, run in workflow.chores if name == "delete performed steps"]
        assert delete() and not delete()
        self.house.collect_all()
        assert [info.key for info in self.house.blobs.list("worklist/")] == []


@pytest.fixture
def ward(database: str, tmp_path: Path) -> Iterator[Ward]:
    with opened(database, tmp_path / "blobs") as house:
        yield Ward(house)


def test_a_scheduled_step_follows_the_one_that_performs_it(ward: Ward) -> None:
    [item] = ward.order()
    uid = ward.steps.create(ward.peer, "", begun(item))
    assert ward.statuses() == ["STARTED"]
    ward.rebuilt()
    assert ward.statuses() == ["STARTED"]
    ward.steps.set(ward.peer, uid, ended())
    assert ward.statuses() == ["COMPLETED"]
    ward.rebuilt()
    assert ward.statuses() == ["COMPLETED"]


@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED"])
def test_what_was_done_is_not_scheduled_again_when_the_exam_is_kept_no_longer(ward: Ward, status: str) -> None:
    [item], [other], [begins] = ward.order("1"), ward.order("2"), ward.order("3")
    before = ward.statuses()[1]
    ward.steps.create(ward.peer, "", begun(begins))
    ward.steps.set(ward.peer, ward.steps.create(ward.peer, "", begun(item)), ended(status=status))
    assert ward.statuses() == [status, before, "STARTED"]
    ward.forgotten()
    ward.rebuilt()
    assert ward.statuses() == [status, before, "STARTED"]
    place(ward.house, ordered("1", said="20270101120000", station="CT9"))
    ward.steps.create(ward.peer, "", begun(other))
    ward.rebuilt()
    assert ward.statuses() == [status, "STARTED", "STARTED"]


def test_an_exam_that_meets_a_message_of_the_same_orders_is_done_all_the_same(ward: Ward, database: str) -> None:
    both = ward.order("1") + ward.order("2")
    first, second = sorted(one["0020000D"]["Value"][0] for one in both)
    lock = "select from requested_procedure where study_instance_uid = %s for update"
    starting = threading.Thread(target=ward.steps.create, args=(ward.peer, "1.2.77", begun(*both)))
    with psycopg.connect(database) as message:
        message.execute("set deadlock_timeout = '60s'")          # so that it is the exam that gives way
        message.execute(lock, (second,))
        starting.start()
        while message.execute("select from pg_locks where not granted").rowcount == 0:
            time.sleep(0.01)
        message.execute(lock, (first,))
    starting.join()
    assert ward.statuses() == ["STARTED", "STARTED"]


def test_a_group_case_moves_every_step_and_an_append_case_starts_one_again(ward: Ward) -> None:
    both = ward.order("1") + ward.order("2")
    uid = ward.steps.create(ward.peer, "", begun(*both))
    ward.steps.set(ward.peer, uid, ended())
    assert ward.statuses() == ["COMPLETED", "COMPLETED"]
    again = ward.steps.create(ward.peer, "", begun(both[0]))
    assert sorted(ward.statuses()) == ["COMPLETED", "STARTED"]
    ward.rebuilt()
    assert sorted(ward.statuses()) == ["COMPLETED", "STARTED"]
    ward.steps.set(ward.peer, again, ended(status="DISCONTINUED"))
    assert "COMPLETED" in ward.statuses() and len(set(ward.statuses())) == 2


def test_one_step_of_a_procedure_is_performed_and_the_other_waits(ward: Ward) -> None:
    first, _ = ward.order(steps=2)
    before = ward.statuses()[0]
    ward.steps.create(ward.peer, "", begun(first))
    assert sorted(ward.statuses()) == sorted([before, "STARTED"])


def test_what_was_not_scheduled_moves_nothing(ward: Ward) -> None:
    ward.order()
    before = ward.statuses()
    ward.steps.create(ward.peer, "", begun(scheduled("1.2.99", "", ""), t00100020=attribute("LO", "NOBODY")))
    assert ward.statuses() == before
