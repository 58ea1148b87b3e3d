"""What Device and Endpoint of an AE have in common: an AE title of an organisation, registered as long as it is active.

Who writes it is of that organisation, or has registered it. A resource without such an identifier is kept, and nothing
is done with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from config import checks
from fhir.acting.deed import Body, Deed, listed
from fhir.acting.organization import coded
from fhir.projection.application_entity import code_of
from fhir.projection.extensions import Extension, read
from fhir.store import shared
from fhir.store.stored import Change
from pacsd.archive.register import Registration

Title = tuple[str, str]                  # code of the organisation, AE title


@dataclass(frozen=True, slots=True)
class Form:
    """A resource type that is one part of an AE. `owner`: its element that refers to the organisation; `told`: what is
    registered of a body whose extensions say this, which raises FhirError INVALID."""

    part: str                            # of pacsd.archive.register
    owner: str
    table: tuple[Extension, ...]
    told: Callable[[Deed, Body, Mapping[str, Any], Title], dict[str, Any]]


class EntityRule:
    """Acts on versions of such a type."""

    def __init__(self, registration: Registration, form: Form) -> None:
        self._registration = registration
        self._form = form

    def act(self, deed: Deed) -> Change:
        """The version with whose it is from now on. Raises FhirError, PacsdError."""
        before = self._registered(deed)
        now = None if deed.change.deleted else self._titled(deed, deed.body())
        if before is not None and before != now:
            self._registration.state_entity(deed.work, *before, self._form.part, None)
        if now is None:
            return deed.change
        body = deed.body()
        if body.get("status") != "active":
            if before == now:
                self._registration.state_entity(deed.work, *now, self._form.part, None)
            return deed.change
        self._agrees(deed, body, now)
        told = self._form.told(deed, body, self._said(deed, body), now)
        self._registration.state_entity(deed.work, *now, self._form.part, told, new=before != now)
        return replace(deed.change, owner=f"{shared.SHARED}{self._form.part} {now[0]} {now[1]}")

    def _registered(self, deed: Deed) -> Title | None:
        """The AE that the version before registered."""
        return self._titled(deed, deed.before()) if deed.is_shared else None

    def _titled(self, deed: Deed, body: Body) -> Title | None:
        """The AE that a resource is of. Raises FhirError INVALID."""
        found = [(code_of(str(one.get("system") or "")), str(one.get("value") or ""))
                 for one in listed(body, "identifier")]  # fmt: skip
        found = [one for one in found if one[0]]
        if len(found) > 1:
            raise deed.incomplete("an AE has one title", f"{deed.change.type}.identifier")
        if found and (problem := checks.ae_title(found[0][1])):
            raise deed.incomplete(problem, f"{deed.change.type}.identifier")
        return found[0] if found else None

    def _said(self, deed: Deed, body: Body) -> dict[str, Any]:
        try:
            return read(self._form.table, body)
        except ValueError as error:
            raise deed.incomplete(str(error), f"{deed.change.type}.extension") from error

    def _agrees(self, deed: Deed, body: Body, title: Title) -> None:
        """The organisation that it refers to is the one whose AE title it has."""
        named = deed.resource(body.get(self._form.owner), "Organization")
        if named is not None and (code := coded(deed, named)) and code != title[0]:
            raise deed.incomplete("the AE title is another organisation's", f"{deed.change.type}.{self._form.owner}")
