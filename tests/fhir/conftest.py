"""A FHIR server of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fhir.house import House, opened


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as made:
        yield made
