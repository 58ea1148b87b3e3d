"""Packing, merging, rejecting, purging and correcting keep rows and counts true."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index import locate, replace, summary
from pacsd.index.connect import Pool
from pacsd.index.ingest import Ingest
from pacsd.index.inventory import Inventory
from pacsd.index.match import Match
from pacsd.index.matching import Criterion
from pacsd.index.overlays import set_patient_overlay, set_study_overlay
from pacsd.index.packs import Packs
from pacsd.index.query import Query, search
from pacsd.index.records import LooseInstance, Outcome, SeriesContent
from pacsd.index.rejections import Saying, purge, reject, restore
from tests.index.arrivals import arrival

A, B = Scope((1,), 1), Scope((2,), 2)
SERIES = "1.2.3.1"


@dataclass(frozen=True)
class Pack:
    """A pack as the archive hands it over."""

    key: str
    instances: tuple[LooseInstance, ...]
    size_bytes: int = 1000

    @property
    def sidecar_key(self) -> str:
        return self.key + ".sidecar"


@pytest.fixture
def three(ingest: Ingest) -> list[str]:
    """Three instances of one series, of each of two organisations."""
    for organisation in (1, 2):
        for sop in ("1.1", "1.2", "1.3"):
            ingest.store(arrival(sop, organisation=organisation))
    return ["1.1", "1.2", "1.3"]


def study(index: Pool, scope: Scope = A) -> Match | None:
    return next(iter(search(index, Query("study", limit=1), scope)), None)


def instances(index: Pool, scope: Scope = A) -> int:
    match = study(index, scope)
    return 0 if match is None else match.counts.study_instances or 0


def content(index: Pool, scope: Scope = A) -> SeriesContent:
    (one,) = locate.contents(index, scope, "1.2.3")
    return one


def packed(index: Pool, key: str = "packs/1", *, generation: int = 1) -> SeriesContent:
    one = content(index)
    Packs(index).commit_pack(one, Pack(key, one.loose), generation=generation, grace_s=0)
    return one


def rows(index: Pool, statement: str) -> list[tuple[object, ...]]:
    with index.connection() as connection:
        return connection.execute(statement).fetchall()


def test_a_pack_takes_the_place_of_loose_rows(index: Pool, ingest: Ingest, three: list[str]) -> None:
    before = packed(index)
    after = content(index)
    assert after.loose == () and [p.key for p in after.packs] == ["packs/1"]
    assert instances(index) == 3 and len(content(index, B).loose) == 3
    assert sorted(Inventory(index).due_garbage(10)) == sorted(one.extent.key for one in before.loose)
    assert [c.series for c in locate.by_sop(index, A, "1.2")] == [after.series]
    Packs(index).commit_pack(before, Pack("packs/1", before.loose), generation=1, grace_s=0)
    assert len(content(index).packs) == 1
    answer = ingest.store(arrival("1.2", key="spool/again"))
    assert (answer.outcome, answer.existing, answer.packed_series) == (Outcome.CONFLICT, None, after.series)


def test_a_series_is_claimed_once_and_only_when_quiet(index: Pool, three: list[str]) -> None:
    packs = Packs(index)
    assert packs.claim_quiet(quiet_s=3600, lease_s=60, limit=9) == []
    claimed = packs.claim_quiet(quiet_s=-1, lease_s=60, limit=9)
    assert len(claimed) == 2 and all(len(one.loose) == 3 for one in claimed)
    assert packs.claim_quiet(quiet_s=-1, lease_s=60, limit=9) == []
    other = Packs(index, worker="another")
    other.release_all()
    assert not packs.claim_quiet(quiet_s=-1, lease_s=60, limit=9)
    packs.release(claimed[0].series)
    assert [one.series for one in packs.claim_quiet(quiet_s=-1, lease_s=60, limit=9)] == [claimed[0].series]


def test_what_arrives_while_a_pack_is_written_stays_loose(index: Pool, ingest: Ingest, three: list[str]) -> None:
    before = content(index)
    ingest.store(arrival("1.4"))
    ingest.replace(arrival("1.2", content=b"later"))
    Packs(index).commit_pack(before, Pack("packs/1", before.loose), generation=1, grace_s=0)
    after = content(index)
    assert sorted(one.sop_instance_uid for one in after.loose) == ["1.2", "1.4"]
    assert after.replaced == {"1.2"} and instances(index) == 4
    assert [c.series for c in locate.by_sop(index, A, "1.2")] == [after.series]


def test_a_replacement_waits_for_the_merge_that_drops_the_old_copy(
    index: Pool, ingest: Ingest, three: list[str]
) -> None:
    before = packed(index)
    packs = Packs(index)
    assert ingest.replace(arrival("1.2", content=b"later")).packed_series == before.series
    assert instances(index) == 3
    assert [one for one in packs.claim_quiet(quiet_s=-1, lease_s=60, limit=9) if one.organisation == 1] == []
    (claimed,) = packs.claim_fragmented(quiet_s=3600, packs=9, lease_s=60, limit=9)
    kept = tuple(one for one in before.loose if one.sop_instance_uid != "1.2")
    packs.commit_merge(claimed, [Pack("packs/2", kept)], claimed.packs, generation=2, grace_s=0)
    packs.release(claimed.series)
    assert content(index).replaced == frozenset() and [p.key for p in content(index).packs] == ["packs/2"]
    assert {"packs/1", "packs/1.sidecar"} <= set(Inventory(index).due_garbage(99))
    (again,) = packs.claim_quiet(quiet_s=-1, lease_s=60, limit=1)
    packs.commit_pack(again, Pack("packs/3", again.loose), generation=3, grace_s=0)
    assert instances(index) == 3 and len(content(index).packs) == 2
    with pytest.raises(PacsdError) as gone:
        packs.commit_merge(claimed, [Pack("packs/4", kept)], claimed.packs, generation=4, grace_s=0)
    assert gone.value.fault is Fault.CONFLICT


def test_rejecting_and_restoring_are_idempotent_and_count(index: Pool, ingest: Ingest, three: list[str]) -> None:
    assert reject(index, 1, "1.2.3", {SERIES: ["1.1", "1.1", "7.7"]}, Saying("113001")) == 1
    assert reject(index, 1, "1.2.3", {SERIES: ["1.1"]}, Saying("113001")) == 0
    assert instances(index) == 2 and instances(index, B) == 3
    assert content(index).rejected == {"1.1"} and content(index, B).rejected == frozenset()
    assert ingest.store(arrival("1.1", key="spool/again")).outcome is Outcome.REJECTED
    packed(index)
    assert reject(index, 1, "1.2.3", {SERIES: three}, Saying("113001")) == 2
    assert study(index) is None and locate.contents(index, A, "1.2.3") == []
    assert restore(index, 1, "1.2.3", {SERIES: three}) == 3
    found = study(index)
    assert found is not None and found.modalities == ("CT",) and instances(index) == 3
    assert ("instance.rejected", 1) in rows(index, "select topic, organisation from event")


def test_rejecting_at_once_counts_once(index: Pool, three: list[str]) -> None:
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(reject(index, 1, "1.2.3", {SERIES: three}, Saying("113001"))))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(counts) == [0, 0, 0, 0, 0, 3] and study(index) is None


@pytest.mark.parametrize("prepare", [lambda index: None, packed], ids=["loose", "packed"])
def test_purging_leaves_nothing_behind(
    index: Pool, ingest: Ingest, three: list[str], prepare: Callable[[Pool], object]
) -> None:
    prepare(index)
    reject(index, 1, "1.2.3", {SERIES: ["1.1"]}, Saying("113001"))
    assert purge(index, 1, "1.2.3", {SERIES: ["1.1"]}, grace_s=0) == 1
    assert instances(index) == 2
    assert purge(index, 1, "1.2.3", {SERIES: three}, grace_s=0) == 2
    for table, left in (("study", 1), ("series", 1), ("patient", 1), ("instance", 3), ("locator", 0), ("pack", 0)):
        assert (table, rows(index, f"select count(*) from {table}")) == (table, [(left,)])
    assert ingest.store(arrival("1.1", key="spool/again")).outcome is Outcome.REJECTED
    assert ingest.store(arrival("1.2", key="spool/again")).outcome is Outcome.STORED
    assert instances(index) == 1 and instances(index, B) == 3


def test_a_pack_of_a_purged_series_is_refused(index: Pool, three: list[str]) -> None:
    before = content(index)
    purge(index, 1, "1.2.3", {SERIES: three}, grace_s=0)
    with pytest.raises(PacsdError) as gone:
        Packs(index).commit_pack(before, Pack("packs/1", before.loose), generation=1, grace_s=0)
    assert gone.value.fault is Fault.NOT_FOUND


def test_overlays_change_what_is_found_and_can_be_taken_back(index: Pool, ingest: Ingest, three: list[str]) -> None:
    name = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Wang^Wu", "Ideographic": "王^五"}]}}

    def hits(value: str, scope: Scope = A) -> int:
        return sum(1 for _ in search(index, Query("study", (Criterion("00100010", value),)), scope))

    assert set_patient_overlay(index, "A", "000123", name) == 2
    assert (hits("*五*"), hits("张三"), hits("王五", B)) == (1, 0, 1)
    set_study_overlay(index, 2, "1.2.3", {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Own^Name"}]}})
    assert (hits("own*", B), hits("own*")) == (1, 0)
    assert content(index).overlay == name and content(index).overlaid_at is not None
    ingest.store(arrival("1.9", series="1.2.3.9", t00081030="later object"))
    assert hits("王五") == 1
    set_patient_overlay(index, "A", "000123", {})
    assert (hits("张三"), hits("王五"), hits("own*", B)) == (1, 0, 1)
    for authority, patient in (("C", "000123"), ("A", "nobody")):
        with pytest.raises(PacsdError) as nobody:
            set_patient_overlay(index, authority, patient, name)
        assert nobody.value.fault is Fault.NOT_FOUND


def test_the_inventory_knows_every_key_in_order(index: Pool, three: list[str]) -> None:
    inventory = Inventory(index)
    packed(index)
    keys = list(inventory.known_keys("spool/"))
    assert keys == sorted(keys) and len(keys) == 6            # three loose, three garbage
    assert list(inventory.known_keys("packs/")) == ["packs/1", "packs/1.sidecar"]
    assert inventory.missing([*keys, "spool/unknown"]) == {"spool/unknown"}
    inventory.forget_garbage(inventory.due_garbage(99))
    assert len(list(inventory.known_keys("spool/"))) == 3
    found = inventory.content("b", "1.2.3", SERIES)
    assert found is not None and found.organisation == 2
    assert inventory.content("c", "1.2.3", SERIES) is None
    inventory.make_partitions(years=5)


def test_nobody_locates_what_others_keep(index: Pool, three: list[str]) -> None:
    C = Scope((3,), 3)
    assert locate.contents(index, C, "1.2.3") == [] and locate.by_sop(index, C, "1.1") == []
    assert [c.organisation for c in locate.contents(index, Scope((3, 2, 1), 2), "1.2.3", SERIES, "1.1")] == [2]
    assert reject(index, 3, "1.2.3", {SERIES: three}, Saying("113001")) == 0
    assert purge(index, 3, "1.2.3", {SERIES: three}, grace_s=0) == 0


def test_readers_never_miss_an_instance_that_is_being_packed(index: Pool, ingest: Ingest) -> None:
    for n in range(40):
        ingest.store(arrival(f"1.{n}"))
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            one = content(index)
            seen.append(len(one.loose) + sum(pack.instances for pack in one.packs))

    reader = threading.Thread(target=read)
    reader.start()
    before = content(index)
    for n in range(40):
        Packs(index).commit_pack(before, Pack(f"packs/{n}", before.loose[n : n + 1]), generation=n + 1, grace_s=0)
    done.set()
    reader.join(60)
    assert set(seen) == {40}


def test_a_replacement_hides_what_was_packed_while_it_waited(
    index: Pool, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.store(arrival("1.1"))
    one = content(index)

    def lock_series(*arguments: Any) -> Any:
        Packs(index).commit_pack(one, Pack("packs/1", one.loose), generation=1, grace_s=0)
        return summary.lock_series(*arguments)

    monkeypatch.setattr(replace, "lock_series", lock_series)
    later = arrival("1.1", study="1.2.4", content=b"later")
    assert ingest.replace(later, grace_s=0).outcome is Outcome.STORED
    assert rows(index, "select key from instance") == [(later.extent.key,)]
    assert rows(index, "select sop_instance_uid from replaced") == [("1.1",)]
    assert rows(index, "select instances from study order by study_instance_uid") == [(0,), (1,)]


def test_a_pack_in_use_is_never_due(index: Pool, three: list[str]) -> None:
    packed(index)
    inventory = Inventory(index)
    inventory.add_garbage(["packs/1", "packs/1.sidecar", "packs/other"], grace_s=0)
    assert {key for key in inventory.due_garbage(10) if key.startswith("packs/")} == {"packs/other"}


def test_a_series_from_a_clock_that_was_ahead_is_packed_all_the_same(index: Pool, three: list[str]) -> None:
    with index.connection() as connection:
        connection.execute("update series set last_received_at = now() + interval '9 years' where organisation = 1")
    assert [one.organisation for one in Packs(index).claim_quiet(quiet_s=60, lease_s=60, limit=9)] == [1]


def test_a_worker_frees_what_its_killed_predecessor_had_claimed(index: Pool, three: list[str]) -> None:
    former, other = Packs(index, worker="one"), Packs(index, worker="two")
    claimed = former.claim_quiet(quiet_s=-1, lease_s=900, limit=9)
    other.release_all()
    assert other.claim_quiet(quiet_s=-1, lease_s=900, limit=9) == []
    successor = Packs(index, worker="one")
    successor.release_all()
    again = other.claim_quiet(quiet_s=-1, lease_s=900, limit=9)
    assert {one.series for one in again} == {one.series for one in claimed}
