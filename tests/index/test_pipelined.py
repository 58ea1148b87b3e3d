"""Two round trips a transaction: all of it or nothing, whatever became of the statements that were prepared."""

from collections.abc import Callable

import pytest

from pacsd.faults import PacsdError
from pacsd.index.connect import Pool, lent
from pacsd.index.pipelined import Asked, Statement, numbered, pipelined

KEEP = Statement("test_keep", numbered("insert into garbage values (%s, now()) returning key, %s::integer"),
                 ("text", "integer"))  # fmt: skip
TELL = Statement("test_tell", "select unnest($1::text[]), $2::timestamptz", ("text[]", "timestamptz"))


def nothing() -> None:
    return


def keys(index: Pool) -> list[str]:
    with lent(index) as connection:
        return [row[0] for row in connection.execute("select key from garbage order by key")]


def write(
    index: Pool, first: str, last: str, *, meanwhile: Callable[[], None] = nothing
) -> list[object]:
    with pipelined(index) as transaction:
        found = transaction.begin(Asked(KEEP, (first, 1)), Asked(TELL, (["a", "张"], None)))
        transaction.connection.execute("insert into garbage values (%s, now())", (f"{first} between",))
        transaction.end([Asked(KEEP, (last, 7))], meanwhile=meanwhile, beside=nothing)
    return list(found)


def test_what_was_asked_is_answered_and_all_is_there_on_leaving(index: Pool) -> None:
    seen: list[list[str]] = []
    found = write(index, "a", "z", meanwhile=lambda: seen.append(keys(index)))
    assert found == [[(b"a", b"1")], [(b"a", None), ("张".encode(), None)]]
    assert seen == [[]] and keys(index) == ["a", "a between", "z"]


def test_of_one_that_fails_first_or_last_or_beside_the_journal_nothing_stays(index: Pool) -> None:
    write(index, "a", "z")

    def full() -> None:
        raise OSError("no room left")

    for first, last in (("a", "y"), ("b", "z")):
        with pytest.raises(PacsdError):
            write(index, first, last)
    with pytest.raises(OSError):
        write(index, "b", "y", meanwhile=full)
    assert keys(index) == ["a", "a between", "z"]
    write(index, "b", "y")
    assert keys(index) == ["a", "a between", "b", "b between", "y", "z"]


def test_statements_that_the_driver_let_go_of_are_prepared_again(index: Pool) -> None:
    write(index, "a", "z")
    with lent(index) as connection:
        connection.execute("deallocate all")
    write(index, "b", "y")
    assert keys(index) == ["a", "a between", "b", "b between", "y", "z"]
