"""Bundles that are given out (http://hl7.org/fhir/R4/bundle.html): pages of history and search, answers to batches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from fhir.format.instants import instant
from fhir.interaction.request import etag
from fhir.store.search import Hit
from fhir.store.stored import Stored


def raw(stored: Stored) -> orjson.Fragment:
    """A version in a larger resource, its text as it is kept; fhir.http reads it where it must write it otherwise."""
    return orjson.Fragment(stored.body)


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a bundle: self, next, previous, first, last."""

    relation: str
    url: str


def bundle(
    kind: str, entries: Iterable[Mapping[str, Any] | orjson.Fragment], *, total: int | None = None,
    links: Iterable[Link] = (),
) -> dict[str, Any]:  # fmt: skip
    """A Bundle of a type; elements in their order."""
    told: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
    if total is not None:
        told["total"] = total
    if linked := [{"relation": one.relation, "url": one.url} for one in links]:
        told["link"] = linked
    if given := list(entries):
        told["entry"] = given
    return told


_MODES = {mode: {"mode": mode} for mode in ("match", "include")}


def found(base: str, hit: Hit, mode: str, **more: Any) -> dict[str, Any]:
    """A resource that was found or included as an entry of a search (bundle.html#Bundle.entry.search)."""
    return {"fullUrl": f"{base}/{hit.type}/{hit.id}", "resource": orjson.Fragment(hit.body),
            "search": {"mode": mode, **more} if more else _MODES[mode]}  # fmt: skip


_STATUS = {"POST": "201", "DELETE": "204"}


def past(base: str, stored: Stored) -> dict[str, Any]:
    """A version as an entry of a history (http.html#history)."""
    told: dict[str, Any] = {"fullUrl": f"{base}/{stored.type}/{stored.id}"}
    if not stored.deleted:
        told["resource"] = raw(stored)
    url = stored.type if stored.method == "POST" else f"{stored.type}/{stored.id}"
    status = "201" if stored.version == 1 else _STATUS.get(stored.method, "200")
    told["request"] = {"method": stored.method, "url": url}
    told["response"] = {"status": status, "etag": etag(stored), "lastModified": instant(stored.updated)}
    return told
