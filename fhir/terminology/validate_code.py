"""$validate-code of value sets and code systems (http://hl7.org/fhir/R4/valueset-operation-validate-code.html)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir.terminology.concepts import CodeSystem, Concept
from fhir.terminology.expand import display_in
from fhir.terminology.library import Library
from fhir.terminology.value_set import Composition, NotTold
from pacsd.codec.text import normalise

Coding = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a code is right, why not, and how it is called."""

    result: bool
    message: str = ""
    display: str = ""

    def parameters(self) -> list[dict[str, Any]]:
        """As the operation answers."""
        rows: list[dict[str, Any]] = [{"name": "result", "valueBoolean": self.result}]
        if self.message:
            rows.append({"name": "message", "valueString": self.message})
        if self.display:
            rows.append({"name": "display", "valueString": self.display})
        return rows


def in_value_set(
    composition: Composition, value_set: Mapping[str, Any], codings: Sequence[Coding], *, abstract: bool = True,
    language: str = "",
) -> Verdict:  # fmt: skip
    """Whether one of some codings is in a value set. A wrong display makes the verdict false, and names the right one.

    Raises NotTold where it depends on a code system that is not known here.
    """
    told: list[str] = []
    for coding in codings:
        code, system = str(coding.get("code", "")), coding.get("system")
        found = composition.holds(value_set, system, code) if code else None
        if found is None:
            told.append(f"{_shown(coding)} is not in the value set {value_set.get('url', '')}".strip())
        elif found.concept.abstract and not abstract:
            told.append(f"{_shown(coding)} is abstract")
        elif coding.get("version") and found.version and coding["version"] != found.version:
            told.append(f"{_shown(coding)} is not of version {found.version}, which the value set draws on")
        else:
            return _displayed(found.concept, coding, language)
    return Verdict(False, "; ".join(told) or "there is no code to look at")


def in_code_system(
    library: Library, system: CodeSystem | None, coding: Coding, *, language: str = ""
) -> Verdict:
    """Whether a code is one of a code system. Raises NotTold where that is not known here."""
    url = str(coding.get("system", ""))
    found = system or library.code_system(url, str(coding.get("version", "")))
    if found is None:
        raise NotTold("code system", url)
    concept = found.get(str(coding.get("code", "")))
    if concept is None:
        if found.header.content == "fragment":
            return Verdict(False, f"{_shown(coding)} is not in the part of {found.header.canonical} that is known here")
        return Verdict(False, f"{_shown(coding)} is no code of {found.header.canonical}")
    return _displayed(concept, coding, language)


def _displayed(concept: Concept, coding: Coding, language: str) -> Verdict:
    display = display_in(concept, language)
    said = coding.get("display")
    if said and concept.display and normalise(said) not in {normalise(one) for one in concept.displays}:
        return Verdict(False, f"the display {str(said)[:100]!r} is not one of {_shown(coding)}", display)
    return Verdict(True, "", display)


def _shown(coding: Coding) -> str:
    return f"{str(coding.get('system', ''))[:200]}#{str(coding.get('code', ''))[:100]}".lstrip("#")
