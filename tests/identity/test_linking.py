"""The machine links what is proven, shows what is doubtful, and never undoes what was decided."""

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.identity import services
from pacsd.identity.linking import GROWING
from pacsd.identity.patients import PatientKey
from tests.identity.register import Register

CARD = "HC-0001-7788"
PERSON = ("张^三", "19800102", "M")


def ends(one: PatientKey, *others: PatientKey) -> frozenset[tuple[str, str]]:
    return frozenset(key for key in (one, *others))


def test_records_with_one_health_card_name_birth_date_and_sex_are_linked(register: Register) -> None:
    one = register.state("E", "1", *PERSON, health_card=CARD)
    other = register.state("W", "9", *PERSON, health_card="hc 0001 7788")
    register.state("W", "10", "李^四", "19800102", "M")
    assert register.persons() == {ends(one, other)}
    assert register.doubtful() == set()
    (step,) = register.identity.history("east", one)
    assert (step.step, step.other_authority, step.other_id, step.said_by) == ("linked", "W", "9", "matching")


def test_all_but_the_card_is_for_people_to_decide(register: Register) -> None:
    one = register.state("E", "1", *PERSON, phone="13800001111")
    other = register.state("W", "9", *PERSON, phone="+86 138 0000 1111")
    assert register.persons() == set() and register.doubtful() == {ends(one, other)}
    register.identity.decide("east", one, other, linked=True)
    assert register.persons() == {ends(one, other)} and register.doubtful() == set()


def test_links_are_recomputed_when_demographics_change(register: Register) -> None:
    one = register.state("E", "1", *PERSON, health_card=CARD)
    other = register.state("W", "9", *PERSON, health_card=CARD)
    assert register.persons() == {ends(one, other)}
    register.state("W", "9", "王^五", "19550505", "F")
    assert register.persons() == set()
    assert [step.step for step in register.identity.history("east", one)] == ["linked", "unlinked"]


def test_a_decision_outlives_every_change(register: Register) -> None:
    one = register.state("E", "1", *PERSON, health_card=CARD)
    other = register.state("W", "9", *PERSON, health_card=CARD)
    register.decide(one, other, linked=False)
    assert register.persons() == set() and register.doubtful() == set()
    register.state("W", "9", phone="13800001111")
    assert register.persons() == set()
    register.decide(other, one, linked=True)
    register.state("W", "9", "王^五", "19550505", "F")
    assert register.persons() == {ends(one, other)}


def test_separated_records_do_not_come_together_through_a_third(register: Register) -> None:
    one = register.state("E", "1", *PERSON, health_card=CARD)
    other = register.state("W", "9", *PERSON, health_card=CARD)
    register.decide(one, other, linked=False)
    third = register.state("E", "2", *PERSON, health_card=CARD)
    (found,) = register.persons()
    assert found in (ends(one, third), ends(other, third))


def test_nobody_is_linked_who_contradicts_a_member(register: Register) -> None:
    """The second has no identity card; the third has another than the first."""
    cards = "110101198001021238", "110101198001029870"
    one = register.state("E", "1", *PERSON, health_card=CARD, id_card=cards[0])
    register.state("E", "2", *PERSON, health_card=CARD)
    third = register.state("W", "3", *PERSON, health_card=CARD, id_card=cards[1])
    (found,) = register.persons()
    assert not {one, third} <= found and len(found) == 2


def test_a_merge_takes_the_record_out_and_its_decisions_to_the_survivor(register: Register) -> None:
    one, two = register.state("E", "1", *PERSON), register.state("E", "2", *PERSON)
    other = register.state("W", "9", "王^五", "19550505", "F")
    register.decide(one, other, linked=True)
    assert register.persons() == {ends(one, other)}
    register.merge(one, two)
    assert register.persons() == {ends(two, other)}
    register.identity.unmerge("east", one)
    assert register.persons() == {ends(one, other)}


def test_decisions_need_records_that_can_be_seen(register: Register) -> None:
    one, other = register.state("E", "1", *PERSON), register.state("W", "9", *PERSON)
    for code, mine, theirs in (("east", one, PatientKey("W", "8")), ("west", other, one)):
        with pytest.raises(PacsdError) as caught:
            register.identity.decide(code, mine, theirs, linked=True)
        assert caught.value.fault is Fault.NOT_FOUND
    with pytest.raises(PacsdError) as caught:
        register.identity.decide("east", one, one, linked=True)
    assert caught.value.fault is Fault.CONFLICT


