"""An index that already holds 1,000,000 studies and 4,000,000 series."""

from __future__ import annotations

from tests.bench.measures import Row

ROWS: tuple[Row, ...] = ()
