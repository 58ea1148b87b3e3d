"""A workflow of two organisations, `group` reading what `east` has, on real PostgreSQL and real files."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import OrganisationSettings, Settings, StorageSettings
from pacsd.access.directory import Directory, Peer
from pacsd.blobs import LocalBlobs
from pacsd.index import organisations
from pacsd.index.connect import Pool, pool
from pacsd.workflow.services import Workflow, open_workflow
from tests.conftest import Postgres


class Office:
    """The workflow, its pool and blobs, and peers of its organisations."""

    def __init__(self, index: Pool, root: Path, *, dsn: str = "") -> None:
        self.index, self.dsn = index, dsn
        self.blobs = LocalBlobs(root, reserve_bytes=0)
        self.settings = Settings(
            organisations=(OrganisationSettings("east"), OrganisationSettings("group", reads=("east",))),
            storage=StorageSettings(grace_s=0.0),
        )
        keys = organisations.register(index, [(one.code, one.name, one.code) for one in self.settings.organisations])
        self.directory = Directory(self.settings, keys)
        self.peer = self.directory.member("east")
        self.reader = self.directory.member("group")
        self.open()

    def open(self) -> Workflow:
        """As after a restart."""
        self.workflow = open_workflow(self.settings, self.index, self.blobs, self.directory)
        self.workitems, self.subscriptions = self.workflow.workitems, self.workflow.subscriptions
        self.steps = self.workflow.performed_steps
        return self.workflow

    def named(self, title: str) -> Peer:
        """A peer of `east` with a title."""
        return replace(self.peer, title=title)

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """What the database says."""
        with self.index.connection() as connection:
            return connection.execute(statement, values).fetchall()

    def heard(self, title: str, peer: Peer | None = None) -> list[str]:
        """All that waits for an AE, taken by a channel of its own."""
        channels = self.workflow.channels
        channel = channels.open(peer or self.peer, title)
        texts: list[str] = []
        while (messages := channels.take(channel)) and messages.texts:
            texts += messages.texts
            channels.taken(channel, messages)
        channels.close(channel)
        return texts


@pytest.fixture(scope="session")
def worklist_database(postgres: Postgres, migrated_template: str) -> Iterator[str]:
    """The DSN of a database that only these tests use: to empty it takes less than to make another."""
    name, dsn = postgres.create(template=migrated_template)
    yield dsn
    postgres.drop(name)


@pytest.fixture
def office(worklist_database: str, tmp_path: Path) -> Iterator[Office]:
    """With nothing to do yet."""
    with pool(worklist_database, min_size=1, max_size=12) as made:
        with made.connection() as connection:
            for table in ("workitem", "workitem_gone", "subscriber", "performed_step", "notification",
                          "notification_pause", "commitment", "event", "garbage"):  # fmt: skip
                connection.execute(f"delete from {table}")
        yield Office(made, tmp_path, dsn=worklist_database)
