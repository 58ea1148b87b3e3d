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
from pacsd.access.scope import Opened, Scope


class Standing(Protocol):
    """The scope of an organisation, by its key."""

    def __call__(self, organisation: int) -> Scope: ...


class OrganisationScopes:
    """What whole organisations open to it, and what is granted to all of it, whoever asks; without what consents deny
    any of its people (IHE PCF). What is granted to one user, to a role or for a purpose opens nothing here.

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
        granted = self._openings.of(_of(code, frozenset()), scope)               # what needs no role
        denied = self._openings.of(_of(code, HELD - {Role.PATIENT}), scope)      # what any of its people are denied
        opened = _without(granted, denied)
        return scope if opened is None else replace(scope, opened=self._opening.linked(opened))


def _of(code: str, roles: frozenset[Role]) -> Principal:
    return Principal(f"organisation {code}", code, roles, Proof.NOTHING)


def _without(granted: Opened | None, denied: Opened | None) -> Opened | None:
    """What is granted, and what is denied; None for neither."""
    if granted is None or not granted.opens:
        return None if denied is None else denied.denials()
    if denied is None:
        return granted
    names = replace(granted.names, denied_patients=denied.names.denied_patients,
                    denied_studies=denied.names.denied_studies)  # fmt: skip
    return replace(granted, denied_studies=denied.denied_studies, denied_patients=denied.denied_patients, names=names)
