"""A hospital of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fhir.projection.hospital import Hospital, opened


@pytest.fixture
def hospital(database: str, tmp_path: Path) -> Iterator[Hospital]:
    with opened(database, tmp_path) as made:
        yield made
