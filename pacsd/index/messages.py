"""Rows of HL7 messages that came: kept once, told from their repeats, listed, and forgotten in time."""

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, again, lent
from pacsd.index.pipelined import Asked, Row, Rows, Statement
from pacsd.index.predicate import Params, within
from pacsd.index.rows import dumps

APPLIED, IGNORED, REFUSED, REPLACED = "applied", "ignored", "refused", "replaced"
ASKED = "asked"                          # a query: answered each time it comes
EFFECTIVE = (APPLIED, IGNORED, REPLACED)


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as it came, before anything is known of what becomes of it."""

    organisation: int
    received_at: datetime
    sender: str
    address: str
    application: str
    facility: str
    control_id: str
    message_type: str
    digest: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a message was refused: a code of HL7 table 0357, where, and in words."""

    condition: str
    location: str
    text: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What stands in the log for a message now. `known`: it stood there before, in `state`, with `answers`."""

    pk: int
    known: bool
    state: str
    answers: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Logged:
    """A message of the log. `reused`: its control id had been that of another message of the same application."""

    pk: int
    organisation: int
    received_at: datetime
    state: str
    sender: str
    address: str
    application: str
    facility: str
    control_id: str
    message_type: str
    repeats: int
    reused: bool
    problem: Problem | None
    body: bytes
    answers: tuple[bytes, ...]


_SAME = ("control_id", "application", "facility", "organisation")
_OTHER = ("received_at", "sender", "address", "message_type", "digest", "body", "state", "answers", "condition",
          "location", "problem")  # fmt: skip
_KEPT = (*_OTHER, *_SAME)
# Of a message of that control id with other bytes the sender used the id before. A conflict waits for the transaction
# that keeps the same message, so that of two at once one is the repeat. The offset has each looked up by the index:
# planned while the log is short, it would be read whole for every batch.
_KEEP = """
insert into hl7_message ({columns}, reused)
select {columns}, m.control_id <> '' and exists (
    select from hl7_message o where {same} and o.digest <> m.digest offset 0
)
from {messages}
on conflict ({key}, digest) do update set repeats = hl7_message.repeats + 1
returning pk, repeats > 0, state, answers, {key}, digest
"""
_TYPES = {"received_at": "timestamptz", "digest": "bytea", "body": "bytea", "answers": "bytea[]",
          "organisation": "integer"}  # fmt: skip


def _keeping(messages: str) -> str:
    return _KEEP.format(
        columns=", ".join(_KEPT), key=", ".join(_SAME), messages=messages,
        same=" and ".join(f"o.{name} = m.{name}" for name in _SAME),
    )  # fmt: skip


_TYPED = tuple((name, _TYPES.get(name, "text")) for name in _KEPT)
_KEEP_ONE = _keeping("(select {}) m".format(", ".join(f"%s::{kind} as {name}" for name, kind in _TYPED)))
_TAKEN = ("received_at", "sender", "address", "message_type", "digest", "body", "state", "answers", *_SAME)
# An array for each column; arrays of bytes are their texts. Selected, an array is of no length that PostgreSQL knows:
# else it would plan for each batch anew, which takes longer than the batch.
_KEEP_TAKEN = Statement(
    "pacsd_keep",
    f"""
insert into hl7_message ({", ".join(_TAKEN)}, reused)
select {", ".join("m.answers::bytea[]" if name == "answers" else f"m.{name}" for name in _TAKEN)},
    m.control_id <> '' and exists (
        select from hl7_message o where {" and ".join(f"o.{name} = m.{name}" for name in _SAME)}
            and o.digest <> m.digest offset 0
    )
from unnest({", ".join(f"(select ${n})" for n in range(1, len(_TAKEN) + 1))}) as m({", ".join(_TAKEN)})
on conflict ({", ".join(_SAME)}, digest) do update set repeats = hl7_message.repeats + 1
returning pk, repeats > 0, state, case when repeats > 0 then answers::text end, {", ".join(_SAME)}, digest
""",
    tuple("text[]" if name == "answers" else f"{_TYPES.get(name, 'text')}[]" for name in _TAKEN),
)
_BYTES_TEXT = re.compile(rb"x([0-9a-f]*)")
_BYTES = ("digest", "body")
# As one JSON value: bytes are hexadecimal there, and an array of bytes its text.
_KEEP_ALL = _keeping(
    "(select {} from jsonb_to_recordset(%s::jsonb) as u({})) m".format(
        ", ".join(
            f"decode(u.{name}, 'hex') as {name}" if name in _BYTES
            else f"u.{name}::bytea[] as {name}" if name == "answers" else f"u.{name}"
            for name in _KEPT
        ),
        ", ".join(f"{name} {'text' if kind.startswith('bytea') else kind}" for name, kind in _TYPED),
    )
)
_STATE = """
update hl7_message set state = %s, answers = %s, condition = %s, location = %s, problem = %s where pk = %s
"""
_NAMES = (
    "pk", "organisation", "received_at", "state", "sender", "address", "application", "facility", "control_id",
    "message_type", "repeats", "reused",
)  # fmt: skip
_FIELDS = ", ".join(f"m.{name}" for name in (*_NAMES, "condition", "location", "problem"))
_FORGET = """
delete from hl7_message where pk in
    (select pk from hl7_message where received_at < %s order by received_at limit %s for update skip locked)
