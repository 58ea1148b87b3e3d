"""Rules of the definitions are kept, each broken by a resource that breaks little else."""

from pathlib import Path
from typing import Any

import pytest

from fhir.definitions.structures import structures
from fhir.format import json, xml
from fhir.path import Node, compile  # noqa: A004
from fhir.validation.check import check
from fhir.validation.invariants import DIRECT, MISTAKEN
from tests.fhir.validation.broken import CASES, Case, named

OF_OURS = ("Patient", "Observation", "ImagingStudy", "DiagnosticReport", "Bundle", "ServiceRequest", "Task",
           "DocumentReference")  # fmt: skip


def keys(case: Case, elements: dict[str, Any]) -> set[str]:
    """Keys of the rules that a resource breaks."""
    told = check({"resourceType": case.type, **elements})
    return {one.diagnostics.partition(":")[0] for one in told if one.code == "invariant"}


TRIED = [*CASES, *(one for one in named() if one.key not in MISTAKEN)]


@pytest.mark.parametrize("case", TRIED, ids=lambda case: f"{case.key}-{case.type}")
def test_a_rule_is_broken_and_kept(case: Case) -> None:
    assert case.key in keys(case, case.broken)
    assert case.key not in keys(case, case.sound)


def test_every_rule_of_what_an_archive_keeps_is_among_them() -> None:
    tried = {case.key for case in CASES}
    told = {one.key for name, structure in structures().items() if name.split(".")[0] in OF_OURS
            for one in (*structure.constraints, *(rule for element in structure.elements.values()
                                                   for rule in element.constraints))}
    assert told - tried == set()


def test_most_rules_are_tried() -> None:
    tried = {case.key for case in (*CASES, *named())}
    told = {one.key for structure in structures().values()
            for one in (*structure.constraints, *(rule for element in structure.elements.values()
                                                   for rule in element.constraints))}
    assert len(told & tried) >= 205, sorted(told - tried)


def test_rules_without_fhirpath_say_what_their_expression_says(data_folder: Path) -> None:
    compared = 0
    for path in sorted((data_folder / "fhir_r4").rglob("*.*")):
        resource = (json if path.suffix == ".json" else xml).read(path.read_bytes())
        waiting = [Node(resource, resource["resourceType"])]
        while waiting:
            node = waiting.pop()
            waiting += node.children()
            for one in structures()[node.type].constraints:
                if one.expression in DIRECT and isinstance(node.value, dict):
                    compared += 1
                    assert DIRECT[one.expression](node.value) == compile(one.expression).holds(node), (path.name, one)
    assert compared > 400


def test_what_fhirpath_cannot_tell_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from fhir.definitions.structures import Constraint
    from fhir.validation.invariants import rule_of
    from fhir.validation.report import Report

    node = Node({"resourceType": "Patient", "name": [{}, {}]}, "Patient")
    report = Report(node)
    rule_of(Constraint("x-1", "error", "one name", "name and true"), "Patient")(node.value, None, report)
    assert [(one[0], one[2].startswith("x-1 cannot be told")) for one in report.found] == [("warning", True)]
