"""What a check of this suite is, and what the server under test says that it offers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from conformance import judging
from conformance.fhir.server import Model, Server
from conformance.judging import Level, NotSupported, NotTested

Run = Callable[["Site"], None]
Check = judging.Check["Site"]


@dataclass
class Site:
    """The server under test, its CapabilityStatement, and what the suite has stored there."""

    server: Server
    statement: Model
    tag: str                                                    # part of every identifier and name of this run
    stored: dict[str, Model] = field(default_factory=dict)      # by the names of prepared.py
    turn: str = ""                                              # part of what one run of one check stores

    @cached_property
    def rest(self) -> Model:
        """What it says of itself as a server (CapabilityStatement.rest, mode server)."""
        found = [one for one in self.statement.get("rest", []) if one.get("mode") == "server"]
        return found[0] if found else {}

    def of(self, kind: str) -> Model:
        """What it says of a resource type. Raises NotSupported where it names it not."""
        for one in self.rest.get("resource", []):
            if one.get("type") == kind:
                found: Model = one
                return found
        raise NotSupported(f"the CapabilityStatement does not name {kind}")

    def needs(self, kind: str, *interactions: str) -> None:
        """Raise NotSupported unless the interactions are offered for a type."""
        offered = {one.get("code") for one in self.of(kind).get("interaction", [])}
        for one in interactions:
            if one not in offered:
                raise NotSupported(f"the CapabilityStatement does not offer {one} for {kind}")

    def needs_system(self, *interactions: str) -> None:
        """Raise NotSupported unless the interactions are offered for the whole system."""
        offered = {one.get("code") for one in self.rest.get("interaction", [])}
        for one in interactions:
            if one not in offered:
                raise NotSupported(f"the CapabilityStatement does not offer {one} for the system")

    def needs_flag(self, kind: str, name: str, *values: object) -> object:
        """An element of a type such as conditionalCreate. Raises NotSupported unless true, or one of these values."""
        found = self.of(kind).get(name)
        if found not in (values or (True,)):
            raise NotSupported(f"the CapabilityStatement says {name} {found!r} of {kind}")
        return found

    def needs_parameters(self, kind: str, *names: str) -> None:
        """Raise NotSupported unless a type, or all of them, can be searched by these parameters."""
        self.needs(kind, "search-type")
        named = (*self.of(kind).get("searchParam", []), *self.rest.get("searchParam", []))
        offered = {one.get("name") for one in named}
        for one in names:
            if one not in offered:
                raise NotSupported(f"the CapabilityStatement does not offer {one} for {kind}")

    def needs_operation(self, name: str, kind: str = "") -> None:
        """Raise NotSupported unless the operation is offered for a type or for the system."""
        places: list[Mapping[str, Any]] = [self.rest]
        if kind:
            places.append(self.of(kind))
        if not any(str(one.get("name", "")).lstrip("$") == name for it in places for one in it.get("operation", [])):
            raise NotSupported(f"the CapabilityStatement does not offer ${name}{f' for {kind}' if kind else ''}")

    def id(self, key: str) -> str:
        """The logical id of what was prepared under this name."""
        return str(self.resource(key)["id"])

    def resource(self, key: str) -> Model:
        """What was prepared under this name, as the server gave it back. Raises NotTested where it took it not."""
        if key not in self.stored:
            raise NotTested(f"{key} could not be stored")
        return self.stored[key]

    def reference(self, key: str) -> str:
        """Type and id."""
        return f"{self.resource(key)['resourceType']}/{self.id(key)}"

    def ids(self, keys: Iterable[str]) -> set[str]:
        """Logical ids."""
        return {self.id(one) for one in keys}

    def own(self, number: str) -> str:
        """An identifier that only this run of a check uses; what is prepared has it as it is."""
        return f"{number}-{self.turn}" if self.turn else number

    def system(self, name: str = "id") -> str:
        """A URI that only this run uses."""
        return f"http://conformance.example/{self.tag}/{name}"


class Page:
    """The checks of one page of the standard, in the order they are declared."""

    def __init__(self, name: str, title: str, clause: str) -> None:
        self.name = name
        self.title = title
        self.clause = clause
        self.checks = judging.Checks[Site](name)

    def must(self, name: str, clause: str, title: str) -> Callable[[Run], Run]:
        """Declare the decorated function as a check of what every server must do that offers the interaction."""
        return self.checks.add(name, self.title, clause, title, Level.REQUIRED)

    def should(self, name: str, clause: str, title: str) -> Callable[[Run], Run]:
        """Declare the decorated function as a check of what a server should do, or need not offer."""
        return self.checks.add(name, self.title, clause, title, Level.OPTIONAL)
