"""Extensions of ours (http://hl7.org/fhir/R4/extensibility.html): what R4 has no element for, by one declared table.

`urn:pacsd:fhir:StructureDefinition:<name>`, each with one value. Those of an AE are what the settings of `remote_aes`
say of it, under the same names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PREFIX = "urn:pacsd:fhir:StructureDefinition:"


@dataclass(frozen=True, slots=True)
class Extension:
    """One of them. `field`: what the archive calls it."""

    name: str
    field: str
    kind: type
    value: str
    repeats: bool = False


ORGANIZATION = (Extension("assigning-authority", "assigning_authority", str, "valueString"),)
DEVICE = (
    Extension("assigning-authority", "assigning_authority", str, "valueString"),
    Extension("character-set", "character_set", str, "valueString"),
    Extension("service", "services", str, "valueCode", repeats=True),
    Extension("calling-address", "addresses", str, "valueString", repeats=True),
    Extension("rejected", "rejected", str, "valueCode"),
    Extension("certificate", "certificate", str, "valueString"),
)
ENDPOINT = (
    Extension("availability", "availability", bool, "valueBoolean"),
    Extension("commitment-on-same-association", "commitment_on_same_association", bool, "valueBoolean"),
    Extension("certificate", "certificate", str, "valueString"),
)
TASK = (
    Extension("transaction-uid", "transaction_uid", str, "valueOid"),
    Extension("performed-station", "performed_station", dict, "valueCoding"),
)


def written(table: Iterable[Extension], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The extensions that say these values; what is None or empty is not said."""
    found = []
    for one in table:
        said = values.get(one.field)
        several: Sequence[Any] = said if one.repeats and said is not None else [said]
        found += [{"url": PREFIX + one.name, one.value: each} for each in several if each not in (None, "")]
    return found


def read(table: Iterable[Extension], resource: Mapping[str, Any]) -> dict[str, Any]:
    """What they say, by field. Raises ValueError for one of ours that is not declared, or has another value."""
    declared, found = {PREFIX + one.name: one for one in table}, dict[str, Any]()
    listed = resource.get("extension")
    for told in listed if isinstance(listed, list) else ():
        url = str(told.get("url", "")) if isinstance(told, dict) else ""
        if not url.startswith(PREFIX):
            continue
        one = declared.get(url)
        if one is None or not isinstance(told.get(one.value), one.kind):
            raise ValueError(f"{url.removeprefix(PREFIX)[:64]!r} is none of {', '.join(each.name for each in table)}"
                             if one is None else f"{one.name} has a {one.value}")
        if one.repeats:
            found.setdefault(one.field, []).append(told[one.value])
        elif one.field in found:
            raise ValueError(f"{one.name} is said twice")
        else:
            found[one.field] = told[one.value]
    return found
