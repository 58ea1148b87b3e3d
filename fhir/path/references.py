"""What the text of a reference tells (http://hl7.org/fhir/R4/references.html#literal)."""

import re
from functools import cache
from typing import NamedTuple

from fhir.definitions.structures import structures

_LITERAL = re.compile(
    r"(?P<base>(?:https?|HTTPS?)://[^\s|?#]+/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.-]{1,64})"
    r"(?:/_history/(?P<version>[A-Za-z0-9.-]{1,64}))?(?:#.*)?")


@cache
def _is_resource_type(name: str) -> bool:
    return name in structures().resource_types


class Target(NamedTuple):
    """Base URL (empty: relative), resource type, id and version; all empty for what is no URL of a resource."""

    base: str
    type: str
    id: str
    version: str


_NONE = Target("", "", "", "")


def target(text: str) -> Target:
    """Where a literal reference leads by its own text, if that is the RESTful URL of a resource."""
    found = _LITERAL.fullmatch(text)
    if found is None or not _is_resource_type(found["type"]):
        return _NONE
    return Target(found["base"] or "", found["type"], found["id"], found["version"] or "")
