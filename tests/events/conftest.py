"""Events are tested on an index."""

from tests.index.conftest import index, ingest

__all__ = ["index", "ingest"]
