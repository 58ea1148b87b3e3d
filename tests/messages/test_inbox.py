"""The log: kept and in effect, or neither; a repeat is known, a reused control id is flagged."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from psycopg.errors import SerializationFailure
from psycopg.sql import SQL, Identifier

from pacsd.faults import Fault, PacsdError
from pacsd.index import messages as rows
from pacsd.index.connect import Pool, lent
from pacsd.index.patients import locking_all
from pacsd.index.pipelined import Asked, Pipelined, Rows, Statement
from pacsd.messages.inbox import Entry, Inbox, Problem, Work, _Waiting
from tests.messages.conftest import EAST, WEST, Clock

AT = datetime(2026, 1, 1, tzinfo=UTC)
ENTRY = Entry(1, AT, "his", "10.0.0.1", "HIS", "EAST", "42", "ADT^A08", b"d" * 16, b"body")


def unsaid(facts: Sequence[object]) -> None:
    raise AssertionError(f"nobody said {facts}")


PROBLEM = Problem("101", "PID^1^3", "without a patient id")


class Effect:
    """Counts how often it was wanted, and how often it came about."""

    def __init__(self, index: Pool) -> None:
        self._index = index
        self.calls = 0

    def __call__(self, work: Work) -> Sequence[str]:
        self.calls += 1
        work.connection.execute("insert into garbage (key, delete_after) values (%s, now())", (f"effect {self.calls}",))
        return ["something"]

    def stays(self) -> int:
        with self._index.connection() as connection:
            return len(connection.execute("select from garbage").fetchall())


def test_a_message_is_kept_with_its_effect_and_its_answers(index: Pool) -> None:
    inbox, effect = Inbox(index, unsaid), Effect(index)
    assert inbox.take(ENTRY, [b"AA"], effect) == [b"AA"]
    (found,) = inbox.list(EAST)
    assert (found.state, found.repeats, found.reused, found.problem) == ("applied", 0, False, None)
    whole = inbox.message(EAST, found.pk)
    assert (whole.body, whole.answers, whole.control_id) == (b"body", (b"AA",), "42")
    assert effect.stays() == 1


def test_a_repeat_gets_the_first_answer_and_has_no_effect(index: Pool) -> None:
    inbox, effect = Inbox(index, unsaid), Effect(index)
    inbox.take(ENTRY, [b"first"], effect)
    assert tuple(inbox.take(ENTRY, [b"second"], effect)) == (b"first",)
    assert effect.calls == 1 and inbox.list(EAST)[0].repeats == 1


@pytest.mark.parametrize(
    "other", [replace(ENTRY, application="RIS"), replace(ENTRY, facility="WEST"), replace(ENTRY, organisation=2),
              replace(ENTRY, control_id="43")],
)  # fmt: skip
def test_the_same_bytes_from_somebody_else_are_another_message(index: Pool, other: Entry) -> None:
    inbox, effect = Inbox(index, unsaid), Effect(index)
    inbox.take(ENTRY, [b"AA"], effect)
    inbox.take(other, [b"AA"], effect)
    assert effect.stays() == 2 and not any(one.reused for one in (*inbox.list(EAST), *inbox.list(WEST)))


def test_a_control_id_used_again_is_processed_and_flagged(index: Pool) -> None:
    inbox, effect = Inbox(index, unsaid), Effect(index)
    inbox.take(ENTRY, [b"AA"], effect)
    inbox.take(replace(ENTRY, digest=b"e" * 16, body=b"other"), [b"AA"], effect)
    assert effect.stays() == 2 and [one.reused for one in inbox.list(EAST)] == [True, False]


def test_what_fails_leaves_nothing_and_may_be_kept_as_refused(index: Pool) -> None:
    inbox, effect = Inbox(index, unsaid), Effect(index)

    def fails(work: Work) -> Sequence[str]:
        effect(work)
        raise PacsdError(Fault.NOT_FOUND, "no such patient")

    with pytest.raises(PacsdError):
        inbox.take(ENTRY, [b"AA"], fails)
    assert effect.stays() == 0 and inbox.list(EAST) == []
    inbox.refuse(ENTRY, [b"AE"], PROBLEM)
    (found,) = inbox.list(EAST, state="refused")
    assert found.problem == PROBLEM


def test_facts_are_journalled_before_the_commit_and_none_of_a_message_that_fails(index: Pool) -> None:
    said: list[object] = []
    seen: list[int] = []

    def say(facts: Sequence[tuple[Mapping[str, object], datetime]]) -> None:
        said.extend(fact for fact, _ in facts)
        seen.append(effect.stays())
        if len(seen) == 2:
            raise PacsdError(Fault.FULL, "no room left")

    inbox, effect = Inbox(index, say), Effect(index)

    def act(work: Work) -> Sequence[str]:
        work.say({"fact": "reject", "n": effect.calls})
        return effect(work)

    def fails(work: Work) -> Sequence[str]:
        act(work)
        raise PacsdError(Fault.CONFLICT, "after all")

    inbox.take(ENTRY, [b"AA"], act)
    assert said == [{"fact": "reject", "n": 0}] and seen == [0] and effect.stays() == 1
    with pytest.raises(PacsdError):
        inbox.take(replace(ENTRY, control_id="2"), [b"AA"], fails)
    assert len(said) == 1
    with pytest.raises(PacsdError):
        inbox.take(replace(ENTRY, control_id="3"), [b"AA"], act)
    assert effect.stays() == 1 and len(inbox.list(EAST)) == 1, "what cannot be journalled does not happen"


def test_a_refused_message_is_tried_again_when_it_comes_again(index: Pool) -> None:
    inbox, effect = Inbox(index, unsaid), Effect(index)
    inbox.refuse(ENTRY, [b"AE"], PROBLEM)
    inbox.refuse(ENTRY, [b"AE again"], replace(PROBLEM, condition="102"))
    (found,) = inbox.list(EAST)
    assert (found.repeats, found.problem and found.problem.condition) == (1, "102")
    assert inbox.take(ENTRY, [b"AA"], effect) == [b"AA"]
    (found,) = inbox.list(EAST)
    assert (found.state, found.problem, effect.stays()) == ("applied", None, 1)
    assert inbox.message(EAST, found.pk).answers == (b"AA",)


def test_one_that_took_effect_is_never_refused_later(index: Pool) -> None:
    inbox = Inbox(index, unsaid)
    inbox.take(ENTRY, [b"AA"], None)
    inbox.refuse(ENTRY, [b"AE"], PROBLEM)
    assert inbox.list(EAST)[0].state == "ignored"


def test_the_same_message_on_two_connections_at_once_has_one_effect(index: Pool) -> None:
    inbox, effect, answers = Inbox(index, unsaid), Effect(index), []
    barrier = threading.Barrier(4)

    def send(n: int) -> None:
        barrier.wait()
        answers.append(tuple(inbox.take(ENTRY, [b"answer %d" % n], effect)))

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert effect.stays() == 1 and len(set(answers)) == 1 and len(answers) == 4
    assert inbox.list(EAST)[0].repeats == 3


def test_a_trial_shows_the_effect_and_leaves_none(index: Pool) -> None:
    inbox, effect = Inbox(index, unsaid), Effect(index)
    assert inbox.tried(ENTRY, effect) == ["something"]
    assert effect.calls == 1 and effect.stays() == 0 and inbox.list(EAST) == []


def test_a_repair_takes_the_place_of_a_refused_message_alone(index: Pool) -> None:
    inbox = Inbox(index, unsaid)
    inbox.refuse(ENTRY, [b"AE"], PROBLEM)
    pk = inbox.list(EAST)[0].pk
    inbox.replaced(EAST, pk)
    assert inbox.message(EAST, pk).state == "replaced"
    with pytest.raises(PacsdError) as caught:
        inbox.replaced(EAST, pk)
    assert caught.value.fault is Fault.CONFLICT


def test_messages_of_others_are_not_there(index: Pool) -> None:
    inbox = Inbox(index, unsaid)
    inbox.take(ENTRY, [], None)
    pk = inbox.list(EAST)[0].pk
    assert inbox.list(WEST) == []
    with pytest.raises(PacsdError) as caught:
        inbox.message(WEST, pk)
    assert caught.value.fault is Fault.NOT_FOUND


def test_old_messages_are_forgotten(index: Pool, clock: Clock) -> None:
    inbox = Inbox(index, unsaid, clock=clock)
    inbox.take(replace(ENTRY, received_at=clock.now), [], None)
    clock.passes(99)
    assert inbox.forget(keep_s=100) is False and len(inbox.list(EAST)) == 1
    clock.passes(2)
    inbox.forget(keep_s=100)
    assert inbox.list(EAST) == []


@pytest.mark.parametrize(("in_the_way", "calls"), [(2, 3), (9, 4)])
def test_a_message_that_finds_another_at_work_is_done_again(index: Pool, in_the_way: int, calls: int) -> None:
    inbox, effect = Inbox(index, unsaid), Effect(index)

    def act(work: Work) -> Sequence[str]:
        done = effect(work)
        if effect.calls <= in_the_way:
            raise SerializationFailure("another is in the way")
        return done

    if in_the_way < calls:
        assert inbox.take(ENTRY, [b"AA"], act) == [b"AA"]
        assert (effect.calls, effect.stays()) == (calls, 1)
    else:
        with pytest.raises(PacsdError) as raised:
            inbox.take(ENTRY, [b"AA"], act)
        assert raised.value.fault is Fault.UNAVAILABLE
        assert (effect.calls, effect.stays(), list(inbox.list(EAST))) == (calls, 0, [])


def test_messages_that_come_at_once_share_a_transaction_and_each_has_its_effect(index: Pool) -> None:
    inbox, effect, gate = Inbox(index, unsaid), Effect(index), threading.Event()
    names = [f"P{n}" for n in range(9)]
    given: dict[str, Sequence[bytes]] = {}

    def act(work: Work) -> Sequence[str]:
        gate.wait(10)                                                # until all the others wait for the next turn
        return effect(work)

    def send(name: str) -> None:
        answers = [b"AA", name.encode()] if name != "P1" else [b"C\\A\"{}", b"AA", b""]
        given[name] = inbox.take(replace(ENTRY, control_id=name), answers, act, subject=(name, "A"))

    threads = [threading.Thread(target=send, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    while len(inbox._group._queue) < len(names) - 1:
        threading.Event().wait(0.001)
    gate.set()
    for thread in threads:
        thread.join(10)
    assert given["P8"] == [b"AA", b"P8"] and given["P1"] == [b"C\\A\"{}", b"AA", b""]
    assert effect.stays() == len(names)
    with index.connection() as connection:
        found = connection.execute("select control_id, answers, xmin::text from hl7_message").fetchall()
    assert {row[0]: list(row[1]) for row in found} == {name: list(answers) for name, answers in given.items()}
    assert len({row[2] for row in found}) == 2


@pytest.mark.parametrize("same", [False, True], ids=["one fails", "control ids used twice"])
def test_messages_that_cannot_share_a_transaction_are_taken_one_by_one(index: Pool, same: bool) -> None:
    inbox, effect, gate = Inbox(index, unsaid), Effect(index), threading.Event()
    results: dict[int, object] = {}

    def act(work: Work) -> Sequence[str]:
        gate.wait(10)
        return effect(work)

    def fail(_work: Work) -> Sequence[str]:
        raise PacsdError(Fault.NOT_FOUND, "the patient was merged into another")

    def send(n: int) -> None:
        entry = replace(ENTRY, control_id="7" if same else str(n), digest=bytes([n // 2 if same else n] * 16))
        try:
            results[n] = inbox.take(entry, [b"%d" % n], fail if n == 3 and not same else act, subject=(f"P{n}", "A"))
        except PacsdError as error:
            results[n] = error.fault

    threads = [threading.Thread(target=send, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    while len(inbox._group._queue) < len(threads) - 1:
        threading.Event().wait(0.001)
    gate.set()
    for thread in threads:
        thread.join(10)
    log = inbox.list(EAST)
    if same:                                                         # three bodies, each twice, all with one id
        assert len(log) == 3 and sum(one.repeats for one in log) == 3 and sum(one.reused for one in log) == 2
        assert effect.stays() == 3 and len({bytes(answer[0]) for answer in results.values()}) == 3
    else:
        assert results.pop(3) is Fault.NOT_FOUND
        assert results == {n: [b"%d" % n] for n in (0, 1, 2, 4, 5)} and len(log) == effect.stays() == 5


class Both:
    """What several messages do at once: counts in the end what came about."""

    def __init__(self, effects: "Effect", batches: list[list[str]]) -> None:
        self._effects, self._batches = effects, batches

    def asked(self, parts: Sequence[str]) -> Asked:
        return Asked(Statement("test_parts", "select * from unnest($1::text[])", ("text[]",)), (parts,))

    def do(self, work: Work, parts: Sequence[str], found: Rows) -> None:
        assert {row[0] for row in found} >= {part.encode() for part in parts}
        self._batches.append(list(parts))
        for _ in parts:
            self._effects(work)


def test_what_messages_do_at_once_is_done_once_and_of_repeats_not_at_all(index: Pool) -> None:
    inbox, effect, batches = Inbox(index, unsaid), Effect(index), list[list[str]]()
    shared = Both(effect, batches)

    def take(name: str, answer: bytes) -> Sequence[bytes]:
        together = SimpleNamespace(all=shared, part=name)
        return tuple(inbox.take(
            replace(ENTRY, control_id=name), [answer], alone, subject=(name, "A"), together=together
        ))  # fmt: skip

    def alone(_work: Work) -> Sequence[str]:
        raise AssertionError("each for itself")

    assert take("a", b"first") == take("a", b"second") == (b"first",)
    waiting = [
        _Waiting(replace(ENTRY, control_id=name), [b"new"], alone, (name, "A"), SimpleNamespace(all=shared, part=name))
        for name in ("c", "a", "b")
    ]
    inbox._take_together(waiting)
    assert [one.error for one in waiting] == [None] * 3
    assert [tuple(one.given) for one in waiting] == [(b"new",), (b"first",), (b"new",)]
    assert batches == [["a"], ["b", "c"]] and effect.stays() == 3


@pytest.mark.parametrize("fault", [None, Fault.FULL])
def test_what_messages_do_at_once_is_journalled_before_it_is_committed_or_does_not_happen(
    index: Pool, fault: Fault | None
) -> None:
    effect, record = Effect(index), Record(Effect(index))
    stays: list[int] = []

    def say(facts: Sequence[tuple[Mapping[str, object], datetime]]) -> None:
        stays.append(effect.stays())
        if fault is not None:
            raise PacsdError(fault, "no room left")

    class Saying(Both):
        def do(self, work: Work, parts: Sequence[str], found: Rows) -> None:
            super().do(work, parts, found)
            work.last.append(Asked(Statement("test_last", "insert into garbage values ($1, now())", ("text",)), ("x",)))
            work.say({"fact": "reject"})

    both = Saying(effect, [])
    together, beside = SimpleNamespace(all=both, part="a"), SimpleNamespace(begin=record.begin, part="a")

    def alone(work: Work) -> Sequence[str]:
        raise AssertionError("each for itself") if fault is None else PacsdError(fault, "no room for it either")

    inbox = Inbox(index, say)
    if fault is None:
        assert inbox.take(ENTRY, [b"AA"], alone, subject=("a", "A"), together=together, beside=beside) == [b"AA"]
        assert stays == [0] and effect.stays() == 2 and record.begun == [(["a"], True)]
    else:
        with pytest.raises(PacsdError, match="no room"):
            inbox.take(ENTRY, [b"AA"], alone, subject=("a", "A"), together=together, beside=beside)
        assert stays == [0] and effect.stays() == 0 and inbox.list(EAST) == [] and record.begun == []


class Record:
    """What is done beside a message: keeps what it was given, and whether that is done at once."""

    def __init__(self, effects: "Effect", *, fails: bool = False) -> None:
        self._effects, self._fails = effects, fails
        self.begun: list[tuple[list[str], bool]] = []
        self.waited = 0

    def begin(self, parts: Sequence[str], now: bool) -> Callable[[], None]:
        self.begun.append((list(parts), now))
        return self.wait

    def wait(self) -> None:
        self.waited += 1
        if self._fails:
            raise PacsdError(Fault.UNAVAILABLE, "the access cannot be recorded")


def test_what_is_beside_messages_is_begun_when_their_facts_are_said_and_done_before_they_are_answered(
    index: Pool,
) -> None:
    said: list[int] = []
    inbox, effect = Inbox(index, lambda facts: said.append(len(record.begun))), Effect(index)
    record, batches = Record(effect), list[list[str]]()
    shared = Both(effect, batches)

    def act(work: Work) -> Sequence[str]:
        work.say({"fact": "reject"})
        return effect(work)

    inbox.take(ENTRY, [b"AA"], act, beside=SimpleNamespace(begin=record.begin, part="alone"))
    assert said == [0] and record.begun == [(["alone"], False)] and record.waited == 1 and effect.stays() == 1
    waiting = [
        _Waiting(replace(ENTRY, control_id=name), [b"AA"], act, (name, "A"), SimpleNamespace(all=shared, part=name),
                 SimpleNamespace(begin=record.begin, part=name))
        for name in ("c", "b")
    ]  # fmt: skip
    inbox._take_together(waiting)
    assert record.begun[1:] == [(["b", "c"], True)] and record.waited == 2 and effect.stays() == 3
    assert [tuple(one.result()) for one in waiting] == [(b"AA",)] * 2 and record.waited == 4


def test_nothing_is_recorded_of_a_message_that_fails_and_what_cannot_be_recorded_is_not_answered(index: Pool) -> None:
    inbox, effect = Inbox(index, unsaid), Effect(index)
    record = Record(effect, fails=True)
    beside = SimpleNamespace(begin=record.begin, part="one")

    def fails(_work: Work) -> Sequence[str]:
        raise PacsdError(Fault.NOT_FOUND, "no such patient")

    with pytest.raises(PacsdError, match="no such patient"):
        inbox.take(ENTRY, [b"AA"], fails, beside=beside)
    assert record.begun == []
    with pytest.raises(PacsdError, match="cannot be recorded"):
        inbox.take(ENTRY, [b"AA"], effect, beside=beside)
    assert inbox.take(ENTRY, [b"AE"], effect) == (b"AA",) and effect.stays() == 1


def test_messages_that_come_by_many_connections_are_each_taken_once(index: Pool) -> None:
    inbox, wrong = Inbox(index, unsaid), list[object]()

    class Once:                                                      # twice of one name is an error
        def asked(self, _names: Sequence[str]) -> Asked:
            return Asked(Statement("test_nothing", "select", ()), ())

        def do(self, work: Work, names: Sequence[str], _found: Rows) -> None:
            for name in names:
                work.connection.execute("insert into garbage (key, delete_after) values (%s, now())", (name,))

    once = Once()

    def take(name: str) -> Sequence[bytes]:
        def act(work: Work) -> Sequence[str]:
            once.do(work, [name], [])
            return ["something"]

        together = SimpleNamespace(all=once, part=name)
        return tuple(inbox.take(
            replace(ENTRY, control_id=name), [name.encode()], act, subject=(name, "A"), together=together
        ))  # fmt: skip

    def send(sender: int) -> None:
        for n in range(20):
            name = f"{sender % 6}-{n}"                               # two connections say the same
            if (given := take(name)) != (name.encode(),):
                wrong.append(given)

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    log = inbox.list(EAST, limit=1000)
    assert not wrong and len(log) == 120 and all(one.repeats == 1 for one in log)
    assert Effect(index).stays() == 120


def test_what_every_batch_asks_is_planned_once_whatever_its_size(index: Pool) -> None:
    planned_at_first, batches = 5, 12
    with lent(index) as connection:
        connection.execute(
            "insert into patient (patient_id, assigning_authority) select g::text, 'A' from generate_series(0, 20) g"
        )
        connection.execute("analyze patient")                    # a page: to read all of it may seem cheap
        for batch in range(batches):
            names = [f"{batch}-{n}" for n in range(1 + batch % 4)]
            entries = [(replace(ENTRY, control_id=name), rows.APPLIED, [b"AA"]) for name in names]
            transaction = Pipelined(connection)
            transaction.begin(rows.keeping_taken(entries), locking_all((name, "A") for name in names))
            transaction.end([], meanwhile=lambda: None, beside=lambda: None)
        plans = connection.execute("select custom_plans, generic_plans from pg_prepared_statements").fetchall()
        ((name,),) = connection.execute(
            "select name from pg_prepared_statements where statement like '%%insert into patient%%'"
        ).fetchall()
        transaction.begin()
        explain = SQL("explain execute {} ('{{0}}', '{{A}}')").format(Identifier(name))
        plan = connection.execute(explain).fetchall()
        transaction.end([], meanwhile=lambda: None, beside=lambda: None)
    assert plans == [(planned_at_first, batches - planned_at_first)] * 2
    assert any("Index Scan" in line for (line,) in plan) and not any("Seq Scan" in line for (line,) in plan)
