"""Who has nothing but organisations pays for nothing else: the statements are those without grants, word for word."""

import pytest

from fhir.store.opened import open_resource
from pacsd.access.scope import Links, Opened, Scope
from pacsd.faults import PacsdError
from pacsd.index.predicate import Params, open_study, visible, within

SCOPES = [Scope((1,), 1), Scope((1, 2), 1), Scope((), 1)]


@pytest.mark.parametrize("scope", SCOPES)
def test_without_grants_nothing_is_added(scope: Scope) -> None:
    plain, studies, resources = Params(), Params(), Params()
    assert within(scope, plain, "s") == open_study(scope, studies, "s") == open_resource(scope, resources, "s", "s.pk")
    assert plain.values == studies.values == resources.values


def test_one_organisation_needs_no_choice_among_copies_until_something_is_opened() -> None:
    assert "exists" not in visible(Scope((1,), 1), Params())
    assert "exists" not in visible(Scope((1,), 1, opened=Opened(denied_studies=(5,))), Params())
    assert "exists" in visible(Scope((1,), 1, opened=Opened(studies=(5,))), Params())


def test_closed_keeps_what_is_denied() -> None:
    links = Links(patients=(1,), denied_patients=(2,))
    opened = Opened((1,), ((1, (2,)),), (3,), ((1, (4,)),), released_only=True, links=links)
    closed = Scope((1,), 1, opened=opened).closed().opened
    assert closed == Opened(denied_studies=(3,), denied_patients=((1, (4,)),), links=Links(denied_patients=(2,)))
    assert Scope((1,), 1, opened=Opened(studies=(1,))).closed() == Scope((1,), 1)


def test_resources_are_not_read_before_it_is_known_what_is_opened() -> None:
    with pytest.raises(PacsdError):
        open_resource(Scope((1,), 1, opened=Opened(studies=(1,))), Params(), "r", "r.pk")
