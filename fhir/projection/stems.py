"""Resources that only one other resource names or tells of: they go when it does not any more, or is gone itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fhir.projection.document_reference import ENCAPSULATED
from fhir.projection.projected import House, Resource
from fhir.store.stored import Name

_DICOM_OID = "urn:oid:"


def stems(house: House, resource: Resource) -> frozenset[Name]:
    """Those of a resource as it was projected; empty where nothing was."""
    find = _STEMS.get(str(resource.get("resourceType")))
    return frozenset(find(house, resource)) if find is not None else frozenset()


def _of_report(_house: House, resource: Resource) -> Iterator[Name]:
    """Its results; and its documents, each with what is in it under the same id."""
    for one in resource.get("result", ()):
        if found := _named(one.get("reference")):
            yield found
    for one in resource.get("presentedForm", ()):
        found = _named(one.get("url"))
        if found is not None and found.type == "Binary":
            yield from (found, Name("DocumentReference", found.id))


def _of_study(house: House, resource: Resource) -> Iterator[Name]:
    """The documents among the instances that it lists."""
    for series in resource.get("series", ()):
        for one in series.get("instance", ()):
            if _uid(one.get("sopClass", {}).get("code")) in ENCAPSULATED:
                yield Name("DocumentReference", house.id_of("encapsulated", _uid(one["uid"])))


_STEMS: Mapping[str, Callable[[House, Resource], Iterable[Name]]] = {
    "DiagnosticReport": _of_report, "ImagingStudy": _of_study,
}  # fmt: skip
STEMMED = frozenset(_STEMS)


def _named(reference: Any) -> Name | None:
    type_name, _, name = str(reference or "").partition("/")
    return Name(type_name, name) if name else None


def _uid(written: Any) -> str:
    return str(written or "").removeprefix(_DICOM_OID)
