"""Chains come into the index once, whoever reads them and whenever it is killed."""

from pacsd.audit import chain
from pacsd.audit.loading import Loading, identified, place_of
from pacsd.index.audit_events import Wanted
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
    stale._events.places = dict                          # type: ignore[method-assign,assignment]
    assert stale.run()                                   # what it knows is old: nothing comes twice, and it looks again
    assert len(agents(house)) == 20
    trail.close()
    other.close()


def test_who_asked_before_another_began_to_read_waits_for_nothing_more(house: House) -> None:
    trail = house.trail()
    times = iter([1.0, 10.0, 5.0, 11.0, 12.0])           # asked, begun; asked; asked, begun
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


def test_while_much_is_recorded_little_is_read_in_a_turn(house: House) -> None:
    trail = house.trail()
    house.loading.turn()
    trail.write(*(access(user="x" * 200) for _ in range(500)))
    house.loading.turn()
    assert 0 < len(agents(house)) < 100
    for _ in range(2):
        house.loading.turn()
    assert len(agents(house)) == 500
    trail.close()


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
