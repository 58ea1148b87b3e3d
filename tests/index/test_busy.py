"""How busy the index is grows with what is written."""

from datetime import UTC, datetime

from pacsd.index.busy import arrivals, writes
from pacsd.index.connect import Pool
from pacsd.index.messages import APPLIED, Entry, keep_all, keeping


def test_each_transaction_that_writes_counts(index: Pool) -> None:
    before = writes(index)
    for n in range(50):
        with index.connection() as connection:
            connection.execute("update organisation set name = name where pk = %s", (1 + n % 3,))
    assert writes(index) - before >= 50


def test_of_messages_that_are_kept_together_each_counts(index: Pool) -> None:
    before = arrivals(index)
    at = datetime.now(UTC)
    entries = [Entry(1, at, "his", "10.0.0.1", "HIS", "EAST", str(n), "ADT^A08", b"d" * 16, b"body") for n in range(50)]
    with keeping(index) as connection:
        keep_all(connection, [(one, APPLIED, [b"AA"]) for one in entries])
    assert arrivals(index) - before >= 51
