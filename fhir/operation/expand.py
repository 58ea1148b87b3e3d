"""ValueSet/$expand (http://hl7.org/fhir/R4/valueset-operation-expand.html)."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.parameters import Given, In, given
from fhir.operation.stated import resource, sound
from fhir.terminology.context import bound
from fhir.terminology.expand import Asked, expand
from fhir.terminology.value_set import Composition

PARAMETERS = (
    In("url", "uri"), In("valueSet", "Resource"), In("valueSetVersion", "string"), In("filter", "string"),
    In("offset", "integer"), In("count", "integer"), In("includeDesignations", "boolean"),
    In("designation", "string", None), In("includeDefinition", "boolean"), In("activeOnly", "boolean"),
    In("excludeNested", "boolean"), In("excludeNotForUI", "boolean"), In("displayLanguage", "code"),
    In("system-version", "canonical", None), In("context", "uri"), In("contextDirection", "code"),
)  # fmt: skip


def expand_value_set(server: Server, request: Request) -> Answer:
    """200 with the ValueSet and its expansion: flat, each code once, in the order of code system or value set.

    Raises PacsdError TOO_MUCH for more codes than go into one answer where none are counted.
    """
    told = given(request, PARAMETERS, alone="valueSet")
    library = server.vocabulary.library(server.pool, request.asker.scope)
    composition = Composition(library, versions(told))
    asked = Asked(
        filter=told.text("filter"), offset=told.number("offset") or 0, count=told.number("count"),
        active_only=told.flag("activeOnly"), designations=told.flag("includeDesignations"),
        designation=told.all("designation"), language=told.text("displayLanguage"),
        exclude_not_for_ui=told.flag("excludeNotForUI"), definition=told.flag("includeDefinition"),
    )  # fmt: skip
    value_set = meant(server, request, told, composition)
    return Answer(200, resource=expand(composition, value_set, asked, at=datetime.now(UTC), identifier=uuid.uuid4()))


def meant(server: Server, request: Request, told: Given, composition: Composition) -> Mapping[str, Any]:
    """The value set that an operation is about: that of the path, of the body, of an element, or of a canonical URL."""
    if request.id:
        return resource(server, request)
    given_one = told.object("valueSet")
    if given_one is not None:
        return sound(server, given_one, "ValueSet")
    if told.text("context"):
        return composition.value_set(bound(told.text("context")))
    url = str(told.required("url"))
    version = told.text("valueSetVersion")
    return composition.value_set(f"{url}|{version}" if version and "|" not in url else url)


def versions(told: Given) -> dict[str, str]:
    """Which version of a code system counts (`system|version`), where the value set names none."""
    return {system: version for system, _, version in (one.partition("|") for one in told.all("system-version"))}
