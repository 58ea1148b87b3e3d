"""What subscriptions tell and exports hold: what whole organisations open, without what is denied."""

from dataclasses import replace
from typing import Any

from fhir.projection.standing import OrganisationScopes
from pacsd.access.principal import HELD, Principal, Role
from pacsd.access.scope import Links, Opened, Scope

READS = Scope((1, 2), 1)
BOTH = Opened(studies=(7,), patients=((2, (8,)),), denied_studies=(9,), denied_patients=((2, (10,)),))


class Known:
    """A directory of one organisation."""

    def scope(self, code: str) -> Scope:
        assert code == "east"
        return READS


class Openings:
    """What is opened, and how often that was asked."""

    def __init__(self, to_all: Opened | None, to_some: Opened | None = None) -> None:
        self.to_all, self.to_some = to_all, to_some
        self.asked: list[Principal] = []

    def of(self, principal: Principal, scope: Scope) -> Opened | None:
        self.asked.append(principal)
        return (self.to_some or self.to_all) if principal.roles else self.to_all


class Linking:
    """Of fhir.projection.opening.Opening what is asked here."""

    def linked(self, opened: Opened) -> Opened:
        return replace(opened, links=Links())


def scopes(openings: Openings, clock: list[float]) -> OrganisationScopes:
    known: Any = Known()
    links: Any = Linking()
    return OrganisationScopes(known, openings, links, {1: "east"}, now=lambda: clock[0])


def test_where_nothing_is_granted_or_denied_it_is_what_organisations_open() -> None:
    assert scopes(Openings(None), [0.0])(1) is READS


def test_what_is_granted_to_all_of_it_is_there_and_what_some_were_given_is_not() -> None:
    granted = Opened(studies=(7,), patients=((2, (8,)),))
    assert scopes(Openings(granted, BOTH), [0.0])(1).opened == replace(
        granted, denied_studies=(9,), denied_patients=((2, (10,)),), links=Links()
    )
    assert scopes(Openings(None, granted), [0.0])(1) is READS


def test_what_any_of_its_people_are_denied_is_gone() -> None:
    found = scopes(Openings(None, BOTH), [0.0])(1)
    assert found.organisations == READS.organisations and found.opened is not None
    assert found.opened.denied_studies == (9,) and found.opened.denied_patients == ((2, (10,)),)
    assert not found.opened.opens and found.opened.links is not None


def test_an_answer_serves_for_some_seconds_and_is_asked_for_a_system_of_the_organisation() -> None:
    openings, clock = Openings(None), [0.0]
    standing = scopes(openings, clock)
    assert standing(1) is standing(1) is READS and len(openings.asked) == 2
    openings.to_some, clock[0] = BOTH, 6.0
    found = standing(1).opened
    assert found is not None and found.denies and len(openings.asked) == 4
    assert [one.roles for one in openings.asked[:2]] == [frozenset(), HELD - {Role.PATIENT}]
    assert {one.organisation for one in openings.asked} == {"east"}