"""


@contextmanager
def keeping(pool: Pool) -> Generator[Connection]:
    """One transaction: what is done within is durable on leaving, all or nothing."""
    with lent(pool) as connection, connection.transaction():
        yield connection


def keep(
    connection: Connection, entry: Entry, *, state: str, answers: Sequence[bytes], problem: Problem | None = None
) -> Kept:
    """Put a message into the log, or find it there; what it was found with stays as it is."""
    row = again(connection, _KEEP_ONE, _values(entry, state, list(answers), problem)).fetchone()
    pk, known, found_state, found_answers = row[:4] if row else (0, False, state, answers)
    return Kept(pk, known, found_state, tuple(found_answers))


Keeping = tuple[Entry, str, Sequence[bytes]]
"""A message that is to be kept, its state and its answers."""


def keep_all(connection: Connection, entries: Sequence[Keeping]) -> list[Kept]:
    """The same for several messages; no two of one sender have the same control id."""
    found = again(connection, _KEEP_ALL, (dumps([_written(*one) for one in entries]),)).fetchall()
    kept = {row[4:]: Kept(row[0], row[1], row[2], tuple(row[3])) for row in found}
    return [kept[(*names_of(entry), entry.digest)] for entry, _, _ in entries]


def keeping_taken(entries: Sequence[Keeping]) -> Asked:
    """The same as a question among others."""
    columns = zip(*(
        (one.received_at, one.sender, one.address, one.message_type, one.digest, one.body, state, _array(answers),
         *names_of(one)) for one, state, answers in entries
    ), strict=True)  # fmt: skip
    return Asked(_KEEP_TAKEN, tuple(columns))


def kept_taken(entries: Sequence[Keeping], rows: Rows) -> list[Kept]:
    """What its answer says of each."""
    found = {row[4:]: _kept(row) for row in rows}
    return [found[_key_of(entry)] for entry, _, _ in entries]


def _key_of(entry: Entry) -> Row:
    """As PostgreSQL tells it."""
    return *(str(one).encode() for one in names_of(entry)), rb"\x%b" % entry.digest.hex().encode()


def _kept(row: Row) -> Kept:
    pk, known, state, answers = row[:4]
    told = tuple(bytes.fromhex(one.decode()) for one in _BYTES_TEXT.findall(answers or b""))
    return Kept(int(pk or 0), known == b"t", (state or b"").decode(), told)


def _written(entry: Entry, state: str, answers: Sequence[bytes]) -> dict[str, Any]:
    row = dict(zip(_KEPT, _values(entry, state, _array(answers), None), strict=True))
    return {**row, **{name: row[name].hex() for name in _BYTES}}


def names_of(entry: Entry) -> tuple[str, str, str, int]:
    """What a message is known by, beside its bytes."""
    return entry.control_id, entry.application, entry.facility, entry.organisation


def settle(
    connection: Connection, pk: int, *, state: str, answers: Sequence[bytes], problem: Problem | None = None
) -> None:
    """Say anew what became of a message."""
    columns = _columns(problem)
    values = (state, list(answers), columns["condition"], columns["location"], columns["problem"], pk)
    connection.execute(_STATE, values, prepare=True)


def found(pool: Pool, scope: Scope, *, state: str | None, limit: int) -> list[Logged]:
    """The newest messages, without their bodies."""
    params = Params()
    where = within(scope, params, "m")
    if state is not None:
        where += f" and m.state = {params.add(state)}"
    statement = f"""
        select {_FIELDS}, ''::bytea, '{{}}'::bytea[] from hl7_message m
        where {where} order by m.pk desc limit {params.add(limit)}"""
    with lent(pool) as connection:
        return [_logged(row) for row in connection.execute(statement, params.values)]


def one(pool: Pool, scope: Scope, pk: int) -> Logged | None:
    """A message with its body and its answers."""
    params = Params()
    statement = f"""
        select {_FIELDS}, m.body, m.answers from hl7_message m
        where {within(scope, params, "m")} and m.pk = {params.add(pk)}"""
    with lent(pool) as connection:
        row = connection.execute(statement, params.values).fetchone()
    return None if row is None else _logged(row)


def newest(pool: Pool) -> int:
    """A number that grows by at least one with each message that is kept."""
    with lent(pool) as connection:
        row = connection.execute("select max(pk) from hl7_message").fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def forget(pool: Pool, *, before: datetime, limit: int = 1000) -> int:
    """Delete messages that came before; how many, at most `limit`."""
    with lent(pool) as connection:
        return connection.execute(_FORGET, (before, limit)).rowcount


def _values(entry: Entry, state: str, answers: list[bytes] | str, problem: Problem | None) -> tuple[Any, ...]:
    """In the order of _KEPT."""
    return (
        entry.received_at, entry.sender, entry.address, entry.message_type, entry.digest, entry.body, state, answers,
        *_columns(problem).values(), *names_of(entry),
    )  # fmt: skip


def _array(answers: Sequence[bytes]) -> str:
    return "{" + ",".join(f'"\\\\x{one.hex()}"' for one in answers) + "}"


def _columns(problem: Problem | None) -> dict[str, str | None]:
    if problem is None:
        return {"condition": None, "location": None, "problem": None}
    return {"condition": problem.condition, "location": problem.location, "problem": problem.text}


def _logged(row: Sequence[Any]) -> Logged:
    *plain, condition, location, text, body, answers = row
    problem = None if condition is None else Problem(condition, location, text)
    named = dict(zip(_NAMES, plain, strict=True))
    return Logged(**named, problem=problem, body=bytes(body), answers=tuple(map(bytes, answers)))
