"""Practitioner and PractitionerRole (http://hl7.org/fhir/R4/practitioner.html): authors and verifiers of reports who
have an identifier. Whoever is known by name alone is named where he stands, and no resource."""

from collections.abc import Iterator

from fhir.projection.datatypes import human_names, identifier, person_shown
from fhir.projection.projected import House, Projected, Resource, without_empty
from fhir.projection.report_source import ReportSource
from pacsd.codec.text import has_han
from pacsd.reports.report import Person


def person(house: House, one: Person) -> Resource:
    """A reference to somebody, or no more than the name."""
    shown = without_empty({"display": person_shown(one.name)})
    return {**house.to("Practitioner", "person", *_key(one)), **shown} if one.identifier else shown


def practitioners(house: House, source: ReportSource) -> Iterator[Projected]:
    """Those who wrote and verified a report, each with the role of somebody of the organisation."""
    content = source.counting.content
    for one in dict.fromkeys(each for each in (content.author, content.verifier) if each and each.identifier):
        authority = one.authority or house.code
        resource = {
            "resourceType": "Practitioner",
            "id": house.id_of("person", *_key(one)),
            "identifier": [identifier("EI", house.systems.of(f"{authority} EI"), one.identifier)],
            "active": True,
            "name": human_names({"Value": [{"Ideographic" if has_han(one.name) else "Alphabetic": one.name}]}),
        }
        role = {
            "resourceType": "PractitionerRole",
            "id": house.id_of("role", *_key(one)),
            "active": True,
            "practitioner": house.to("Practitioner", "person", *_key(one)),
            "organization": house.to("Organization", "organization"),
        }
        for each in (resource, role):
            yield Projected(source.organisation, source.feed(house), without_empty(each))


def _key(one: Person) -> tuple[str, str]:
    return one.authority, one.identifier
