"""Fixtures every room's tests share."""

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pynetdicom import AE

from conformance.requestor import attentive
from pacsd.supervise.cluster import Cluster
from tests.reused import Reused
from tests.server import Server, remove_folder, scratch_folder

if TYPE_CHECKING:
    from tests.security.house import Guarded
    from tests.shares import Shares

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where processes share the tests, what takes long begins first."""
    if hasattr(config, "workerinput"):
        from tests.shares import turn

        items.sort(key=lambda item: turn(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> "Shares | None":
    """Our way of `--dist=loadfile`."""
    if config.getvalue("dist") != "loadfile":
        return None
    from tests.shares import Shares

    config.option.loadscopereorder = False       # by their number, the few that take long would come last
    return Shares(config, log)  # type: ignore[arg-type]


@pytest.fixture(scope="session", autouse=True)
def _every_answer_is_heard() -> Iterator[None]:
    """pynetdicom, as a client of any test, loses no answer."""
    associate = AE.associate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AE, "associate", lambda *arguments, **named: attentive(associate(*arguments, **named)))
        yield


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real DICOM, HL7 and FHIR files; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("PACSD_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "dicom").is_dir():
        if os.environ.get("PACSD_REQUIRE_CLIENTS") == "1":
            pytest.fail(f"no test data at {folder}")
        pytest.skip("real files are looked for in $PACSD_TEST_DATA, and are not there")
    return folder


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL whose databases tests may make and drop."""

    dsn: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement)

    def create(self, *, template: str | None = None) -> tuple[str, str]:
        """A new database, empty or a copy: its name and its DSN."""
        name = f"pacsd_test_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
        return name, make_conninfo(self.dsn, dbname=name)

    def drop(self, name: str) -> None:
        """Drop a database, ending the sessions in it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the whole session: embedded, or the one $PACSD_TEST_DSN names."""
    named = os.environ.get("PACSD_TEST_DSN")
    if named is not None:
        yield Postgres(named)
        return
    with tempfile.TemporaryDirectory(prefix="pacsd-test-") as folder:
        with Cluster(Path(folder) / "postgres", durable=False) as cluster:
            yield Postgres(cluster.dsn)


@pytest.fixture(scope="session")
def migrated_template(postgres: Postgres) -> Iterator[str]:
    """The name of a database with all migrations applied, to copy from."""
    name, dsn = postgres.create()
    with contextlib.suppress(ImportError):
        from pacsd.index.migrate import migrate

        migrate(dsn)
    yield name
    postgres.drop(name)


@pytest.fixture(scope="session")
def reused(postgres: Postgres, migrated_template: str) -> Iterator[Reused]:
    """Where tests have their databases from."""
    databases = Reused(postgres, migrated_template)
    yield databases
    databases.close()


@pytest.fixture
def database(reused: Reused) -> Iterator[str]:
    """The DSN of a fresh, migrated database of the test's own."""
    with reused.lent() as dsn:
        yield dsn


@pytest.fixture(scope="session")
def running_server() -> Iterator[Server]:
    """The whole server with default settings, but quick to pack; shared by the session, so holds what others sent."""
    folder = scratch_folder()
    server = Server(folder / "data", config="[storage]\nquiet_s = 1.0\ngrace_s = 5.0\n")
    try:
        yield server.start()
    finally:
        server.stop()
        remove_folder(folder)


@pytest.fixture(scope="session")
def guarded() -> "Iterator[Guarded]":
    """The whole server as a site guards it: TLS, tokens required, two hospitals; shared, as `running_server` is."""
    from tests.security.house import opened

    with opened() as made:
        yield made
