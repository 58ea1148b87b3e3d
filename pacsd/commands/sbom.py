"""`pacsd sbom`: what this installation is made of, as a CycloneDX bill of materials."""

import argparse
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pacsd
from config.settings import Settings
from pacsd.commands.wiring import Wiring

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?[^;]*(?:;(.*))?", re.DOTALL)
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_SPACE = uuid.UUID("5a1f0a52-5a2f-5f0b-9d58-8ae3c9b1b0e4")


@dataclass(frozen=True, slots=True)
class Component:
    """An installed distribution: its name as the index writes it, its licence as it says itself, what it needs."""

    name: str
    version: str
    licence: str
    needs: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def components(root: str = "pacsd") -> list[Component]:
    """The distribution and everything installed that it needs, by name. Raises PackageNotFoundError without it."""
    found: dict[str, Component] = {}
    open_names = [(root, frozenset[str]())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while open_names:
        name, extras = open_names.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            one = distribution(name)
        except PackageNotFoundError:
            if name == root:
                raise
            continue                         # for another system or another Python
        needed = list(_needed(one, extras))
        open_names += needed
        before = found[name].needs if name in found else ()
        needs = tuple(sorted({*before, *(other for other, _ in needed)}))
        found[name] = Component(name, one.version, _licence(one), needs)
    return [
        Component(one.name, one.version, one.licence, tuple(other for other in one.needs if other in found))
        for _, one in sorted(found.items())
    ]


def bill() -> Mapping[str, object]:
    """The bill of materials (CycloneDX 1.6); the same installation gives the same one."""
    own, *others = sorted(components(), key=lambda one: one.name != "pacsd")
    listed = [{"type": "library", **_described(one)} for one in others]
    purls = {one.name: one.purl for one in (own, *others)}
    dependencies = [{"ref": one.purl, "dependsOn": [purls[name] for name in one.needs]} for one in (own, *others)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, json.dumps([listed, dependencies]))}",
        "version": 1,
        "metadata": {"component": {"type": "application", **_described(own), "description": pacsd.__doc__ or ""}},
        "components": listed,
        "dependencies": dependencies,
    }


def sbom(_options: argparse.Namespace, _settings: Settings, _wiring: Wiring) -> int:
    """Print it."""
    print(json.dumps(bill(), indent=2))
    return 0


def _needed(one: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Names it needs with these extras, each with the extras it is needed with."""
    for requirement in one.requires or ():
        match = _REQUIREMENT.fullmatch(requirement)
        if match is None:
            continue
        name, wanted, marker = match.groups()
        asked = set(_EXTRA.findall(marker or ""))
        if not asked or asked & extras:
            yield _normal(name), frozenset(filter(None, re.split(r"[\s,]+", wanted or "")))


def _licence(one: Distribution) -> str:
    said = one.metadata
    if "License-Expression" in said:
        return said["License-Expression"]
    classified = [text.rpartition("::")[2].strip() for text in said.get_all("Classifier") or () if "License ::" in text]
    return " OR ".join(classified) or next(iter(said.get_all("License") or ()), "").strip().partition("\n")[0]


def _described(one: Component) -> Mapping[str, object]:
    licence = {"expression": one.licence} if _is_expression(one.licence) else {"license": {"name": one.licence}}
    told = {"licenses": [licence]} if one.licence else {}
    return {"bom-ref": one.purl, "name": one.name, "version": one.version, "purl": one.purl, **told}


def _is_expression(licence: str) -> bool:
    """Whether it is written in SPDX's identifiers."""
    return re.fullmatch(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) \(?[A-Za-z0-9.+-]+\)?)*", licence) is not None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
