"""What is found wrong with a resource while it is looked at, from the inside out."""

from collections.abc import Mapping
from typing import Any

from fhir.outcome import Issue
from fhir.path import Node

MOST = 200                               # errors that one outcome tells, and as many warnings and hints

Problem = tuple[str, str, str]           # severity, code of IssueType, what is wrong


def wrong(code: str, text: str) -> Problem:
    """A problem that makes a resource invalid."""
    return ("error", code, text)


class Report:
    """Problems with the places where they are. A place is told where a check comes back from it, so that what is in
    order costs nothing."""

    __slots__ = ("_left", "contained", "dropped", "found", "resource", "root", "ruled")

    def __init__(self, resource: Node, *, ruled: bool = True) -> None:
        self.found: list[list[str]] = []         # severity, code, text, place
        self.dropped = 0
        self.ruled = ruled                       # invariants are evaluated
        self._left = {"error": MOST, "warning": MOST // 2, "information": MOST // 2}
        self.contained: Mapping[str, str] = {}   # id and type of what the outermost resource contains
        self.resource = resource                 # %resource
        self.root = resource                     # %rootResource

    def add(self, problem: Problem, place: str = "") -> None:
        """A problem of the element that is looked at, or of one under it."""
        if self._left[problem[0]]:
            self._left[problem[0]] -= 1
            self.found.append([*problem, place])
        else:
            self.dropped += 1

    def under(self, first: int, place: str) -> None:
        """All problems from the first of them on are of the element at this place."""
        for one in self.found[first:]:
            one[3] = place + one[3]

    def issues(self, name: str) -> list[Issue]:
        """The problems as issues, places as FHIRPath from the resource's type."""
        told = [Issue(severity, code, text, (name + place,)) for severity, code, text, place in self.found]
        if self.dropped:
            told.append(Issue("information", "informational", f"{self.dropped} more are not listed"))
        return told


def contained_by(resource: Mapping[str, Any]) -> Mapping[str, str]:
    """Ids and types of the resources that a resource contains."""
    told = resource.get("contained")
    if not isinstance(told, list):
        return {}
    return {one["id"]: str(one.get("resourceType")) for one in told
            if isinstance(one, dict) and isinstance(one.get("id"), str)}
