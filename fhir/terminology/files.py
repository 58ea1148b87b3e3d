"""Code systems in files: a CodeSystem in JSON, tables (ICD-10 GB editions, LOINC), SNOMED CT releases (RF2)."""

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from fhir.format import json
from fhir.terminology.concepts import Concept
from fhir.terminology.library import LOINC, SNOMED
from fhir.terminology.listed import concepts
from pacsd.faults import Fault, PacsdError

_MOST_BYTES = 2 << 30                    # of a file, unpacked
_LONGEST_CODE = 200
_CODE = ("code", "编码", "代码", "疾病编码", "疾病代码", "诊断编码", "诊断代码", "主要编码", "手术编码", "loinc_num")
_DISPLAY = ("display", "name", "名称", "疾病名称", "诊断名称", "手术名称", "long_common_name")
_PARENT = ("parent", "上级编码", "父编码", "上级代码")
_DEFINITION = ("definition", "description", "说明", "定义", "definitiondescription")
_STATUS = ("status", "状态")
_IS_A, _FULL_NAME, _PREFERRED = "116680003", "900000000000003001", "900000000000013009"
_RF2 = {"concept": "sct2_Concept_Snapshot", "description": "sct2_Description_Snapshot",
        "relationship": "sct2_Relationship_Snapshot"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """What a person says of a file that does not say it itself. `prefixes`: whether A00.0 is under A00."""

    url: str = ""
    version: str = ""
    name: str = ""
    prefixes: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """What a file tells: a CodeSystem without its concepts, and these."""

    header: dict[str, Any]
    concepts: list[Concept] = field(default_factory=list)


def read(path: Path, named: Named) -> Read:
    """A code system. Raises PacsdError MALFORMED, UNSUPPORTED; MISMATCH for a code that stands there twice."""
    found = _reader(path)(path, named)
    header = {**found.header, **{key: value for key, value in (
        ("url", named.url), ("version", named.version), ("name", named.name)) if value}}  # fmt: skip
    if not header.get("url"):
        raise PacsdError(Fault.MALFORMED, "the file does not say which code system it is: name its --url")
    return Read({"resourceType": "CodeSystem", "status": "active", **header}, list(_checked(found.concepts)))


def _reader(path: Path) -> Callable[[Path, Named], Read]:
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".json"):
        return _resource
    if name.endswith((".csv", ".tsv", ".txt")):
        return _table
    if name.endswith(".zip"):
        return _snomed
    raise PacsdError(Fault.UNSUPPORTED, "a code system is a .json, .csv, .tsv or .txt file, or an RF2 .zip")


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file, _unpacked(path, file) as plain:
            content = plain.read(_MOST_BYTES + 1)
    except (OSError, EOFError) as error:
        raise PacsdError(Fault.MALFORMED, f"the file cannot be read: {error}") from error
    if len(content) > _MOST_BYTES:
        raise PacsdError(Fault.TOO_MUCH, "the file is larger than 2 GiB")
    return content


