"""How bodies are written and read, and which way a client wants them (http://hl7.org/fhir/R4/http.html#mime-type)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir.format import json, xml
from fhir.outcome import FhirError
from pacsd.faults import Fault

FHIR_JSON, FHIR_XML = "application/fhir+json", "application/fhir+xml"


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write resources. `names`: media types and words of `_format` that mean it."""

    media_type: str
    names: tuple[str, ...]
    read: Callable[[bytes], dict[str, Any]]
    write: Callable[..., bytes]          # a resource, and `pretty`


FORMATS: tuple[Format, ...] = (
    Format(
        FHIR_JSON, (FHIR_JSON, "application/json", "text/json", "json", "application/json+fhir"), json.read, json.write
    ),
    Format(
        FHIR_XML, (FHIR_XML, "application/xml", "text/xml", "xml", "application/xml+fhir"), xml.read, xml.write
    ),
)
_BY_NAME: Mapping[str, Format] = {name: one for one in FORMATS for name in one.names}
_WILD = ("*/*", "application/*", "text/*")


def wanted(accept: str, parameter: str) -> Format:
    """What an answer is written in: `_format` wins over Accept. Raises FhirError with status 406."""
    if parameter:
        found = _BY_NAME.get(parameter.replace(" ", "+").partition(";")[0].strip().lower())
        if found is None:
            raise _none_of_ours("_format")
        return found
    if not accept:
        return FORMATS[0]
    for name in ranked(accept):
        if name in _BY_NAME:
            return _BY_NAME[name]
        if name in _WILD:
            return FORMATS[0]
    raise _none_of_ours("Accept")


def ranked(accept: str) -> list[str]:
    """Media ranges of an Accept header, the best first; those of quality 0 are left out (RFC 9110 12.5.1)."""
    weighed = []
    for number, one in enumerate(accept.split(",")[:64]):
        name, *parameters = (part.strip().lower() for part in one.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 0.0
        if name and weight > 0.0:
            weighed.append((-weight, number, name))
    return [name for _, _, name in sorted(weighed)]


def of_body(content_type: str) -> Format:
    """What a body is written in. Raises FhirError with status 415."""
    found = _BY_NAME.get(content_type.partition(";")[0].strip().lower())
    if found is None:
        raise FhirError(Fault.UNSUPPORTED, f"bodies are read as {_listed()}", status=415)
    return found


def of_binary(content_type: str) -> Format | None:
    """What a Binary is written in that comes as a resource; None for one that comes as it is (binary.html#rest)."""
    name = content_type.partition(";")[0].strip().lower()
    return _BY_NAME[name] if name in (FHIR_JSON, FHIR_XML) else None


def wants_binary(accept: str, parameter: str) -> bool:
    """Whether a Binary is asked for as it is: the client names none of FHIR's types (binary.html#rest)."""
    return not parameter and not any(name in _BY_NAME for name in ranked(accept))


def _none_of_ours(where: str) -> FhirError:
    return FhirError(Fault.UNSUPPORTED, f"{where} names nothing that is written here: {_listed()}", status=406)


def _listed() -> str:
    return ", ".join(one.media_type for one in FORMATS)
