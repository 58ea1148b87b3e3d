"""Provenance (http://hl7.org/fhir/R4/provenance.html): who told what a resource says, and when."""

from datetime import datetime

from fhir.format.instants import instant
from fhir.projection.datatypes import plain
from fhir.projection.projected import House, Projected, without_empty

_AUTHOR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                       "code": "author"}]}  # fmt: skip


def provenance(house: House, of: Projected, *, at: datetime, teller: str, known_as: str = "") -> Projected:
    """That somebody told a resource (`known_as`, where a client's stands for it); no name: the organisation itself."""
    type_name, own = of.name
    organisation = house.to("Organization", "organization")
    resource = {
        "resourceType": "Provenance",
        "id": house.id_of("provenance", type_name, own),
        "target": [{"reference": f"{type_name}/{known_as or own}"}],
        "recorded": instant(at),
        "agent": [without_empty({
            "type": _AUTHOR,
            "who": {"display": plain(teller)} if plain(teller) else organisation,
            "onBehalfOf": organisation if plain(teller) else {},
        })],
    }  # fmt: skip
    return Projected(of.organisation, of.feed, resource)
