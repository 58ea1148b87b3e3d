"""`python -m fhir.definitions.cut FOLDER`: the official definition bundles, cut down to what the server needs.

FOLDER holds the bundles of http://hl7.org/fhir/R4/downloads.html, each compressed by gzip. The same bundles give the
same bytes.
"""

import gzip
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fhir.definitions.expansion import Expansion

DATA = Path(__file__).parent / "data"
_FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
_REGEX = "http://hl7.org/fhir/StructureDefinition/regex"
_SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
_EVERYWHERE = {"ele-1"}                  # of every element, and checked as a rule of the format


def bundle(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The resources of an official bundle."""
    with gzip.open(folder / f"{name}.json.gz") as file:
        for entry in json.load(file)["entry"]:
            yield entry["resource"]


class Structures:
    """All resources and types as `fhir.definitions.structures` reads them."""

    def __init__(self) -> None:
        self.constraints: list[tuple[str, str, str, str]] = []
        self.structures: dict[str, Any] = {}
        self._numbers: dict[tuple[str, str, str, str], int] = {}

    def add(self, definition: Mapping[str, Any]) -> None:
        """One StructureDefinition: a structure for the type, and one for each element that has elements of its own."""
        rows = definition["snapshot"]["element"]
        parents = {row["path"].rpartition(".")[0] for row in rows}
        for row in rows:
            path = row["path"]
            if path not in parents:
                continue
            top = "." not in path
            self.structures[path] = {
                "kind": definition["kind"] if top else "backbone",
                "base": definition.get("baseDefinition", "").rpartition("/")[2] if top else row["type"][0]["code"],
                "abstract": top and definition.get("abstract", False),
                "constraints": self._constraints(row),
                "elements": [self._element(one, parents) for one in rows
                             if one["path"].rpartition(".")[0] == path and one["max"] != "0"],
            }

    def _element(self, row: Mapping[str, Any], parents: set[str]) -> dict[str, Any]:
        element: dict[str, Any] = {
            "name": row["path"].rpartition(".")[2], "min": row["min"],
            "types": [row["path"]] if row["path"] in parents else [_type(one) for one in row.get("type", ())],
        }
        targets = sorted({target.rpartition("/")[2] for one in row.get("type", ()) if one["code"] in
                          ("Reference", "canonical") for target in one.get("targetProfile", ())})
        binding = row.get("binding", {})
        patterns = [one["valueUrl" if "valueUrl" in one else "valueString"] for kind in row.get("type", ())
                    for one in kind.get("extension", ()) if one["url"] == _REGEX]
        optional = {
            "max": None if row["max"] == "*" else int(row["max"]), "targets": targets,
            "content": row.get("contentReference", "").removeprefix("#"),
            "binding": binding and "valueSet" in binding and [binding["strength"], binding["valueSet"].split("|")[0]],
            "constraints": self._constraints(row), "summary": row.get("isSummary", False),
            "modifier": row.get("isModifier", False), "pattern": patterns and patterns[0],
        }
        return element | {key: value for key, value in optional.items() if value}

    def _constraints(self, row: Mapping[str, Any]) -> list[int]:
        """Numbers of the element's own invariants; those of its type stand with the type."""
        numbers = []
        for one in row.get("constraint", ()):
            if one["key"] not in _EVERYWHERE and "expression" in one:
                told = (one["key"], one["severity"], one["human"], one["expression"])
                if told not in self._numbers:
                    self._numbers[told] = len(self.constraints)
                    self.constraints.append(told)
                numbers.append(self._numbers[told])
        return numbers


def _type(row: Mapping[str, Any]) -> str:
    if not row["code"].startswith(_SYSTEM_TYPE):
        return str(row["code"])
    told = [one["valueUrl"] for one in row.get("extension", ()) if one["url"] == _FHIR_TYPE]
    return str(told[0]) if told else "string"


def structures(folder: Path) -> dict[str, Any]:
    """Resources and types, in the order in which they are defined."""
    made = Structures()
    for name in ("profiles-types", "profiles-resources"):
        for resource in bundle(folder, name):
            if resource["resourceType"] == "StructureDefinition" and resource["kind"] != "logical" \
                    and resource.get("derivation", "specialization") == "specialization":
                made.add(resource)
    return {"constraints": made.constraints, "structures": made.structures}


def search_parameters(folder: Path) -> list[dict[str, Any]]:
    """The search parameters, their expressions as defined for all of their resource types together."""
    kept = ("url", "code", "base", "type", "expression", "target", "component", "multipleOr", "multipleAnd")
    rows = [{key: one[key] for key in kept if key in one} for one in bundle(folder, "search-parameters")]
    return sorted(rows, key=lambda row: str(row["url"]))


def compartments(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Compartment, resource type, and the search parameters that put a resource into it (with {def}: itself)."""
    return {one["code"]: {row["code"]: row["param"] for row in one["resource"] if "param" in row}
            for one in bundle(folder, "profiles-resources") if one["resourceType"] == "CompartmentDefinition"}


def value_sets(folder: Path, told: Mapping[str, Any]) -> dict[str, Any]:
    """Value sets that a binding names, required or extensible: system to codes; nothing where no list tells them."""
    names = sorted({one["binding"][1] for structure in told["structures"].values() for one in structure["elements"]
                    if one.get("binding", ("",))[0] in ("required", "extensible")})
    expansion = Expansion(one for name in ("valuesets", "v3-codesystems", "v2-tables") for one in bundle(folder, name))
    return {name: expansion.codes(name) for name in names}


def terminology(folder: Path) -> dict[str, dict[str, Any]]:
    """Code systems, value sets and concept maps by canonical URL, without what only people read."""
    found: dict[str, dict[str, Any]] = {"CodeSystem": {}, "ValueSet": {}, "ConceptMap": {}}
    for name in ("valuesets", "v3-codesystems", "v2-tables", "conceptmaps"):
        for one in bundle(folder, name):
            found[one["resourceType"]].setdefault(one["url"], _bare(one))
    return {kind: dict(sorted(told.items())) for kind, told in found.items()}


_SPOKEN = {"text", "meta", "extension", "contact", "publisher", "purpose", "copyright", "useContext", "jurisdiction",
           "description", "identifier", "date", "experimental", "language", "contained", "expansion", "_description",
           "requirements", "comment"}  # fmt: skip


def _bare(value: Any) -> Any:
    """Without narrative and extensions, at every depth."""
    if isinstance(value, list):
        return [_bare(one) for one in value]
    if isinstance(value, dict):
        return {key: _bare(one) for key, one in value.items() if key not in _SPOKEN}
    return value


def written(name: str, data: object) -> None:
    """A file of data/."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (DATA / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def main(folder: Path) -> None:
    """Cut all of them."""
    DATA.mkdir(exist_ok=True)
    told = structures(folder)
    written("structures", told)
    written("search-parameters", search_parameters(folder))
    written("compartments", compartments(folder))
    written("value-sets", value_sets(folder, told))
    written("terminology", terminology(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
