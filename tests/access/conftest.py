"""One region for all tests of this room that only read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.access.region import Region, fill, opened
from tests.conftest import Postgres


@pytest.fixture(scope="session")
def region(postgres: Postgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """Three hospitals with their studies, reports and one grant."""
    name, dsn = postgres.create(template=migrated_template)
    folder: Path = tmp_path_factory.mktemp("region")
    with opened(dsn, folder) as made:
        fill(made)
        yield made
    postgres.drop(name)
