"""All rules of the definitions, and of the profiles a resource names (http://hl7.org/fhir/R4/validation.html)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir.definitions.structures import structures
from fhir.definitions.value_sets import required_codes
from fhir.outcome import Issue
from fhir.path import Node
from fhir.validation.objects import check_resource
from fhir.validation.profile.conformance import Compiled, Conformance, ValidateCode
from fhir.validation.profile.definition import CORE, Find
from fhir.validation.report import Report, contained_by


def of_definitions(value_set: str, system: str, code: str) -> bool | None:
    """Whether a code is of a value set that required bindings of R4 name; None for others."""
    systems = required_codes().get(value_set.partition("|")[0])
    if systems is None:
        return None
    return code in systems.get(system, ()) if system else any(code in codes for codes in systems.values())


def no_profile(url: str) -> Mapping[str, Any] | None:
    """Where no profiles are kept."""
    return None


@dataclass(frozen=True, slots=True)
class Validator:
    """Checks resources by the definitions, and by the profiles that `find` knows."""

    find: Find = no_profile
    validate_code: ValidateCode = of_definitions
    compiled: Compiled = field(default_factory=Compiled)     # kept by those that are made of it (dataclasses.replace)
    _conformance: Conformance = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_conformance", Conformance(self.find, self.validate_code, self.compiled))

    def check(
        self, resource: Any, *, profiles: Sequence[str] = (), named: bool = True, ruled: bool = True
    ) -> list[Issue]:
        """What is wrong with a resource; nothing, where all is well. Unless `ruled` its invariants do not count.

        It must conform to `profiles`, and, where `named`, to those of its meta.profile that are known. What of a
        profile cannot be checked is told as a warning, and so is that one is not known.
        """
        name = resource.get("resourceType") if isinstance(resource, dict) else None
        report = Report(Node(resource, name if isinstance(name, str) else "Resource"), ruled=ruled)
        check_resource(resource, report)
        urls = [*dict.fromkeys((*profiles, *(_named(resource) if named else ())))]
        if urls and not any(one[1] == "structure" for one in report.found):
            report.contained = contained_by(resource)
            for url in urls:
                self._profile(url, report, asked=url in profiles)
        return report.issues(str(name or "Resource"))

    def _profile(self, url: str, report: Report, *, asked: bool) -> None:
        node = report.root
        core = url.partition("|")[0].removeprefix(CORE)
        if core in structures():
            if not structures().is_a(node.type, core):
                report.add(("error", "structure", f"a {core} is asked for"))
            return
        found = self._conformance.named(url)
        if found is not None:
            self._conformance.check(node, found, report)
        else:
            severity = "error" if asked else "warning"
            report.add((severity, "not-found", f"the profile {url} is not known here, or cannot be read"))


def _named(resource: Any) -> Sequence[str]:
    meta = resource.get("meta") if isinstance(resource, dict) else None
    told = meta.get("profile") if isinstance(meta, dict) else None
    return [one for one in told if isinstance(one, str)] if isinstance(told, list) else ()


def check(resource: Any) -> list[Issue]:
    """What is wrong with a resource by the definitions of R4 alone."""
    return Validator().check(resource, named=False)
