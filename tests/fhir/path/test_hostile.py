"""Whatever an expression or a resource is, evaluation ends in a result or a domain error."""

from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir import path
from fhir.definitions.search_parameters import parameters
from fhir.definitions.structures import structures
from fhir.path.functions.library import ITERATING, PLAIN
from pacsd.faults import PacsdError

WORDS = [*PLAIN, *ITERATING, "is", "as", "ofType", "in", "contains", "and", "or", "implies", "div", "mod", "Patient",
         "name",
         "given", "birthDate", "extension", "value", "code", "Quantity", "System", "boolean", "days", "true"]
MARKS = [".", ",", "(", ")", "()", "[", "]", "[0]", "{}", "+", "-", "*", "/", "|", "&", "=", "!=", "~", "<", ">=",
         "$this",
         "$index", "$total", "%resource", "%context", "1", "1.50", "0", "'a'", "''", "'[a-z]+'", "1 'mg'", "@2020-02",
         "@T10",
         "@2020-02-29T10:00:00Z", "`name`", " ", "1000000000000000000000", "'\\u0041'"]
RESOURCE: dict[str, Any] = {
    "resourceType": "Patient", "name": [{"given": ["a", "b"], "family": "c"}], "birthDate": "2020", "active": True,
    "extension": [{"url": "u", "valueQuantity": {"value": Decimal("1.5"), "code": "mg"}}, {"url": "v",
    "valueString": "9"}],
    "multipleBirthInteger": 2}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(WORDS + MARKS), max_size=14).map("".join))
def test_no_text_is_an_expression_that_breaks(text: str) -> None:
    try:
        path.compile(text).evaluate(path.resource(RESOURCE))
    except PacsdError:
        return


FOCI = ["name", "name.given", "birthDate", "active", "extension.value", "multipleBirth", "{}", "1.5", "'a1'", "1 'mg'",
        "@2020-02-29", "@T10:30", "@2020-01-01T10:00:00.000+08:00", "(1 | 'a' | @2020)", "nothing", "%resource"]


@pytest.mark.parametrize("focus", FOCI)
def test_every_function_takes_every_focus_and_argument(focus: str) -> None:
    answered = 0
    for name, function in [*PLAIN.items(), *ITERATING.items()]:
        for count in range(function.least, function.most + 1):
            for argument in FOCI:
                try:
                    path.compile(f"{focus}.{name}({', '.join([argument] * count)})").evaluate(path.resource(RESOURCE))
                except PacsdError:
                    continue
                answered += 1
    assert answered > 300


@pytest.mark.parametrize("left", FOCI)
def test_every_operator_takes_every_pair(left: str) -> None:
    for operator in ("=", "!=", "~", "!~", "<", "<=", ">", ">=", "|", "in", "contains", "and", "or", "xor", "implies",
                     "+", "-", "*", "/", "div", "mod", "&"):
        for right in FOCI:
            try:
                path.compile(f"({left}) {operator} ({right})").evaluate(path.resource(RESOURCE))
            except PacsdError:
                continue


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.floats() | st.text(max_size=4)
    | st.sampled_from(["2020-01-01", "#x", "Patient/1", "male", "\ud800"]),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(
        ["extension", "url", "valueQuantity", "valueString", "value", "code", "system", "coding", "reference", "start",
         "end", "given", "_given", "low", "high", "id", "resourceType", "contained", "item", "concept", "div",
         "period"]),
        one, max_size=4), max_leaves=10)


@cache
def expressions(kind: str) -> list[path.Expression]:
    told = {one.expression for one in parameters()[kind].values() if one.expression}
    for name in structures():
        if name == kind or name.startswith(f"{kind}.") or structures()[name].kind == "complex-type":
            told |= {one.expression for one in structures()[name].constraints}
    return [path.compile(one) for one in sorted(told)]


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(["Patient", "Observation", "Bundle", "Questionnaire", "CodeSystem"]),
       keys=st.lists(st.sampled_from(["id", "name", "meta", "text", "contained", "extension", "valueQuantity",
       "component",
                                      "entry", "item", "concept", "type", "subject", "birthDate", "url", "code"]),
                     min_size=1, max_size=8, unique=True), data=st.data())
def test_no_resource_breaks_the_official_expressions(kind: str, keys: list[str], data: st.DataObject) -> None:
    node = path.resource({"resourceType": kind} | {key: data.draw(VALUES) for key in keys})
    for expression in expressions(kind):
        try:
            expression.evaluate(node)
            expression.holds(node)
        except PacsdError:
            continue
