"""One region for all tests of this room that only read."""

from collections.abc import Iterator

import pytest

from tests.access.region import Region, filled
from tests.conftest import Postgres


@pytest.fixture(scope="session")
def region(postgres: Postgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """Three hospitals with their studies, reports and one grant."""
    with filled(postgres, migrated_template, tmp_path_factory.mktemp("region")) as made:
        yield made