def test_an_organisation_that_only_reads_decides_nothing(register: Register) -> None:
    one, other = register.state("W", "1", *PERSON), register.state("W", "2", *PERSON)
    assert register.doubtful() == {ends(one, other)}                     # east sees it, as it reads what west has
    for linked in (True, False):
        with pytest.raises(PacsdError) as caught:
            register.identity.decide("east", one, other, linked=linked)
        assert caught.value.fault is Fault.REFUSED
    assert register.doubtful() == {ends(one, other)}
    register.identity.decide("west", one, other, linked=True)
    assert register.persons() == {ends(one, other)}


def test_a_rebuild_links_the_same_and_knows_the_history(register: Register) -> None:
    keys = [register.state("E", str(n), *PERSON, health_card=CARD, phone=f"1380000000{n}") for n in range(4)]
    far = register.state("W", "9", "王^五", "19550505", "F")
    register.decide(keys[0], far, linked=True)
    register.decide(keys[1], keys[2], linked=False)
    register.merge(keys[3], keys[0])
    before, shown = register.persons(), register.shown()
    histories = [register.identity.history("east", key) for key in (*keys, far)]
    register.forget()
    register.replay(times=2)
    assert register.shown() == shown
    assert register.persons() == before
    after = [[step for step in register.identity.history("east", key) if step in old]
             for key, old in zip((*keys, far), histories, strict=True)]  # fmt: skip
    assert after == [list(old) for old in histories]


def test_whom_a_feed_has_in_hand_is_matched_the_next_time(register: Register) -> None:
    one = register.state("E", "1", *PERSON, health_card=CARD)
    other = register.state("W", "9", *PERSON, health_card=CARD)
    with register.working() as work:
        register.patients.state(work, one, {}, {"phone": "13800001111"})
        linker = register.identity.linker
        assert linker.run(limit=10) is False                             # does not wait
        assert [step.step for step in register.identity.history("west", other)] == []
    assert register.persons() == {ends(one, other)}


def test_a_set_of_patients_is_matched_as_if_one_after_the_other(register: Register) -> None:
    keys = [register.state("EW"[n % 2], f"S{n}", *PERSON, health_card=f"HC-{n // 3:04d}") for n in range(30)]
    expected = {ends(*keys[n : n + 3]) for n in range(0, 30, 3)}
    assert register.persons() == expected
    register.state("E", "S0", "王^五", "19550505", "F")
    assert register.persons() == expected - {ends(*keys[:3])} | {ends(*keys[1:3])}
    register.forget()
    register.replay()
    while register.identity.linker.run(limit=1):
        continue
    assert register.persons() == expected - {ends(*keys[:3])} | {ends(*keys[1:3])}


def test_little_is_matched_while_feeds_are_at_work_and_more_when_it_is_quiet(register: Register) -> None:
    linker, left = register.identity.linker, []
    with register.house.pool.connection() as connection:
        for n in range(3):
            for m in range(40):
                register.state("E", f"{n}-{m}", f"张^{n}{m}")
            linker.behind_feeds()
            left.append(connection.execute("select count(*) from patient_record where due").fetchone())
        linker.behind_feeds()
        left.append(connection.execute("select count(*) from patient_record where due").fetchone())
    assert left == [(15,), (30,), (45,), (0,)]
    for n in range(2 * GROWING):
        register.state("E", f"late-{n}", f"张^{n}")
    assert linker.behind_feeds(late=True) == 0


def test_matching_gives_way_to_feeds_for_half_a_minute_and_then_catches_up(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(services, "monotonic", lambda: now[0])
    identity, left, again = Register(register.house).identity, [], []
    ((_, _, match),) = identity.chores()
    with register.house.pool.connection() as connection:
        for n in range(1, 6):
            for m in range(30):
                register.state("E", f"{n}-{m}", f"张^{n}{m}")
            now[0] = n * 10.0
            again.append(match())
            left += connection.execute("select count(*) from patient_record where due").fetchone() or ()
    assert left == [5, 10, 15, 0, 5] and not any(again)


def test_the_proof_of_a_link_can_be_another_by_configuration(register: Register) -> None:
    register = Register(register.house, proofs=("id_card",))
    one = register.state("E", "1", *PERSON, id_card="110101198001021238")
    other = register.state("W", "9", *PERSON, id_card="110101800102123")
    assert register.persons() == {ends(one, other)}