def _unpacked(path: Path, file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if path.name.lower().endswith(".gz") else file


def _resource(path: Path, named: Named) -> Read:
    told = json.read(_bytes(path))
    if told.get("resourceType") != "CodeSystem" or told.get("content") not in ("complete", "fragment", "example"):
        raise PacsdError(Fault.MALFORMED, "not a CodeSystem with its concepts")
    return Read({key: value for key, value in told.items() if key not in ("concept", "text", "resourceType")},
                list(concepts(told)))  # fmt: skip


def _text(content: bytes) -> str:
    """UTF-8, or as files of Chinese offices often are, GB 18030."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise PacsdError(Fault.MALFORMED, "the file is neither UTF-8 nor GB 18030")


def _table(path: Path, named: Named) -> Read:
    text = _text(_bytes(path))
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in first else ",")
    try:
        names = next(rows, [])
        columns = _columns(names)
        found = [_row(columns, names, row) for row in rows if any(row)]
    except csv.Error as error:
        raise PacsdError(Fault.MALFORMED, f"not a table: {error}") from error
    prefixes = named.prefixes and "parent" not in columns
    header = {"content": "complete", "caseSensitive": True, "hierarchyMeaning": "is-a"}
    if names[columns["code"]].strip().lower() == "loinc_num":
        header |= {"url": LOINC, "name": "LOINC", "caseSensitive": False, "valueSet": f"{LOINC}/vs"}
    return Read(header, _under_prefixes(found) if prefixes else found)


def _columns(names: Sequence[str]) -> dict[str, int]:
    """Which column is what. Raises PacsdError MALFORMED where none holds codes."""
    lower = [one.strip().strip("\ufeff").lower() for one in names]
    kinds = {"code": _CODE, "display": _DISPLAY, "parent": _PARENT, "definition": _DEFINITION, "status": _STATUS}
    found = {kind: next((lower.index(one) for one in words if one in lower), -1) for kind, words in kinds.items()}
    found = {kind: place for kind, place in found.items() if place >= 0}
    if "code" not in found or "display" not in found:
        raise PacsdError(Fault.MALFORMED, "the first row names no column `code` and `display` (编码, 名称)")
    return found


def _row(columns: Mapping[str, int], names: Sequence[str], row: Sequence[str]) -> Concept:
    def said(kind: str) -> str:
        place = columns.get(kind, -1)
        return row[place].strip() if 0 <= place < len(row) else ""

    parents = tuple(one for one in re.split(r"[|;,\s]+", said("parent")) if one)
    properties: list[dict[str, Any]] = []
    if said("status"):
        properties.append({"code": "status", "valueCode": said("status").lower()})
    own = set(columns.values())
    properties += [{"code": name.strip(), "valueString": row[place].strip()} for place, name in enumerate(names)
                   if place not in own and place < len(row) and row[place].strip() and name.strip()]  # fmt: skip
    return Concept(said("code"), said("display"), said("definition"), (), properties, parents)


def _under_prefixes(found: Sequence[Concept]) -> list[Concept]:
    """Each code under the longest other one that it begins with: A00.0 under A00."""
    there = {one.code for one in found}

    def parent(code: str) -> tuple[str, ...]:
        shorter = (code[:size] for size in range(len(code) - 1, 0, -1))
        return next(((one,) for one in shorter if one in there), ())

    return [Concept(one.code, one.display, one.definition, one.designations, one.properties, parent(one.code))
            for one in found]  # fmt: skip


def _snomed(path: Path, named: Named) -> Read:
    """A SNOMED CT release in RF2: active concepts of the snapshot, all their names, and what is a kind of what."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = {kind: [one for one in archive.namelist() if Path(one).name.startswith(start)]
                     for kind, start in _RF2.items()}  # fmt: skip
            if not files["concept"] or not files["description"]:
                raise PacsdError(Fault.UNSUPPORTED, "the archive holds no RF2 snapshot of SNOMED CT")
            return _release(archive, files)
    except (zipfile.BadZipFile, OSError, KeyError, UnicodeDecodeError) as error:
        raise PacsdError(Fault.MALFORMED, "the archive cannot be read") from error


def _release(archive: zipfile.ZipFile, files: Mapping[str, Sequence[str]]) -> Read:
    active, version = {}, ""
    for row in _rf2(archive, files["concept"]):
        if row["active"] == "1":
            active[row["id"]] = row["definitionStatusId"]
            version = max(version, row["effectiveTime"])
    parents: dict[str, list[str]] = {}
    for row in _rf2(archive, files["relationship"]):
        if row["active"] == "1" and row["typeId"] == _IS_A and row["sourceId"] in active:
            parents.setdefault(row["sourceId"], []).append(row["destinationId"])
    names: dict[str, list[Mapping[str, str]]] = {}
    for row in _rf2(archive, files["description"]):
        if row["active"] == "1" and row["conceptId"] in active:
            names.setdefault(row["conceptId"], []).append(
                {"type": row["typeId"], "language": row["languageCode"], "value": row["term"]})
    found = [_of_names(code, names.get(code, ()), parents.get(code, ())) for code in active]
    header = {"url": SNOMED, "version": f"{SNOMED}/900000000000207008/version/{version}", "name": "SNOMED CT",
              "content": "complete", "caseSensitive": True, "hierarchyMeaning": "is-a", "valueSet": f"{SNOMED}?fhir_vs"}
    return Read(header, found)


def _of_names(code: str, names: Sequence[Mapping[str, str]], parents: Sequence[str]) -> Concept:
    synonyms = [one for one in names if one["type"] == _PREFERRED]
    shown = next(iter(synonyms or names), {"value": ""})["value"]
    designations = [
        {"language": one["language"], "use": {"system": SNOMED, "code": one["type"]}, "value": one["value"]}
        for one in names if one["value"] != shown or one["type"] == _FULL_NAME]  # fmt: skip
    return Concept(code, shown, "", designations, (), tuple(dict.fromkeys(parents)))


def _rf2(archive: zipfile.ZipFile, names: Iterable[str]) -> Iterator[dict[str, str]]:
    for name in names:
        if archive.getinfo(name).file_size > _MOST_BYTES:
            raise PacsdError(Fault.TOO_MUCH, "a file of the archive is larger than 2 GiB")
        with archive.open(name) as file:
            yield from csv.DictReader(io.TextIOWrapper(file, "utf-8", newline=""), delimiter="\t",
                                      quoting=csv.QUOTE_NONE)  # fmt: skip


def _checked(found: Iterable[Concept]) -> Iterator[Concept]:
    seen: set[str] = set()
    for number, one in enumerate(found, 1):
        if not one.code or len(one.code) > _LONGEST_CODE or "\0" in one.code + one.display:
            raise PacsdError(Fault.MALFORMED, f"concept {number} has no code, or one that is none")
        if one.code in seen:
            raise PacsdError(Fault.MISMATCH, f"the code {one.code[:64]!r} stands there twice")
        seen.add(one.code)
        yield one
