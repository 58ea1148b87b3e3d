"""An archive with the identity services over it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.identity.register import Register, opened_register


@pytest.fixture
def register(database: str, tmp_path: Path) -> Iterator[Register]:
    with opened_register(database, tmp_path / "blobs") as made:
        yield made
