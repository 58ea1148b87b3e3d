"""Search parameters by what a request calls them, and the modifiers each kind takes (search.html#modifiers)."""

from collections.abc import Iterable, Mapping

from fhir.definitions.search_parameters import Parameter, parameters
from fhir.definitions.structures import structures

KINDS: Mapping[str, str] = {             # type of a parameter -> kind of the rows its values stand in
    "token": "token", "string": "text", "uri": "uri", "date": "time", "number": "number", "quantity": "number",
    "reference": "link",
}
MODIFIERS: Mapping[str, frozenset[str]] = {      # beside :missing, which all take, and a reference's :[type]
    "token": frozenset(("", "not", "text", "in", "not-in", "above", "below", "of-type")),
    "string": frozenset(("", "exact", "contains")),
    "uri": frozenset(("", "above", "below")),
    "date": frozenset(("",)),
    "number": frozenset(("",)),
    "quantity": frozenset(("",)),
    "reference": frozenset(("", "identifier", "text")),
    "composite": frozenset(("",)),
}
SORTABLE: Mapping[str, str] = {"string": "text", "date": "time", "number": "number", "quantity": "number", "uri": "uri"}


def is_searched(parameter: Parameter) -> bool:
    """Whether its values are kept: all but those that no expression finds, and positions on the globe (special)."""
    return bool(parameter.expression) and parameter.type != "special"


def of_all(types: Iterable[str], code: str) -> tuple[Parameter, ...]:
    """The parameter of each type; nothing unless all of them have it (search.html#type)."""
    told = parameters()
    found = [told[name].get(code) for name in types]
    return tuple(one for one in found if one and is_searched(one)) if all(one and is_searched(one) for one in found) \
        else ()


def of_any(types: Iterable[str], code: str) -> tuple[Parameter, ...]:
    """The parameter of each type that has it, as far as a chain may lead to any of them (search.html#chaining)."""
    told = parameters()
    found = (told[name].get(code) for name in types if name in told)
    return tuple(one for one in found if one and is_searched(one))


def full_name(parameter: Parameter, suffix: str = "") -> str:
    """The name its values stand under in the rows: `Patient.name`."""
    return f"{parameter.resource}.{parameter.code}{suffix}"


def all_types() -> tuple[str, ...]:
    """Every resource type."""
    return structures().resource_types


def targets(parameter: Parameter) -> tuple[str, ...]:
    """Types that its references may lead to; all, where the definition names none or any."""
    named = tuple(one for one in parameter.targets if one in parameters())
    return named or all_types()
