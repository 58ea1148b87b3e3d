"""ValueSet/$expand (http://hl7.org/fhir/R4/valueset-operation-expand.html)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from fhir.terminology.concepts import Concept
from fhir.terminology.value_set import Composition, Member
from pacsd.codec.text import normalise
from pacsd.faults import Fault, PacsdError

MOST_AT_ONCE = 10_000                    # codes in one answer
MOST_COUNTED = 100_000                   # codes that are counted for `total`; beyond, none is told
_LONGEST_FILTER = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """Parameters of an expansion."""

    filter: str = ""
    offset: int = 0
    count: int | None = None
    active_only: bool = False
    designations: bool = False
    designation: Sequence[str] = ()
    language: str = ""
    exclude_not_for_ui: bool = False
    definition: bool = False


def expand(
    composition: Composition, value_set: Mapping[str, Any], asked: Asked, *, at: datetime, identifier: UUID
) -> dict[str, Any]:  # fmt: skip
    """The value set with its expansion. Raises PacsdError TOO_MUCH without `count` for one of more than MOST_AT_ONCE.

    A page of an expansion has an `offset`; `total` is left out where more than MOST_COUNTED would have to be counted.
    """
    if len(asked.filter) > _LONGEST_FILTER or asked.offset < 0 or (asked.count or 0) < 0:
        raise PacsdError(Fault.MALFORMED, "filter, offset or count is out of bounds")
    words = normalise(asked.filter).split()
    found = (one for one in composition.members(value_set, words)
             if not (asked.active_only and one.concept.inactive)
             and not (asked.exclude_not_for_ui and one.concept.abstract))  # fmt: skip
    least = MOST_AT_ONCE + 1 if asked.count is None else min(asked.count, MOST_AT_ONCE)
    skipped = sum(1 for _ in islice(found, asked.offset))
    page = list(islice(found, least))
    if asked.count is None and len(page) > MOST_AT_ONCE:
        raise PacsdError(Fault.TOO_MUCH, f"the expansion has more than {MOST_AT_ONCE} codes; ask by filter or count")
    total = skipped + len(page) + sum(1 for _ in islice(found, MOST_COUNTED))
    return _written(value_set, asked, page, total if total < MOST_COUNTED else None, at=at, identifier=identifier)


def _written(
    value_set: Mapping[str, Any], asked: Asked, page: Sequence[Member], total: int | None, *, at: datetime,
    identifier: UUID,
) -> dict[str, Any]:  # fmt: skip
    expansion: dict[str, Any] = {
        "identifier": f"urn:uuid:{identifier}", "timestamp": at.isoformat(timespec="milliseconds")}
    if total is not None:
        expansion["total"] = total
    if asked.count is not None or asked.offset:
        expansion["offset"] = asked.offset
    expansion["parameter"] = list(_parameters(asked, page))
    if page:
        expansion["contains"] = [_contained(one, asked) for one in page]
    kept = {key: value for key, value in value_set.items() if key not in ("expansion", "text", "contained")
            and (asked.definition or key != "compose")}  # fmt: skip
    return {**kept, "expansion": expansion}


def _parameters(asked: Asked, page: Sequence[Member]) -> Sequence[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    if asked.filter:
        said.append({"name": "filter", "valueString": asked.filter})
    if asked.count is not None:
        said.append({"name": "count", "valueInteger": asked.count})
    if asked.active_only:
        said.append({"name": "activeOnly", "valueBoolean": True})
    if asked.designations:
        said.append({"name": "includeDesignations", "valueBoolean": True})
    if asked.language:
        said.append({"name": "displayLanguage", "valueCode": asked.language})
    versions = dict.fromkeys(f"{one.system}|{one.version}" for one in page if one.version)
    return [*said, *({"name": "version", "valueUri": one} for one in versions)]


def _contained(one: Member, asked: Asked) -> dict[str, Any]:
    concept = one.concept
    row: dict[str, Any] = {"system": one.system} if one.system else {}
    if concept.abstract:
        row["abstract"] = True
    if concept.inactive:
        row["inactive"] = True
    if one.version:
        row["version"] = one.version
    row["code"] = concept.code
    display = display_in(concept, asked.language)
    if display:
        row["display"] = display
    wanted = [dict(said) for said in concept.designations if _wanted(said, asked)]
    if asked.designations and wanted:
        row["designation"] = wanted
    return row


def _wanted(said: Mapping[str, Any], asked: Asked) -> bool:
    """Whether a designation is asked for, by language or by use (`system|code`)."""
    use = said.get("use", {})
    language = said.get("language")
    names = (language, f"urn:ietf:bcp:47|{language}", f"{use.get('system', '')}|{use.get('code', '')}")
    return not asked.designation or any(one in names for one in asked.designation)


def display_in(concept: Concept, language: str) -> str:
    """What it is called in a language (BCP 47), or at all: zh is answered by zh-CN, and zh-CN by zh."""
    for wanted in filter(None, (one.split(";")[0].strip().lower() for one in language.split(","))):
        for said in concept.designations:
            has = str(said.get("language", "")).lower()
            if has and (has == wanted or has.startswith(f"{wanted}-") or wanted.startswith(f"{has}-")):
                return str(said.get("value", ""))
    return concept.display
