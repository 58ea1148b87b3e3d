"""Reports survive what happens to the index: their facts bring them back, once, and tell who has not heard."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacsd.archive.catch_up import CatchUp
from pacsd.archive.journal import FactKind
from pacsd.faults import Fault, PacsdError
from pacsd.index import reports as rows
from pacsd.reports.check import Check
from pacsd.reports.contents import PREFIX, Contents
from pacsd.reports.report import Content, Statement, Status
from pacsd.reports.reports import appliers
from tests.hl7.results import mdm, oru, text
from tests.ihe_profiles.test_results import PDF, TWO, Ward, exchange, opened

LONG = text("x" * 100_000)
ED = f"ED|PDF^Report||^application^pdf^Base64^{base64.b64encode(PDF).decode()}||||||F"


@pytest.fixture
def ward(database: str, tmp_path: Path) -> Iterator[Ward]:
    with opened(database, tmp_path / "blobs") as house:
        yield Ward(house, exchange(house, organisations=TWO))


def forget(ward: Ward) -> None:
    """As if the index were new."""
    with ward.house.pool.connection() as connection:
        connection.execute("delete from diagnostic_report")
        connection.execute("delete from event")


def again(ward: Ward, *, tell: bool) -> None:
    """Apply what the journal says."""
    apply = appliers(ward.house.pool, Contents(ward.house.blobs), ward.house.keys, tell=tell)
    for fact in ward.house.journal.replay():
        if fact.kind in apply:
            apply[fact.kind](fact)


def filled(ward: Ward) -> None:
    for message in (
        oru("1", text("Preliminary."), status="P", time="20260101100000"), oru("2", LONG, ED, time="20260101110000"),
        oru("3", text("Late."), status="P", time="20260101103000"), mdm("T02", "4", text("Another.")),
        mdm("T06", "5", text("Added.", flags="AA"), number="D2", parent="D1", time="20260101130000"),
    ):  # fmt: skip
        assert ward.ask(message)[0] == "AA"


def everything(ward: Ward) -> list[tuple[object, ...]]:
    """Every report with all that is known of it, but for the keys of rows."""
    found = []
    for row in ward.reports.listed(ward.scope):
        with ward.house.pool.connection() as connection:
            versions = rows.versions(connection, row.pk)
        found.append((row.names, row.status, row.critical, row.counting, row.accessions, row.patient_ids, versions))
    return sorted(found, key=lambda one: one[0])


def test_facts_bring_every_report_back_and_twice_is_once(ward: Ward) -> None:
    filled(ward)
    before = everything(ward)
    assert [one[1] for one in before] == ["corrected", "final"]
    forget(ward)
    again(ward, tell=False)
    again(ward, tell=False)
    assert everything(ward) == before and ward.topics() == []


def test_a_report_whose_commit_was_lost_is_caught_up_with_and_told_of(ward: Ward) -> None:
    filled(ward)
    before, topics = everything(ward), ward.topics()
    forget(ward)
    apply = appliers(ward.house.pool, Contents(ward.house.blobs), ward.house.keys, tell=True)
    first = next(ward.house.journal.replay())
    CatchUp(ward.house.journal, apply).run(first.at)
    assert everything(ward) == before and ward.topics() == topics
    CatchUp(ward.house.journal, apply).run(first.at)
    assert ward.topics() == topics


def test_an_organisation_that_is_not_configured_stops_a_rebuild(ward: Ward) -> None:
    filled(ward)
    apply = appliers(ward.house.pool, Contents(ward.house.blobs), {"west": 2}, tell=False)
    fact = next(ward.house.journal.replay())
    assert fact.kind is FactKind.REPORT
    with pytest.raises(PacsdError) as caught:
        apply[fact.kind](fact)
    assert caught.value.fault is Fault.INTERNAL


def test_check_finds_what_is_lost_or_cut(ward: Ward) -> None:
    filled(ward)
    check = Check(ward.house.pool, Contents(ward.house.blobs))
    assert list(check.run()) == []
    first, second = [info.key for info in ward.house.blobs.list(PREFIX)]
    ward.house.blobs.delete([first])
    (found,) = check.run()
    assert found == (first, "missing")
    data = ward.house.blobs.read(second)
    ward.house.blobs.delete([second])
    ward.house.blobs.put(second, data[:-1])
    assert [what for _, what in check.run()] == ["missing", f"corrupt: {len(data) - 1} bytes, not {len(data)}"]


def test_blobs_that_no_version_is_kept_in_are_swept_and_others_stay(ward: Ward) -> None:
    filled(ward)
    contents = Contents(ward.house.blobs)
    known = {info.key for info in ward.house.blobs.list(PREFIX)}
    orphan = contents.key("application/pdf")
    contents.keep(orphan, (b"%PDF-",))
    assert list(contents.old_keys(older_than_s=60)) == []
    (batch,) = contents.old_keys(older_than_s=-60)
    assert rows.throw_unknown(ward.house.pool, batch, grace_s=0.0) == 1
    with ward.house.pool.connection() as connection:
        garbage = {row[0] for row in connection.execute("select key from garbage")}
    assert garbage == {orphan} and known == set(batch) - garbage


def test_what_cannot_be_kept_is_refused() -> None:
    from pacsd.reports.reports import _checked

    for names in ((), ("x" * 257,)):
        with pytest.raises(PacsdError):
            _checked(Statement("u", names, (), Status.FINAL, "ris", Content()))


def test_a_message_that_fails_later_leaves_no_report(ward: Ward) -> None:
    both = oru("1", text("Good.")) + "OBR|2|P2|F2|1^X^L||||||||||||||A2|||||||F\rOBX|9|NM|1^a||x||||||F\r"
    assert ward.ask(both) == ("AE", "102", "OBX^2^5^1")
    assert ward.reports.listed(ward.scope) == [] and list(ward.house.journal.replay()) == []
