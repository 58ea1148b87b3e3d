"""What an organisation sees where nobody of it asks: subscriptions tell it, exports are made for it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from fhir.projection.opening import Opening
from pacsd.access.directory import Directory
from pacsd.access.openings import Openings
from pacsd.access.principal import HELD, Principal, Proof, Role
from pacsd.access.resolution import FRESH_S
from pacsd.access.scope import Scope


class Standing(Protocol):
    """The scope of an organisation, by its key."""

    def __call__(self, organisation: int) -> Scope: ...


class OrganisationScopes:
    """What whole organisations open to it, without what consents deny it (IHE PCF): grants to it open nothing here.

    An answer serves for as long as one to somebody who asks.
    """

    def __init__(
        self, directory: Directory, openings: Openings, opening: Opening, codes: Mapping[int, str], *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._directory = directory
        self._openings = openings
        self._opening = opening
        self._codes = codes
        self._now = now
        self._known: dict[int, tuple[float, Scope]] = {}

    def __call__(self, organisation: int) -> Scope:
        """As Standing has it. Raises KeyError for a key that is none."""
        known = self._known.get(organisation)
        if known is None or self._now() - known[0] >= FRESH_S:
            known = self._known[organisation] = (self._now(), self._found(organisation))
        return known[1]

    def _found(self, organisation: int) -> Scope:
        code = self._codes[organisation]
        scope = self._directory.scope(code)
        anybody = HELD - {Role.PATIENT}           # what any of its people are denied
        itself = Principal(f"organisation {code}", code, anybody, Proof.NOTHING)
        opened = self._openings.of(itself, scope)
        denied = None if opened is None else opened.denials()
        return scope if denied is None else replace(scope, opened=self._opening.linked(denied))
