"""What elements of each data type are searched by (http://hl7.org/fhir/R4/search.html#ptypes, one table a kind)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

from fhir.definitions.structures import structures
from fhir.path.references import target
from fhir.search import dates, ranges
from fhir.search.values import Instants, Number, Quantity, Reference, Text, Token, Uri, Value

BOOLEANS = "http://terminology.hl7.org/CodeSystem/special-values"

Systems = Mapping[str, str]              # code to system, of a required binding


@dataclass(frozen=True, slots=True)
class Settings:
    """How elements are understood: dates without zone are in `zone`."""

    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Place:
    """What a conversion needs to know of where an element stands: the systems that its binding gives to codes."""

    systems: Systems
    settings: Settings


# For each value what follows the parameter's name in `Found`: nothing, or :text, :of-type, :identifier
Convert = Callable[[Place, Any], Iterator[tuple[str, Value]]]


def text(value: Any) -> str:
    """A string that can be stored and compared; empty if it is none."""
    if type(value) is not str:
        return ""
    if value.isascii():
        return "" if "\0" in value else value
    try:
        value.encode()
    except UnicodeEncodeError:           # half of a surrogate pair
        return ""
    return "" if "\0" in value else value


# -- token

def _code(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    code = text(value)
    if code:
        yield "", Token(place.systems.get(code, ""), code)


def _boolean(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if type(value) is bool:
        yield "", Token(BOOLEANS, "true" if value else "false")


def _number_token(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if type(value) is int:
        yield "", Token("", str(value))


def _coding(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if type(value) is dict:
        system, code, display = text(value.get("system")), text(value.get("code")), text(value.get("display"))
        if code or system:
            yield "", Token(system, code)
        if display:
            yield ":text", Text(display)


def _concept(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if type(value) is dict:
        codings, told = value.get("coding"), text(value.get("text"))
        for coding in codings if type(codings) is list else ():
            yield from _coding(place, coding)
        if told:
            yield ":text", Text(told)


def _identifier(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if type(value) is not dict:
        return
    system, number, kind = text(value.get("system")), text(value.get("value")), value.get("type")
    if system or number:
        yield "", Token(system, number)
    if type(kind) is not dict:
        return
    if told := text(kind.get("text")):
        yield ":text", Text(told)
    codings = kind.get("coding")
    for coding in codings if type(codings) is list and number else ():
        if type(coding) is dict and (code := text(coding.get("code"))):
            yield ":of-type", Token(text(coding.get("system")), f"{code}|{number}")


def _contact(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if type(value) is dict and (told := text(value.get("value"))):
        yield "", Token("", told)


# -- string

def _string(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if told := text(value):
        yield "", Text(told)


def _parts(*names: str) -> Convert:
    """The strings of an element, each by itself."""
    def convert(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
        if type(value) is not dict:
            return
        for name in names:
            part = value.get(name)
            for one in part if type(part) is list else (part,):
                if told := text(one):
                    yield "", Text(told)
    return convert


def _words_of_concept(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    for _, found in _concept(place, value):
        if isinstance(found, Text):
            yield "", found


# -- uri

def _uri(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if told := text(value):
        yield "", Uri(told)


# -- date

def _date(read: Callable[[Any, tzinfo], Instants | None]) -> Convert:
    def convert(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
        if (found := read(value, place.settings.zone)) is not None:
            yield "", found
    return convert


# -- number and quantity

def _number(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if (found := ranges.precise(value)) is not None:
        yield "", Number(*found)


def _number_range(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if type(value) is dict and (found := ranges.of_range(value)) is not None:
        yield "", Number(*found)


def _quantity(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if type(value) is dict and (found := ranges.of_quantity(value)) is not None:
        yield "", Quantity(*found, *_unit(value))


def _unit(value: Mapping[str, Any]) -> tuple[str, str, str]:
    return text(value.get("system")), text(value.get("code")), text(value.get("unit"))


def _money(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if type(value) is dict and (found := ranges.precise(value.get("value"))) is not None:
        currency = text(value.get("currency"))
        yield "", Quantity(*found, ranges.CURRENCY if currency else "", currency, currency)


def _quantity_range(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if type(value) is dict and (found := ranges.of_range(value)) is not None:
        end = value.get("low") if type(value.get("low")) is dict else value.get("high")
        yield "", Quantity(*found, *_unit(end if type(end) is dict else {}))


def _samples(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if type(value) is dict and (found := ranges.of_samples(value)) is not None:
        yield "", Quantity(*found, *_unit(value["origin"]))


# -- reference

def _reference(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if type(value) is not dict:
        return
    if (told := text(value.get("reference"))) and (found := reference(told)) is not None:
        yield "", found
    if display := text(value.get("display")):
        yield ":text", Text(display)
    identifier = value.get("identifier")
    if type(identifier) is dict:
        system, number = text(identifier.get("system")), text(identifier.get("value"))
        if system or number:
            yield ":identifier", Token(system, number)


def _canonical(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    if (told := text(value)) and (found := reference(told, canonical=True)) is not None:
        yield "", found


def reference(told: str, *, canonical: bool = False) -> Reference | None:
    """Where a literal reference or canonical leads; None for one within the resource itself (#…)."""
    if told.startswith("#"):
        return None
    if canonical:
        told, _, version = told.partition("|")
        known = target(told) if "://" not in told else None
        return Reference(known.type, known.id, "", version) if known and known.id else Reference("", "", told, version)
    found = target(told)
    if found.id and not found.base:
        return Reference(found.type, found.id, "", found.version)
    return Reference("", "", told)


def _resource(place: Place, value: Any) -> Iterator[tuple[str, Value]]:
    """A resource within the resource: a bundle's first (search.html#reference: Bundle.composition, .message)."""
    if type(value) is dict:
        kind, identifier = text(value.get("resourceType")), text(value.get("id"))
        if kind in structures() and identifier:
            yield "", Reference(kind, identifier, "")


_PARTS_OF_NAME = _parts("text", "family", "given", "prefix", "suffix")
_PARTS_OF_ADDRESS = _parts("text", "line", "city", "district", "state", "postalCode", "country")

CONVERSIONS: Mapping[str, Mapping[str, Convert]] = {
    "token": {
        "string": _code, "uri": _code, "boolean": _boolean, "Coding": _coding, "CodeableConcept": _concept,
        "Identifier": _identifier, "ContactPoint": _contact, "integer": _number_token,
        "System.Boolean": _boolean, "System.String": _code},
    "string": {
        "string": _string, "uri": _string, "HumanName": _PARTS_OF_NAME, "Address": _PARTS_OF_ADDRESS,
        "CodeableConcept": _words_of_concept, "ContactPoint": _parts("value"), "Annotation": _parts("text"),
        "System.String": _string},
    "uri": {"uri": _uri, "string": _uri},
    "date": {
        "date": _date(dates.instants), "dateTime": _date(dates.instants), "instant": _date(dates.instants),
        "Period": _date(dates.period), "Timing": _date(dates.timing)},
    "number": {"decimal": _number, "integer": _number, "Range": _number_range},
    "quantity": {
        "Quantity": _quantity, "Money": _money, "Range": _quantity_range, "SampledData": _samples},
    "reference": {"Reference": _reference, "uri": _canonical, "Resource": _resource},
}


def conversion(kind: str, element: str) -> Convert | None:
    """How an element of a type is searched by a parameter of a kind; None: not at all."""
    table = CONVERSIONS.get(kind, {})
    while element not in table:
        if element not in structures() or not structures()[element].base:
            return None
        element = structures()[element].base
    return table[element]
