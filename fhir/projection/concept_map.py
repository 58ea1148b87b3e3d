"""ConceptMap (http://hl7.org/fhir/R4/conceptmap.html): what codes of an HL7 sender mean, as its file says."""

from collections.abc import Iterator, Mapping

from config.hl7_mapping import MessageMapping
from fhir.projection.application_entity import AE_TITLES
from fhir.projection.projected import House, Projected, Resource, feed
from fhir.projection.systems import DCM, local, scheme

_TABLES: Mapping[str, str] = {           # HL7 tables of coded values (config.hl7_mapping.CODED)
    "sex": "0001", "priority": "0485", "order_control": "0119", "order_status": "0038", "report_status": "0123",
    "abnormal_flag": "0078",
}  # fmt: skip


def concept_map(house: House, sender: str, mapping: MessageMapping) -> Projected | None:
    """The map of a sender; None where its codes are those of the standard."""
    groups = [*_codes(house, sender, mapping), *_procedures(house, sender, mapping)]
    if not groups:
        return None
    resource = {
        "resourceType": "ConceptMap",
        "id": house.id_of("hl7-mapping", sender),
        "url": local(house.code, "hl7-mapping", sender),
        "name": f"Codes of {sender}",
        "status": "active",
        "group": groups,
    }
    return Projected(house.organisation, feed("settings", house.code), resource)


def _codes(house: House, sender: str, mapping: MessageMapping) -> Iterator[Resource]:
    for name in dict.fromkeys(one.name for one in mapping.codes):
        sent = dict.fromkeys(one.sent for one in mapping.codes if one.name == name)
        yield _group(house, sender, name, _target(house, name), [
            _element(code, mapping.code(name, code)) for code in sent
        ])  # fmt: skip


def _procedures(house: House, sender: str, mapping: MessageMapping) -> Iterator[Resource]:
    """A group for each coding scheme; a procedure without a code of ours stays as it was sent."""
    known = [one for sent in dict.fromkeys(one.sent for one in mapping.procedures)
             if (one := mapping.procedure(sent)) is not None and one.code]  # fmt: skip
    for designator in dict.fromkeys(one.scheme or mapping.coding_scheme for one in known):
        mine = [one for one in known if (one.scheme or mapping.coding_scheme) == designator]
        yield _group(house, sender, "procedure", scheme(designator, house.code), [
            _element(one.sent, one.code, one.meaning) for one in mine
        ])  # fmt: skip


def _target(house: House, name: str) -> str:
    if name in _TABLES:
        return f"http://terminology.hl7.org/CodeSystem/v2-{_TABLES[name]}"
    return {"modality": DCM, "station_ae_title": AE_TITLES + house.code}.get(name, local(house.code, "codes", name))


def _group(house: House, sender: str, name: str, target: str, elements: list[Resource]) -> Resource:
    return {"source": local(house.code, "codes", sender, name), "target": target, "element": elements}


def _element(sent: str, meant: str, meaning: str = "") -> Resource:
    target = {"code": meant, **({"display": meaning} if meaning else {}), "equivalence": "equivalent"}
    return {"code": sent, "target": [target]}
