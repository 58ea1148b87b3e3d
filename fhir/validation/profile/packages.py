"""Profiles from a folder: StructureDefinitions as files, and packages (https://confluence.hl7.org/display/FHIR/NPM+Package+Specification)."""

import tarfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from fhir.format import json
from pacsd.faults import Fault, PacsdError

MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_FILES = 50_000                       # of one package


class Packages:
    """The StructureDefinitions of a folder; its *.json, and those in its *.tgz, in the order of their names.

    What is no resource is passed over, as packages hold other things too; `refused` names what could not be read.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def find(self, url: str) -> Mapping[str, Any] | None:
        """A StructureDefinition by its canonical URL, with or without |version; the first of several."""
        return self._read.by_url.get(url)

    @property
    def refused(self) -> tuple[str, ...]:
        """Names of files that are broken or too large."""
        return self._read.refused

    @cached_property
    def _read(self) -> "_Found":
        by_url: dict[str, Mapping[str, Any]] = {}
        refused: list[str] = []
        for path in sorted(self._folder.iterdir()) if self._folder is not None and self._folder.is_dir() else ():
            try:
                for definition in _definitions(path):
                    url = str(definition["url"])
                    by_url.setdefault(url, definition)
                    by_url.setdefault(f"{url}|{definition.get('version', '')}", definition)
            except (PacsdError, OSError, tarfile.TarError, EOFError) as error:
                refused.append(f"{path.name}: {error}")
        return _Found(by_url, tuple(refused))


class _Found(NamedTuple):
    """What was read, once."""

    by_url: Mapping[str, Mapping[str, Any]]
    refused: tuple[str, ...]


def _definitions(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".json":
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PacsdError(Fault.TOO_MUCH, f"larger than {MAX_FILE_BYTES} bytes")
        contents: Iterator[bytes] = iter((path.read_bytes(),))
    elif path.suffix in (".tgz", ".gz"):
        contents = _packed(path)
    else:
        return
    for content in contents:
        if b"StructureDefinition" in content:
            told = json.read(content)
            if told.get("resourceType") == "StructureDefinition" and isinstance(told.get("url"), str):
                yield told


def _packed(path: Path) -> Iterator[bytes]:
    """The files of a package, without those of its examples; nothing is written to disk."""
    with tarfile.open(path, "r:gz") as archive:
        for number, one in enumerate(archive):
            if number >= MAX_FILES:
                raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_FILES} files")
            wanted = one.isfile() and one.name.endswith(".json") and "/example" not in one.name
            if wanted and one.size <= MAX_FILE_BYTES and (file := archive.extractfile(one)) is not None:
                yield file.read()
