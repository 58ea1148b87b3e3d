"""Organization, Endpoint and Device of what the directory knows, ConceptMap of mapping files: a view that follows.

What an organisation registered through FHIR is its own resource already; seen are what the settings name, and what
somebody else registered for an organisation.
"""

from collections.abc import Iterator, Mapping, Sequence

from config.hl7_mapping import MessageMapping, load_mapping
from config.settings import Hl7SenderSettings, Settings
from fhir.projection import application_entity
from fhir.projection.concept_map import concept_map
from fhir.projection.endpoint import endpoint
from fhir.projection.organization import organization
from fhir.projection.projected import House, Projected
from pacsd.access.known import Known
from pacsd.access.register import caller_of

Mappings = Sequence[tuple[Hl7SenderSettings, MessageMapping]]


def mappings(settings: Settings) -> Mappings:
    """What is declared of the messages of senders. Raises SettingsError for a file that cannot be read."""
    return [(one, load_mapping(one.mapping)) for one in settings.hl7_senders if one.mapping is not None]


def administered(
    settings: Settings, known: Known, houses: Mapping[int, House], declared: Mappings = ()
) -> Iterator[Projected]:
    """All of it, as it is at this moment."""
    by_code = {house.code: house for house in houses.values()}
    for sender, mapping in declared:
        if (made := concept_map(by_code[sender.organisation], sender.name, mapping)) is not None:
            yield made
    silent = {one.settings.code for one in known.registered if not one.active}
    for house in houses.values():
        yield organization(house, active=house.code not in silent)
        yield endpoint(house)
    yield from _named(settings, by_code)
    yield from _registered(known, by_code)


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
