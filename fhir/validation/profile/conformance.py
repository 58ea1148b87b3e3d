"""Whether a resource conforms to a profile (http://hl7.org/fhir/R4/profiling.html)."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from threading import Lock
from typing import Any

from fhir.definitions.structures import structures
from fhir.format import json
from fhir.path import Context, Node
from fhir.validation.codes import codings_of
from fhir.validation.objects import check_resource
from fhir.validation.profile.definition import CORE, Find, Profile, Rule, of_r4, profile
from fhir.validation.profile.walk import extension_url, members, place, ruled, walked
from fhir.validation.references import type_of
from fhir.validation.report import Report, wrong
from pacsd.faults import PacsdError

MAX_NESTED = 16                          # profiles that lead to profiles
MOST_COMPILED = 256                      # that are kept
MOST_BYTES = 16 << 20                    # of their definitions together: clients write them, as large as a body may be

ValidateCode = Callable[[str, str, str], bool | None]    # value set, system, code; None: cannot be told


class Compiled:
    """Profiles by what their definitions say, as long as they are among the last that were asked for."""

    def __init__(self, most: int = MOST_COMPILED, *, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._made: OrderedDict[bytes, tuple[Profile | None, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def profile(self, definition: Mapping[str, Any]) -> Profile | None:
        """The profile that a StructureDefinition is; None for one that has not the form of one."""
        text = json.write(definition)
        key = sha256(text).digest()
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key][0]
        made = _read(definition)
        self._keep(key, made, 0 if made is None else len(text))
        return made

    def _keep(self, key: bytes, made: Profile | None, size: int) -> None:
        with self._lock:
            if key in self._made:            # another thread read it meanwhile
                return
            self._made[key] = made, size
            self._bytes += size
            while len(self._made) > self._most or self._bytes > self._most_bytes:
                self._bytes -= self._made.popitem(last=False)[1][1]


@dataclass(slots=True)
class Conformance:
    """Checks against profiles. `find` and `validate_code` answer None for what they do not know; that is reported."""

    find: Find
    validate_code: ValidateCode
    compiled: Compiled = field(default_factory=Compiled)
    _made: dict[str, Profile | None] = field(default_factory=dict)

    def named(self, url: str) -> Profile | None:
        """A profile by its canonical URL, read once where it is known."""
        if url not in self._made:
            definition = self.find(url)
            if definition is None:       # not kept: clients name whatever they like
                return None
            self._made[url] = self.compiled.profile(definition)
        return self._made[url]

    def check(self, node: Node, asked: Profile, report: Report, depth: int = 0) -> None:
        """An element or resource against a profile."""
        kind = node.type
        if not structures().is_a(kind, asked.type):
            report.add(wrong("structure", f"{asked.url} is a profile of {asked.type}"))
            return
        for note in asked.notes:
            report.add(("warning", "not-supported", f"{asked.url}: {note}"))
        _Check(self, asked.url, report, depth).element(node, asked.root)


@dataclass(slots=True)
class _Check:
    """One check against one profile."""

    by: Conformance
    url: str
    report: Report
    depth: int

    def wrong(self, code: str, text: str, at: str = "") -> None:
        self.report.add(wrong(code, f"{text} ({self.url})"), at)

    def unsure(self, text: str, at: str = "") -> None:
        self.report.add(("warning", "not-supported", f"{text} ({self.url})"), at)

    def element(self, node: Node, rule: Rule) -> None:
        """One value: what is asked of itself, and of its elements."""
        self._value(node, rule)
        self._constraints(node, rule)
        for name, child in rule.children.items():
            found = members(node, name)
            self._number(name, len(found), child)
            for one in found:
                self._at(place(one), one, child)
            if child.slices:
                self._slices(name, found, child)

    def _at(self, at: str, node: Node, rule: Rule) -> None:
        before = len(self.report.found)
        self.element(node, rule)
        self.report.under(before, at)

    def _number(self, name: str, count: int, rule: Rule) -> None:
        least, most = rule.told.get("min", 0), rule.most
        if isinstance(least, int) and count < least:
            self.wrong("required", f"{name} must be there" if least == 1 else f"{name} must be there {least} times")
        if most is not None and count > most:
            self.wrong("structure", f"{name} may be there {most} times")

    def _value(self, node: Node, rule: Rule) -> None:
        fixed, pattern = rule.value("fixed"), rule.value("pattern")
        if fixed is not None and node.value != fixed:
            self.wrong("value", "the profile fixes another value")
        if pattern is not None and not fits(node.value, pattern):
            self.wrong("value", "the profile's pattern does not fit")
        longest = rule.told.get("maxLength")
        if isinstance(longest, int) and isinstance(node.value, str) and len(node.value) > longest:
            self.wrong("too-long", f"there are at most {longest} characters")
        self._bounds(node, rule)
        self._types(node, rule)
        self._binding(node, rule.told.get("binding"), str(rule.told.get("path")))

    def _bounds(self, node: Node, rule: Rule) -> None:
        least, most = rule.value("minValue"), rule.value("maxValue")
        if isinstance(node.value, int | Decimal):
            if isinstance(least, int | Decimal) and node.value < least:
                self.wrong("value", f"the profile allows no less than {least}")
            if isinstance(most, int | Decimal) and node.value > most:
                self.wrong("value", f"the profile allows no more than {most}")

    def _types(self, node: Node, rule: Rule) -> None:
        """The types of a choice, profiles of types, and where references may lead."""
        kinds = [one for one in rule.types if node.type in structures() and _is(node.type, str(one.get("code")))]
        if rule.types and not kinds and node.parent is not None and "." in str(rule.told.get("path")):
            if str(rule.told.get("path", "")).endswith("[x]") or node.type in structures().resource_types:
                self.wrong("structure", f"the profile does not allow {node.type} here")
            return
        profiles = [url for one in kinds for url in one.get("profile", ())]
        if profiles and extension_url(rule) is None:
            self._one_of(node, profiles)
        elif profiles:
            self._one_of(node, profiles, quietly=True)
        targets = [url for one in kinds if one.get("code") == "Reference" for url in one.get("targetProfile", ())]
        if targets and isinstance(node.value, dict):
            self._target(node.value, targets)

    def _target(self, value: dict[str, Any], targets: Sequence[str]) -> None:
        kind = type_of(value, self.report)
        if kind is None:
            return
        for url in targets:
            core = url.partition("|")[0].removeprefix(CORE)
            known = self.by.named(url) if core not in structures() else None
            allowed = core if core in structures() else known.type if known is not None else None
            if allowed is None or _is(kind, allowed):
                return
        self.wrong("invalid", f"a reference to {kind} is not allowed", ".reference")

    def _one_of(self, node: Node, urls: Sequence[str], *, quietly: bool = False) -> None:
        """The profiles of a type: one of them is conformed to. `quietly`: one not known is no news."""
        told = [self.by.named(str(url)) for url in urls if str(url).removeprefix(CORE) not in structures()]
        if len(told) < len(urls):
            return
        if any(one is None for one in told) or self.depth >= MAX_NESTED:
            if not quietly:
                self.unsure(f"no such profile is known here: {', '.join(map(str, urls))}")
            return
        reports = []
        for one in told:
            inner = self._apart()
            if one is not None:
                self.by.check(node, one, inner, self.depth + 1)
            if not _fails(inner):
                return
            reports.append(inner)
        if len(reports) == 1:
            self.report.found += reports[0].found
        else:
            self.wrong("structure", f"none of these profiles is conformed to: {', '.join(map(str, urls))}")

    def _binding(self, node: Node, told: Any, path: str) -> None:
        if not isinstance(told, dict) or told.get("strength") not in ("required", "extensible"):
            return
        value_set = str(told.get("valueSet", ""))
        if (told["strength"], value_set.partition("|")[0]) == of_r4(path):
            return
        codes = [(str(one.get("system", "")), str(one.get("code", ""))) for one in codings_of(node.value)]
        if isinstance(node.value, str):
            codes = [("", node.value)]
        answers = [self.by.validate_code(value_set, *one) for one in codes]
        if not value_set or True in answers:
            return
        if told["strength"] == "required" and (not codes or False in answers):
            self.wrong("code-invalid", f"no code of {value_set}")
        elif False in answers:
            self.report.add(("warning", "code-invalid", f"no code of {value_set} ({self.url})"))
        elif None in answers:
            self.unsure(f"codes of {value_set} cannot be told here")

    def _constraints(self, node: Node, rule: Rule) -> None:
        for told, expression in rule.constraints:
            severity = "warning" if told.get("severity") == "warning" else "error"
            problem = (severity, "invariant", f"{told.get('key')}: {told.get('human', '')}")
            try:
                if not expression.holds(node, Context(self.report.resource, self.report.root)):
                    self.report.add(problem)
            except PacsdError as error:
                self.unsure(f"{told.get('key')} cannot be told: {error.message}")

    def _slices(self, name: str, found: Sequence[Node], rule: Rule) -> None:
        """Each value belongs to the first slice whose discriminators it meets; the slices count theirs."""
        discriminators = _discriminators(name, rule)
        if discriminators is None:
            return
        counts = dict.fromkeys(rule.slices, 0)
        for one in found:
            mine = next((label for label, piece in rule.slices.items()
                         if all(self._meets(one, piece, *by) for by in discriminators)), None)
            if mine is not None:
                counts[mine] += 1
                self._at(place(one), one, rule.slices[mine])
            elif rule.told.get("slicing", {}).get("rules") == "closed":
                self.wrong("structure", "this is of none of the profile's slices", place(one))
        for label, piece in rule.slices.items():
            self._number(f"{name}:{label}", counts[label], piece)

    def _meets(self, node: Node, piece: Rule, kind: str, path: str) -> bool:
        """Whether a value is of a slice, by one discriminator (http://hl7.org/fhir/R4/profiling.html#discriminator)."""
        found = walked([node], path)
        asked = ruled(piece, path)
        if kind == "exists":
            return asked is not None and (not found if asked.most == 0 else bool(found))
        if kind == "type":
            kinds = asked.types if asked is not None else ()
            return any(_is(one.type, str(told.get("code"))) for one in found for told in kinds)
        if kind == "profile":
            return asked is not None and bool(found) and not _fails(self._checked(found, asked))
        if node.type == "Extension" and path == "url":
            return any(one.value == extension_url(piece) for one in found)
        return asked is not None and bool(found) and not _fails(self._checked(found, asked))

    def _checked(self, nodes: Sequence[Node], rule: Rule) -> Report:
        inner = self._apart()
        for one in nodes:
            _Check(self.by, self.url, inner, self.depth + 1).element(one, rule)
        return inner

    def _apart(self) -> Report:
        inner = Report(self.report.resource)
        inner.root, inner.contained = self.report.root, self.report.contained
        return inner


def _read(definition: Mapping[str, Any]) -> Profile | None:
    """The profile that a StructureDefinition is; None for one that has not the form of one."""
    report = Report(Node(definition, "StructureDefinition"))
    check_resource(definition, report)
    if any(one[0] == "error" and one[1] in ("structure", "value", "required") for one in report.found):
        return None
    try:
        return profile(definition)
    except PacsdError:
        return None


def fits(value: Any, pattern: Any) -> bool:
    """Whether a value has at least what a pattern has (http://hl7.org/fhir/R4/elementdefinition.html, pattern[x])."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(key in value and fits(value[key], one) for key, one in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(fits(one, wanted) for one in value) for wanted in pattern)
    return bool(value == pattern)


def _discriminators(name: str, rule: Rule) -> list[tuple[str, str]] | None:
    """How slices are told apart; None where that is not checked (and noted)."""
    told = rule.told.get("slicing", {}).get("discriminator", ())
    if not told:
        by_url = [("value", "url")] if name.endswith("xtension") else None
        return [("type", "$this")] if name.endswith("[x]") else by_url
    found = [(str(one.get("type")), str(one.get("path"))) for one in told]
    known = all(kind in ("value", "pattern", "exists", "type", "profile") and "resolve()" not in path
                for kind, path in found)
    return found if known else None


def _is(kind: str, other: str) -> bool:
    return (other == "Resource" and kind in structures().resource_types) or structures().is_a(kind, other)


def _fails(report: Report) -> bool:
    return any(one[0] in ("error", "fatal") for one in report.found)
