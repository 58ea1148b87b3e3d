"""Text of a resource, for `_text` and `_content` (http://hl7.org/fhir/R4/search.html#text)."""

import html
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from fhir.definitions.structures import structures
from fhir.path.nodes import is_a, resource_type

MAX_TEXT = 1_000_000                     # characters
_TAG = re.compile(r"<[^>]*>")
_OPAQUE = {"base64Binary", "uri", "id"}  # and what descends from them: not for people to read


class _Keys(NamedTuple):
    texts: frozenset[str]                # keys of strings
    elements: Mapping[str, str]          # keys of what has elements, and its type


def narrative_of(resource: Mapping[str, Any]) -> str:
    """The words of its narrative, without markup; empty if it has none."""
    told = resource.get("text")
    div = told.get("div") if type(told) is dict else None
    return _plain(div)[:MAX_TEXT] if type(div) is str else ""


def text_of(resource: Mapping[str, Any]) -> str:
    """Its narrative and all its strings, markdown and codes, contained resources' among them, a line each."""
    lines, length = [], 0
    for line in _lines(resource):
        lines.append(line)
        length += len(line) + 1
        if length > MAX_TEXT:
            break
    return "\n".join(lines)[:MAX_TEXT]


def _plain(div: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", div)).split())


def _lines(resource: Mapping[str, Any]) -> Iterator[str]:
    waiting: list[tuple[Any, str]] = [(resource, resource_type(resource))]
    while waiting:
        value, kind = waiting.pop()
        if type(value) is list:
            waiting += [(one, kind) for one in reversed(value)]
        if type(value) is not dict:
            continue
        keys = _keys(resource_type(value) if kind == "Resource" else kind)
        further = []
        for key, one in value.items():
            if key in keys.texts:
                yield from _strings(one, markup=key == "div")
            elif key in keys.elements:
                further.append((one, keys.elements[key]))
        waiting += reversed(further)


def _strings(value: Any, *, markup: bool) -> Iterator[str]:
    for one in value if type(value) is list else (value,):
        if type(one) is str and one:
            yield _plain(one) if markup else one


@lru_cache(1024)
def _keys(kind: str) -> _Keys:
    keys = structures()[kind].keys if kind in structures() else {}
    texts = {key for key, one in keys.items() if structures()[one.type].primitive
             and (is_a(one.type, "string") or one.type == "xhtml") and not any(is_a(one.type, no) for no in _OPAQUE)}
    return _Keys(frozenset(texts - {"id"}),
                 {key: one.type for key, one in keys.items() if not structures()[one.type].primitive})
