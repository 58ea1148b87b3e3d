"""Organization: one with a code (`urn:pacsd:organisation`) is an organisation of the archive, from now on.

Others are kept, and nothing is done with them. What the settings name is theirs, and cannot be written.
"""

from dataclasses import replace

from config import checks
from fhir.acting.deed import Body, Deed, listed
from fhir.projection import extensions
from fhir.projection.organization import CODES
from fhir.store import shared
from fhir.store.stored import Change
from pacsd.archive.register import Registration, StatedOrganisation

_ABOUT = "organisation"


class OrganizationRule:
    """Acts on versions of Organization."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    def act(self, deed: Deed) -> Change:
        """The version with whose it is from now on. Raises FhirError, PacsdError."""
        if deed.change.deleted:
            if deed.is_shared:
                raise deed.refused("an organisation owns what was stored for it: say active=false instead")
            return deed.change
        body = deed.body()
        code = coded(deed, body)
        before = coded(deed, deed.before()) if deed.is_shared else ""
        if before and code != before:
            raise deed.refused("the code of an organisation stays", "Organization.identifier")
        if not code:
            return deed.change
        stated = _stated(deed, body, code)
        self._registration.state_organisation(deed.work, stated, new=not before)
        return replace(deed.change, owner=f"{shared.SHARED}{_ABOUT} {code}")


def coded(deed: Deed, body: Body) -> str:
    """The code of an organisation; empty without one. Raises FhirError INVALID."""
    found = [str(one.get("value") or "") for one in listed(body, "identifier") if one.get("system") == CODES]
    if len(found) > 1:
        raise deed.incomplete("an organisation has one code", "Organization.identifier")
    if found and (problem := checks.code(found[0])):
        raise deed.incomplete(problem, "Organization.identifier")
    return found[0] if found else ""


def _stated(deed: Deed, body: Body, code: str) -> StatedOrganisation:
    try:
        told = extensions.read(extensions.ORGANIZATION, body)
    except ValueError as error:
        raise deed.incomplete(str(error), "Organization.extension") from error
    authority = told.get("assigning_authority") or code
    if problem := checks.authority(authority):
        raise deed.incomplete(problem, "Organization.extension")
    return StatedOrganisation(code, str(body.get("name") or code), authority, body.get("active") is not False)
