"""How busy the index is grows with what is written."""

from pacsd.index.busy import writes
from pacsd.index.connect import Pool


def test_each_transaction_that_writes_counts(index: Pool) -> None:
    before = writes(index)
    for n in range(50):
        with index.connection() as connection:
            connection.execute("update organisation set name = name where pk = %s", (1 + n % 3,))
    assert writes(index) - before >= 50
