"""Chains come into the index once, whoever reads them and whenever it is killed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from pacsd.audit import chain
from pacsd.audit.loading import Loading, identified, place_of
from pacsd.audit.message import Agent
from pacsd.faults import Fault, PacsdError
from pacsd.index.audit_events import AuditEvents, EventRow, Place, Wanted
from pacsd.index.connect import pool
from pacsd.index.ingest import Ingest
from tests.audit.house import AT, House, access
from tests.index.arrivals import arrival


def agents(house: House, **wanted: object) -> list[str]:
    import orjson

    rows = house.events.search(Wanted(limit=1000, **wanted))  # type: ignore[arg-type]
    return sorted(orjson.loads(one.body)["agents"][0]["id"] for one in rows)


def test_what_was_recorded_is_searched_by_agent_and_study(house: House) -> None:
    trail = house.trail()
    trail.write(access("1.2", user="li"), access("1.3", user="wang"))
    house.load()
    assert agents(house) == ["li", "wang"]
    assert agents(house, keys=(("e 1.3",),)) == ["wang"]
    assert agents(house, keys=(("a li",), ("o east", "o west"))) == ["li"]
    assert agents(house, keys=(("o west",),)) == []
    trail.write(access("1.4", user="zhao"))
    house.load()
    house.load()
    assert agents(house) == ["li", "wang", "zhao"]
    trail.close()


def test_a_study_tells_its_patient_and_whose_it_is(house: House) -> None:
    stored = Ingest(house.pool)
    stored.store(arrival("1.2.840.1.1", study="1.2.840.1"))
    trail = house.trail()
    trail.write(access("1.2.840.1", code=""))
    trail.close()
    house.load()
    (row,) = house.events.search(Wanted(keys=(("e 1.2.840.1",),)))
    assert '"PATIENT"' in row.body
    stored.close()


def test_an_ended_chain_is_not_read_again_and_a_crashed_one_neither(house: House) -> None:
    ended, crashed = house.trail(), house.trail()
    ended.write(access())
    ended.close()
    crashed.write(access())
    crashed._file.close()                                # type: ignore[union-attr]
    house.load()
    assert all(place.ended for place in house.events.places().values())
    house.folder.read = None                             # type: ignore[assignment,method-assign]
    assert not house.loading.run()


def test_chains_in_which_nothing_was_written_before_their_process_died_are_not_looked_at_again(house: House) -> None:
    empty, torn, begun = (chain.file_name(name, 1) for name in ("EMPTY", "TORN", "BEGUN"))
    living = house.folder.create(begun)
    (house.root / "audit" / empty).touch()
    (house.root / "audit" / torn).write_bytes(b"1 12")
    house.load()
    assert house.folder.names() == [begun, torn] and house.events.places()["TORN"].ended
    assert [place.writer for place in house.loading._places()] == ["BEGUN"] and house.findings() == []
    living.close()


def test_many_files_are_read_in_their_order(house: House) -> None:
    trail = house.trail(segment_bytes=500)
    for n in range(30):
        trail.write(access(user=f"{n:02d}"))
    house.load()
    trail.close()
    rows = house.events.following(0, 100)
    assert [one.number for one in rows] == sorted(one.number for one in rows) and len(rows) == 30


def test_two_readers_load_each_record_once(house: House, database: str) -> None:
    trail = house.trail()
    for n in range(20):
        trail.write(access(user=f"{n:02d}"))
    other = pool(database, max_size=2)
    place = house.events.places()
    second = House(other, house.root)
    assert place == {}
    house.load()
    second.load()
    assert len(agents(house)) == 20
    stale = Loading(house.folder, house.events)
    known = house.events.open_places, house.events.places_of
    house.events.open_places = dict                      # type: ignore[method-assign,assignment]
    house.events.places_of = lambda _writers: {}         # type: ignore[method-assign,assignment]
    assert stale.run()                                   # what it knows is old: nothing comes twice, and it looks again
    assert len(agents(house)) == 20
    house.events.open_places, house.events.places_of = known             # type: ignore[method-assign]
    trail.close()
    other.close()


def test_who_asked_before_another_began_to_read_waits_for_nothing_more(house: House) -> None:
    trail = house.trail()
    times = iter([0.0, 1.0, 10.0, 5.0, 11.0, 12.0])      # made; asked, begun; asked; asked, begun
    loading = Loading(house.folder, house.events, clock=lambda: next(times))
    trail.write(access(user="first"))
    loading.refresh()
    trail.write(access(user="second"))
    loading.refresh()
    assert agents(house) == ["first"]
    loading.refresh()
    assert agents(house) == ["first", "second"]
    trail.close()


def test_who_is_overtaken_by_a_reader_that_saw_less_reads_the_rest(house: House) -> None:
    trail = house.trail()
    trail.write(access(user="first"))
    slow, events = Loading(house.folder, house.events), house.events
    load = events.load

    def overtaken(*told: object, **said: object) -> bool:
        events.load = load                               # type: ignore[method-assign]
        house.load()
        trail.write(access(user="second"))               # after both have read; asked for after this, it is to be there
        return load(*told, **said)                       # type: ignore[arg-type]

    events.load = overtaken                              # type: ignore[method-assign]
    slow.refresh()
    assert agents(house) == ["first", "second"]
    trail.close()


def test_while_processors_are_short_reading_rests_but_not_for_ever(house: House) -> None:
    trail, at, short = house.trail(), 100.0, True
    loading = Loading(house.folder, house.events, clock=lambda: at, short=lambda: short)
    trail.write(access(user="li"))
    at += 29.0
    loading.turn()
    assert agents(house) == []
    at += 2.0
    loading.turn()
    assert agents(house) == ["li"]
    trail.write(access(user="wang"))
    loading.turn()
    assert agents(house) == ["li"]
    short = False
    loading.turn()
    assert agents(house) == ["li", "wang"]
    trail.close()


def test_after_a_burst_more_is_read_in_a_turn_where_nobody_else_needs_the_processors(house: House) -> None:
    trail, at = house.trail(), iter(range(1_000_000))
    hasty, unhurried = (Loading(house.folder, house.events, clock=clock, short=lambda: False)
                        for clock in (lambda: 0.0, lambda: float(next(at))))                   # fmt: skip
    trail.write(*(access() for _ in range(2500)))
    unhurried.turn()
    assert house.events.places()[trail._writer].number == 500            # a piece of the one chain
    hasty.turn()
    assert house.events.places()[trail._writer].number == 2501           # with the opening
    trail.close()


def test_what_was_long_ago_is_searched_without_reading_once_all_was_read_since(house: House) -> None:
    trail, moment = house.trail(), AT
    loading = Loading(house.folder, house.events, now=lambda: moment)
    trail.write(access(user="first"))
    loading.refresh(AT)
    assert agents(house) == ["first"]
    trail.write(access(user="second"))
    loading.refresh(AT - timedelta(hours=1))             # nothing of then can be new
    assert agents(house) == ["first"]
    loading.refresh(AT)
    assert agents(house) == ["first", "second"]
    trail.write(access(user="third", at=AT - timedelta(hours=2)))
    loading.hurry(AT - timedelta(hours=2))               # what is recorded of then is read by who records it
    assert agents(house) == ["first", "second", "third"]
    trail.write(access(user="fourth"))
    loading.hurry(AT)
    assert len(agents(house)) == 3
    loading.refresh(None)
    assert len(agents(house)) == 4
    trail.close()


def test_chains_that_are_over_are_not_looked_at_again(house: House) -> None:
    for n in range(5):
        trail = house.trail()
        trail.write(access(user=str(n)))
        trail.close()
    house.load()
    fresh = Loading(house.folder, house.events)
    assert not fresh.run()
    looked: list[str] = []
    in_use, size = house.folder.in_use, house.folder.size
    house.folder.in_use = lambda name: looked.append(name) or in_use(name)           # type: ignore[method-assign]
    house.folder.size = lambda name: looked.append(name) or size(name)               # type: ignore[method-assign]
    house.events.places_of = None                        # type: ignore[method-assign,assignment]
    assert not fresh.run() and looked == []
    trail = house.trail()
    house.events.places_of = AuditEvents(house.pool).places_of                       # type: ignore[method-assign]
    trail.write(access(user="new"))
    fresh.run()
    assert set(looked) == {trail._file.name} and "new" in agents(house)              # type: ignore[union-attr]
    trail.close()


class Refusing(AuditEvents):
    """An index that takes no records of a user."""

    def load(self, place: Place, rows: Sequence[EventRow], before: int, *, lasting: bool = True) -> bool:
        if any("a bad" in one.keys for one in rows):
            raise PacsdError(Fault.INTERNAL, "the index refused a statement")
        return super().load(place, rows, before, lasting=lasting)


def test_a_record_that_the_index_refuses_holds_up_no_other(house: House) -> None:
    bad, good = house.trail(), house.trail()
    bad.write(*(access(user=f"{n}") for n in range(23)), access(user="bad"), access(user="behind"))
    good.write(access(user="good"))
    loading = Loading(house.folder, Refusing(house.pool))
    while loading.run():
        pass
    rows = house.events.search(Wanted(keys=(("o east",),), limit=100))
    assert len(rows) == 26 and sum("cannot be searched" in one.body for one in rows) == 1
    assert house.events.search(Wanted(keys=(("a behind",),))) and house.events.search(Wanted(keys=(("a good",),)))
    assert house.findings() == []
    bad.close()
    good.close()


class Noting(AuditEvents):
    """An index that notes of which chains it heard, and whether that lasts."""

    heard: dict[str, bool]

    def load(self, place: Place, rows: Sequence[EventRow], before: int, *, lasting: bool = True) -> bool:
        self.heard[place.writer] = lasting
        return super().load(place, rows, before, lasting=lasting)


class Failing(AuditEvents):
    """An index that fails for a chain whatever it says."""

    writer = ""

    def load(self, place: Place, rows: Sequence[EventRow], before: int, *, lasting: bool = True) -> bool:
        if place.writer == self.writer:
            raise PacsdError(Fault.INTERNAL, "the index refused a statement")
        return super().load(place, rows, before, lasting=lasting)


def test_a_chain_that_cannot_be_read_into_the_index_waits_and_holds_up_no_other(house: House) -> None:
    bad, good, at = house.trail(), house.trail(), 0.0
    bad.write(access(user="bad"))
    good.write(access(user="good"))
    events = Failing(house.pool)
    events.writer = bad._writer
    loading = Loading(house.folder, events, clock=lambda: at)
    assert not loading.run() and agents(house) == ["good"]
    events.writer = ""
    assert not loading.run() and agents(house) == ["good"]
    at += 3.0
    loading.run()
    assert agents(house) == ["bad", "good"]
    bad.close()
    good.close()


def test_a_broken_chain_is_told_and_holds_up_no_other(house: House) -> None:
    bad, good = house.trail(), house.trail()
    bad.write(access(user="bad"))
    good.write(access(user="good"))
    name = chain.file_name(bad._writer, 1)
    file = house.root / "audit" / name
    file.write_bytes(file.read_bytes().replace(b"bad", b"mad"))
    house.load()
    assert agents(house) == ["good"]
    assert any("broken" in one for one in house.findings())
    bad.close()
    good.close()


def test_that_a_chain_is_over_or_broken_outlasts_a_crash_of_the_index(house: House) -> None:
    ended, broken, going_on = (house.trail() for _ in range(3))
    for trail in (ended, broken, going_on):
        trail.write(access(user="li"))
    ended.close()
    file = house.root / "audit" / chain.file_name(broken._writer, 1)
    file.write_bytes(file.read_bytes().replace(b"li", b"il"))
    events = Noting(house.pool)
    events.heard = {}
    Loading(house.folder, events, lasting=False).run()       # which looks at neither again
    assert events.heard == {ended._writer: True, broken._writer: True, going_on._writer: False}
    broken.close()
    going_on.close()


def test_an_id_names_one_record() -> None:
    assert place_of(identified("01ABC", 7)) == ("01ABC", 7)
    assert place_of("nothing") is None and place_of("a-٣") is None and place_of("-") is None


def test_a_search_pages_without_gaps(house: House) -> None:
    trail = house.trail()
    trail.write(*(access(user=f"{n:02d}") for n in range(25)))
    trail.close()
    house.load()
    seen, after = [], None
    while rows := house.events.search(Wanted(keys=(("o east",),), after=after, limit=4, since=AT)):
        seen += [one.pk for one in rows]
        after = rows[-1].recorded, rows[-1].pk
    assert seen == sorted(set(seen), reverse=True) and len(seen) == 25


def test_who_sees_several_organisations_finds_each_event_once(house: House) -> None:
    trail = house.trail()
    both = replace(access(user="both"), agents=(Agent("both", organisation="east"), Agent("x", organisation="west")))
    trail.write(access(user="east"), both, access(user="west", code="west"), access(user="nobody", code=""))
    trail.close()
    house.load()
    assert len(house.events.search(Wanted(keys=(("o east", "o west", "o *"),), limit=10))) == 4
    assert [one.number for one in house.events.search(Wanted(keys=(("o west", "o east"), ("a both",))))] == [3]
    assert house.events.search(Wanted(keys=(("o west",),), actions=("R",), events=("110104",), limit=1))
    assert house.events.search(Wanted(keys=(("o west",),), actions=("D",))) == []
    assert house.events.search(Wanted(keys=((), ("o west",)))) == []
    (row,) = house.events.search(Wanted(keys=(("o west",),), ids=((trail._writer, 3), (trail._writer, 2))))
    assert row.number == 3
