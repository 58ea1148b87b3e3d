"""Patches as they come (http://hl7.org/fhir/R4/http.html#patch): one table of what can be read."""

import base64
import binascii
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fhir.format import json, xml
from fhir.interaction.request import Request
from fhir.outcome import FhirError
from fhir.patch import fhirpath_patch, json_patch, xml_patch
from pacsd.faults import Fault

Patched = Callable[[Mapping[str, Any]], dict[str, Any]]
"""From the newest version to what is made of it; the given one stays as it is."""


def _json_patch(content: bytes) -> Patched:
    operations = json_patch.read(content)
    return lambda resource: json_patch.apply(resource, operations)


def _xml_patch(content: bytes) -> Patched:
    patch = xml_patch.read(content)
    return lambda resource: xml_patch.apply(resource, patch)


def _fhirpath_patch(read: Callable[[bytes], dict[str, Any]], content: bytes) -> Patched:
    return _of_parameters(read(content))


def _of_parameters(parameters: Mapping[str, Any]) -> Patched:
    return lambda resource: fhirpath_patch.apply(resource, parameters)


PATCHES: Mapping[str, Callable[[bytes], Patched]] = {
    "application/json-patch+json": _json_patch,
    "application/xml-patch+xml": _xml_patch,
    "application/fhir+json": partial(_fhirpath_patch, json.read),
    "application/fhir+xml": partial(_fhirpath_patch, xml.read),
}


def patch_of(request: Request) -> Patched:
    """What a request changes: its body's, or of an entry the resource's, Parameters or a Binary that has the patch.

    Raises FhirError with status 415 for a kind that is not read, MALFORMED for what is no patch.
    """
    resource = request.resource
    if resource is None:
        return _read(request.content_type, request.content)
    if resource.get("resourceType") != "Binary":
        return _of_parameters(resource)
    try:
        content = base64.b64decode(resource.get("data", ""), validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise FhirError(Fault.MALFORMED, "the Binary's data is no base64") from error
    return _read(str(resource.get("contentType", "")), content)


def _read(content_type: str, content: bytes) -> Patched:
    read = PATCHES.get(content_type.partition(";")[0].strip().lower())
    if read is None:
        kinds = ", ".join(PATCHES)
        raise FhirError(Fault.UNSUPPORTED, f"patches are read as {kinds}", status=415, headers={"Accept-Patch": kinds})
    return read(content)
