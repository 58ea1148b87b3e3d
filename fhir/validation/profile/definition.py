"""A profile as a tree of its element definitions (http://hl7.org/fhir/R4/elementdefinition.html#id)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir.definitions.structures import structures
from fhir.path import Expression, compile  # noqa: A004
from pacsd.faults import Fault, PacsdError

MAX_ELEMENTS = 20_000
CORE = "http://hl7.org/fhir/StructureDefinition/"
_DISCRIMINATORS = ("value", "pattern", "exists", "type", "profile")
_NOT_CHECKED = ("minValue", "maxValue")          # of types that have no order here

Find = Callable[[str], Mapping[str, Any] | None]         # a StructureDefinition by its canonical URL


@dataclass(frozen=True, slots=True)
class Rule:
    """What is asked of an element: its ElementDefinition, those of its elements, and of its slices by name."""

    told: Mapping[str, Any]
    children: dict[str, "Rule"] = field(default_factory=dict)
    slices: dict[str, "Rule"] = field(default_factory=dict)
    constraints: list[tuple[Mapping[str, Any], Expression]] = field(default_factory=list)

    def value(self, kind: str) -> Any:
        """Its fixed[x], pattern[x] or the like; None where there is none."""
        return next((value for key, value in self.told.items() if key.startswith(kind) and key != kind), None)

    @property
    def most(self) -> int | None:
        """Its max; None: any number."""
        told = str(self.told.get("max", "*"))
        return int(told) if told.isdecimal() else None

    @property
    def types(self) -> tuple[Mapping[str, Any], ...]:
        """Types a value may have; none: any."""
        return tuple(one for one in self.told.get("type", ()) if not str(one.get("code", "")).startswith("http:"))


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile, ready to check by. `notes`: what it asks that is not checked here."""

    url: str
    type: str
    root: Rule
    notes: tuple[str, ...]


def profile(definition: Mapping[str, Any]) -> Profile:
    """A StructureDefinition, from its snapshot, or else from its differential: the base is checked anyway.

    Raises PacsdError (MALFORMED) for what is no profile of R4.
    """
    kind = definition.get("type")
    if not isinstance(kind, str) or kind not in structures():
        raise PacsdError(Fault.MALFORMED, "a profile names a type of R4 that it is of")
    told = definition.get("snapshot") or definition.get("differential") or {}
    rows = told.get("element") if isinstance(told, dict) else None
    if not isinstance(rows, list) or not rows or len(rows) > MAX_ELEMENTS:
        raise PacsdError(Fault.MALFORMED, f"a profile has 1 to {MAX_ELEMENTS} elements in its snapshot or differential")
    notes: dict[str, None] = {}
    root = Rule({"path": kind, "min": 0, "max": "*"})
    for row in rows:
        if not isinstance(row, dict):
            raise PacsdError(Fault.MALFORMED, "an element of a profile is an object")
        root = _placed(root, row, notes)
    return Profile(str(definition.get("url", "")), kind, root, tuple(notes))


def _placed(root: Rule, row: Mapping[str, Any], notes: dict[str, None]) -> Rule:
    """The tree with one more element, at the place its id names."""
    name, path = row.get("id"), str(row.get("path", ""))
    if not isinstance(name, str):
        if ":" in path or "sliceName" in row:
            notes["slices of elements without ids are not checked"] = None
            return root
        name = path
    steps = name.split(".")
    here = root
    for step in steps[1:-1]:
        here = _stepped(here, step)
    made = Rule(row, constraints=list(_constraints(row, notes)))
    for note in _unchecked(row):
        notes[f"{path}: {note}"] = None
    if len(steps) == 1:
        return Rule(row, root.children, root.slices, made.constraints)
    element, _, piece = steps[-1].partition(":")
    if not piece:
        old = here.children.get(element)
        here.children[element] = made if old is None else Rule(row, old.children, old.slices, made.constraints)
    elif "/" in piece:
        notes[f"{path}: slices of slices are not checked"] = None
    else:
        of = here.children.setdefault(element, Rule({"path": path, "min": 0, "max": "*"}))
        of.slices[piece] = made
    return root


def _stepped(here: Rule, step: str) -> Rule:
    element, _, piece = step.partition(":")
    child = here.children.setdefault(element, Rule({"path": element, "min": 0, "max": "*"}))
    return child if not piece else child.slices.setdefault(piece, Rule({"path": element, "min": 0, "max": "*"}))


def _constraints(row: Mapping[str, Any], notes: dict[str, None]) -> Iterator[tuple[Mapping[str, Any], Expression]]:
    """The rules of an element that the definitions of R4 do not have themselves."""
    for one in row.get("constraint", ()):
        if one.get("source", "").removeprefix(CORE) in structures() or one.get("key") in _of_r4(str(row.get("path"))):
            continue
        try:
            yield one, compile(one["expression"])
        except (KeyError, PacsdError):
            notes[f"the rule {one.get('key')} has no expression that is understood here"] = None


def _of_r4(path: str) -> set[str]:
    """Keys of rules that are checked without a profile."""
    name = path.split(".")[0]
    rules = structures()[name].constraints if name in structures() else ()
    known = {"ele-1", "ext-1", *(one.key for one in rules)}
    structure = structures().get(path)
    return known | ({one.key for one in structure.constraints} if structure is not None else set())


def of_r4(path: str) -> tuple[str, str] | None:
    """The binding that the definitions of R4 give an element: it is checked without a profile."""
    structure = structures().get(path.rpartition(".")[0])
    element = structure.elements.get(path.rpartition(".")[2].removesuffix("[x]")) if structure is not None else None
    return None if element is None or element.binding is None else (element.binding.strength, element.binding.value_set)


def _unchecked(row: Mapping[str, Any]) -> Iterator[str]:
    """What an element asks that is not checked."""
    slicing = row.get("slicing")
    if isinstance(slicing, dict):
        told = slicing.get("discriminator", ())
        if not told and not str(row.get("path", "")).endswith("[x]"):
            yield "slices without discriminator are not checked"
        for one in told:
            if one.get("type") not in _DISCRIMINATORS or not _walkable(str(one.get("path", ""))):
                yield f"slices by {one.get('type')} of {one.get('path')} are not checked"
        if slicing.get("ordered"):
            yield "the order of slices is not checked"
    for key in row:
        if key.startswith(_NOT_CHECKED) and not isinstance(row[key], int | float) and not hasattr(row[key], "quantize"):
            yield f"{key} is checked of numbers alone"
    for one in row.get("type", ()):
        if one.get("aggregation") or one.get("versioning", "either") != "either":
            yield "how references are aggregated or versioned is not checked"


def _walkable(path: str) -> bool:
    """Whether a discriminator's path is of names, extension('url') and ofType(), as $this is."""
    return "resolve()" not in path
