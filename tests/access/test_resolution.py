"""An access is resolved once for some seconds, whoever's object of the same principal asks."""

from dataclasses import replace
from typing import Any

from pacsd.access.directory import Peer
from pacsd.access.principal import Principal, Proof, Role
from pacsd.access.resolution import FRESH_S, Resolution
from pacsd.access.scope import Scope


class Known:
    """A directory of one organisation."""

    def knows(self, code: str) -> bool:
        return code == "east"

    def acting(self, code: str) -> Peer:
        return Peer(code, 1, code, "", Scope((1,), 1), services=frozenset())


class Openings:
    """Nothing is opened; how often that was asked."""

    asked = 0

    def of(self, principal: Principal, scope: Scope) -> None:
        self.asked += 1


def somebody() -> Principal:
    return Principal("somebody", "east", frozenset({Role.RADIOLOGIST}), Proof.TOKEN)


def test_what_another_object_of_the_same_principal_was_answered_serves_once_the_own_answer_is_old() -> None:
    directory: Any = Known()
    openings, clock = Openings(), [0.0]
    resolution = Resolution(directory, openings, now=lambda: clock[0])
    one, same, other = somebody(), somebody(), replace(somebody(), subject="other")
    first = resolution.access(one)
    assert resolution.known(one) is first and resolution.known(same) is first and resolution.known(other) is None
    clock[0] = FRESH_S + 1
    assert resolution.known(one) is None
    second = resolution.access(same)
    assert second is not first and openings.asked == 2
    assert resolution.known(one) is second and resolution.access(one) is second and openings.asked == 2
