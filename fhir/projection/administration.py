"""Organization, Endpoint and Device of what the directory knows: a view that follows it.

What an organisation registered through FHIR is its own resource already; seen are what the settings name, and what
somebody else registered for an organisation.
"""

from collections.abc import Iterator, Mapping

from config.settings import Settings
from fhir.projection import application_entity
from fhir.projection.endpoint import endpoint
from fhir.projection.organization import organization
from fhir.projection.projected import House, Projected
from pacsd.access.known import Known
from pacsd.access.register import caller_of


def administered(settings: Settings, known: Known, houses: Mapping[int, House]) -> Iterator[Projected]:
    """All of it, as it is at this moment."""
    silent = {one.settings.code for one in known.registered if not one.active}
    for house in houses.values():
        yield organization(house, active=house.code not in silent)
        yield endpoint(house)
    yield from _named(settings, {house.code: house for house in houses.values()})
    yield from _registered(known, {house.code: house for house in houses.values()})


def _named(settings: Settings, houses: Mapping[str, House]) -> Iterator[Projected]:
    callers = {(one.organisation, one.title): one for one in settings.remote_aes}
    for own in settings.own_aes:
        if (own.organisation, own.title) not in callers:
            yield application_entity.own_title(houses[own.organisation], own.title)
    for (code, _), one in sorted(callers.items()):
        yield application_entity.caller(houses[code], caller_of(one))
        yield application_entity.remote(houses[code], one)


def _registered(known: Known, houses: Mapping[str, House]) -> Iterator[Projected]:
    for one in known.entities:
        if one.caller is not None and one.caller.organisation != one.keeper:
            yield application_entity.caller(houses[one.caller.organisation], one.caller)
        if one.remote is not None and one.remote.organisation != one.keeper:
            yield application_entity.remote(houses[one.remote.organisation], one.remote)
