"""Expressions of FHIRPath by the clauses of http://hl7.org/fhirpath/N1, one line a rule."""

from decimal import Decimal
from typing import Any

import pytest

from fhir import path
from fhir.definitions.search_parameters import parameters
from fhir.definitions.structures import structures
from fhir.path import Context, resource
from fhir.path.errata import ERRATA
from fhir.path.evaluation import Items
from pacsd.faults import Fault, PacsdError

PATIENT: dict[str, Any] = {
    "resourceType": "Patient", "id": "p",
    "meta": {"versionId": "1", "profile": ["http://example.org/p"]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Hospital"}],
    "extension": [{"url": "http://example.org/age", "valueAge": {"value": 7, "unit": "a", "code": "a",
                                                                  "system": "http://unitsofmeasure.org"}}],
    "active": True,
    "name": [{"use": "official", "family": "Chalmers", "given": ["Peter", "James"],
              "_given": [None, {"extension": [{"url": "http://example.org/x", "valueString": "y"}]}]},
             {"use": "usual", "given": ["Jim"]}],
    "gender": "male",
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "http://example.org/time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
    "deceasedBoolean": False,
    "managingOrganization": {"reference": "#o"},
    "generalPractitioner": [{"reference": "Practitioner/7"}, {"reference": "http://else.org/fhir/Organization/8"},
                            {"type": "PractitionerRole", "identifier": {"value": "9"}}, {"reference": "urn:oid:1.2"}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "1"}]},
    "effectiveDateTime": "2020-02-29", "issued": "2020-02-29T12:30:00.000+08:00",
    "referenceRange": [{"low": {"value": 7, "comparator": "<", "unit": "lbs"}}],
    "valueQuantity": {
        "value": Decimal("185.0"), "unit": "lbs", "system": "http://unitsofmeasure.org", "code": "[lb_av]"},
}


def found(expression: str, about: dict[str, Any] = PATIENT, context: Context = Context()) -> Items:  # noqa: B008
    return path.compile(expression).evaluate(resource(about), context)


def values(expression: str, about: dict[str, Any] = PATIENT) -> list[Any]:
    told = [node.system for node in found(expression, about)]
    return [value if isinstance(value, bool | int | Decimal | str | dict) else str(value) for value in told]


@pytest.mark.parametrize(("expression", "expected"), [
    # paths
    ("name.given", ["Peter", "James", "Jim"]),
    ("Patient.name.given", ["Peter", "James", "Jim"]),
    ("`Patient`.name.`given`", ["Peter", "James", "Jim"]),
    ("DomainResource.id | Resource.id", ["p"]),
    ("Observation.code", []),
    ("name.nothing", []),
    ("text.div", [PATIENT["text"]["div"]]),
    ("name[1].given", ["Jim"]),
    ("name[7].given", []),
    ("name[-1]", []),
    ("deceased", [False]),
    ("deceasedBoolean", []),
    ("birthDate.extension.value", ["1974-12-25T14:35:45-05:00"]),
    ("name.given.extension.value", ["y"]),
    ("contained.name", ["Hospital"]),
    # literals
    ("{}", []),
    ("'\\u4e2d\\'\\n'", ["中'\n"]),
    ("1.10.toString()", ["1.10"]),
    ("@2015-02-04T14:34:28.123+10:00", ["2015-02-04T14:34:28.123+10:00"]),
    ("@2015T", ["2015"]),
    ("@T14:34", ["14:34"]),
    ("4 days.toString()", ["4 days"]),
    ("4 'mg'.toString()", ["4 'mg'"]),
    ("2 + 2 // a comment", [4]),
    ("2 /* another */ + 2", [4]),
    # precedence
    ("1 + 2 * 3", [7]),
    ("-(1 + 2) * 3", [-9]),
    ("2 - 1 - 1", [0]),
    ("true or true and false", [True]),
    ("false implies false and {}", [True]),
    ("1 | 2 = 1 | 2", [True]),
    ("'a' in ('a' | 'b') and 2 > 1", [True]),
    ("1 is Integer and 1.0 is Decimal", [True]),
    # existence
    ("name.empty()", [False]), ("photo.empty()", [True]), ("name.exists()", [True]),
    ("name.exists(use = 'usual')", [True]), ("name.exists(use = 'old')", [False]),
    ("name.all(given.exists())", [True]), ("photo.all(false)", [True]), ("name.all(family.exists())", [False]),
    ("(true | false).allTrue()", [False]), ("(true | false).anyTrue()", [True]), ("{}.allFalse()", [True]),
    ("(true | false).anyFalse()", [True]), ("name.given.subsetOf('Jim')", [False]),
    ("'Jim'.subsetOf(name.given)", [True]), ("name.given.supersetOf(name.given.first())", [True]),
    ("name.count()", [2]), ("(1 | 1 | 2).count()", [2]), ("1.combine(1).isDistinct()", [False]),
    ("1.combine(1).distinct()", [1]), ("1.combine(1.0).distinct().count()", [1]), ("{}.not()", []),
    ("1.not()", [False]),
    # filtering
    ("name.where(use = 'usual').given", ["Jim"]), ("name.select(given.first())", ["Peter", "Jim"]),
    ("name.given.where($index > 0)", ["James", "Jim"]), ("name.select(given.count() + $index)", [2, 2]),
    ("(1 | 2 | 3).aggregate($this + $total, 0)", [6]),
    ("(1 | 2 | 3).aggregate($total + (10 | 20).select($total).first(), 1)", [8]),
    ("(1 | 2 | 3).select(7.iif(true, $index))", [0, 1, 2]),
    ("(1 | 5 | 3).aggregate(iif($total.empty() or $this > $total, $this, $total))", [5]),
    ("repeat(name | given).count()", [5]), ("extension.value.ofType(Quantity).unit", ["a"]),
    ("extension.value.ofType(Duration)", []), ("gender.ofType(code)", ["male"]),
    # subsetting and combining
    ("name.given.first()", ["Peter"]), ("name.given.last()", ["Jim"]), ("name.given.tail()", ["James", "Jim"]),
    ("name.given.skip(2)", ["Jim"]), ("name.given.take(1)", ["Peter"]), ("name.given.take(-1)", []),
    ("name.first().family.single()", ["Chalmers"]), ("(1 | 2).intersect(2 | 3)", [2]), ("(1 | 2).exclude(2)", [1]),
    ("(1 | 2).union(2 | 3)", [1, 2, 3]), ("(1 | 2).combine(2)", [1, 2, 2]),
    # conversion
    ("iif(true, 1, 1 / 0)", [1]), ("iif({}, 1)", []), ("'1'.toInteger()", [1]), ("'1.5'.toInteger()", []),
    ("true.toInteger()", [1]), ("'yes'.toBoolean()", [True]), ("'maybe'.toBoolean()", []), ("2.toBoolean()", []),
    ("'1.50'.toDecimal().toString()", ["1.50"]), ("'2015-02'.toDate()", ["2015-02"]), ("'2015-13'.toDate()", []),
    ("'2015-02-04T10:00Z'.toDate()", ["2015-02-04"]), ("'2015'.toDateTime() is DateTime", [True]),
    ("'10:30'.toTime()", ["10:30"]), ("'25:30'.toTime()", []), ("'1 day'.toQuantity() = 1 day", [True]),
    ("'5 mg'.convertsToQuantity()", [False]), ("'5 \\'mg\\''.toQuantity('g')", ["0.005 'g'"]),
    ("1.5.convertsToInteger()", [False]), ("name.family.convertsToString()", [True]),
    # strings
    ("'abcd'.indexOf('c')", [2]), ("'abcd'.substring(1, 2)", ["bc"]), ("'abcd'.substring(9)", []),
    ("'abcd'.startsWith('ab')", [True]), ("'abcd'.endsWith('')", [True]), ("'abcd'.contains('x')", [False]),
    ("'aBc'.upper() & 'aBc'.lower()", ["ABCabc"]), ("'abab'.replace('b', 'x')", ["axax"]),
    ("'ab'.replace('', '-')", ["-a-b-"]), ("'abc'.length()", [3]), ("'ab'.toChars()", ["a", "b"]),
    ("'a1b2'.matches('\\\\d')", [True]), ("'a\\nb'.matches('^a.b$')", [True]), ("'abc'.matchesFull('b')", [False]),
    ("'11/30/1972'.replaceMatches('(\\\\d{1,2})/(\\\\d{1,2})', '$2-$1')", ["30-11/1972"]),
    ("'a,b'.split(',').join('-')", ["a-b"]), ("' a '.trim()", ["a"]), ("'中'.encode('hex')", ["e4b8ad"]),
    ("'5Lit'.decode('base64')", ["中"]), ("'%'.decode('base64')", []), ("'<&'.escape('html')", ["&lt;&amp;"]),
    ("'a' & {}", ["a"]), ("'a' + {}", []),
    # mathematics
    ("(-5).abs()", [5]), ("1.1.ceiling()", [2]), ("(-1.1).floor()", [-2]), ("1.9.truncate()", [1]),
    ("1.005.round(2)", [Decimal("1.01")]), ("(-1).sqrt()", []), ("9.sqrt()", [Decimal(3)]), ("0.exp()", [Decimal(1)]),
    ("8.log(2)", [Decimal(3)]), ("0.ln()", []), ("2.power(10)", [1024]), ("(-1).power(0.5)", []),
    ("7 div 2", [3]), ("-7 div 2", [-3]), ("7 mod 2", [1]), ("1 / 0", []), ("1 div 0", []), ("3 / 2", [Decimal("1.5")]),
    # tree
    ("children().count()", [16]), ("name.descendants().where($this is HumanName)", []),
    ("descendants().ofType(Age).value", [Decimal(7)]), ("name.trace('names', given).count()", [2]),
    # equality, order, types
    ("1 = 1.0", [True]), ("'a' = 'A'", [False]), ("'a b' ~ 'A   b'", [True]), ("1.2 ~ 1.24", [True]),
    ("1.2 ~ 1.26", [False]),    ("1 ~ 1.0", [True]), ("{} = 1", []), ("{} ~ {}", [True]),
    ("(1 | 2) = (2 | 1)", [False]),
    ("(1 | 2) ~ (2 | 1)", [True]),    ("1 != 2", [True]), ("1 !~ 2", [True]), ("name[0] = name[0]", [True]),
    ("name[0] = name[1]", [False]),
    ("birthDate = @1974-12-25", [True]), ("birthDate = @1974-12", []), ("birthDate = @1975-12", [False]),
    ("birthDate < today()", [True]), ("now() = now()", [True]),
    ("@2017-11-05T01:30:00-04:00 = @2017-11-05T00:30:00-05:00", [True]),
    ("@2017-11-05T01:30:00-04:00 < @2017-11-05T01:15:00-05:00", [True]),
    ("@2018-03-01T10:30 > @2018-03-01T10:30:00", []), ("@2018-03-01T10 = @2018-03-01T10:00Z", []),
    ("@T10:30 < @T11", [True]), ("birthDate != @T12:00", [True]), ("'a' < 'b'", [True]),
    ("4 'g' = 4000 'mg'", [True]), ("7 days = 1 week", [True]), ("1 'mo' = 1 month", []), ("1 'g' > 1 'm'", []),
    ("1 'kPa' = 1000 'N/m2'", [True]), ("2 'cm' * 2 'm' = 0.04 'm2'", [True]), ("1 'm' + 1 'cm'", ["1.01 'm'"]),
    ("@2020-01-31 + 1 month", ["2020-02-29"]), ("@2020-02-29 - 1 year", ["2019-02-28"]),
    ("@2019 + 24 months", ["2021"]),    ("@2020-02-28T23:00:00Z + 90 minutes", ["2020-02-29T00:30:00Z"]),
    ("@T23:30 + 1 hour", ["00:30"]),
    ("@9999-12-31 + 1 day", []), ("gender is code and gender is string", [True]), ("active is Boolean", [False]),
    ("active is boolean", [True]), ("true is System.Boolean", [True]), ("Patient is DomainResource", [True]),
    ("name.first().type().name", ["HumanName"]), ("contact.first().type().name", []),
    ("1.type().namespace & '.' & 1.type().name", ["System.Integer"]),
    # logic, three values
    ("true and {}", []), ("false and {}", [False]), ("true or {}", [True]), ("{} or false", []), ("true xor {}", []),
    ("{} implies true", [True]), ("false implies {}", [True]), ("true implies {}", []),
    # variables and FHIR's own
    ("%resource.id & %rootResource.id & %context.id", ["ppp"]), ("%ucum", ["http://unitsofmeasure.org"]),
    ("%`vs-administrative-gender`", ["http://hl7.org/fhir/ValueSet/administrative-gender"]),
    ("birthDate.extension('http://example.org/time').exists()", [True]), ("active.hasValue()", [True]),
    ("name.hasValue()", [False]), ("birthDate.getValue() is Date", [True]), ("text.div.htmlChecks()", [True]),
    ("managingOrganization.resolve().name", ["Hospital"]), ("generalPractitioner.resolve().type().name",
     ["Practitioner", "Organization", "PractitionerRole"]),
    ("generalPractitioner.where(resolve() is Practitioner).reference", ["Practitioner/7"]),
    ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", [True]),
    ("conformsTo('http://example.org/unknown')", []), ("gender.memberOf('http://example.org/unknown')", []),
])  # fmt: skip
def test_an_expression_finds_what_the_specification_tells(expression: str, expected: list[Any]) -> None:
    assert values(expression) == expected


@pytest.mark.parametrize(("expression", "expected"), [
    ("Observation.value.unit", ["lbs"]), ("value > 100 '[lb_av]'", [True]), ("value = 83.9145884500 'kg'", [True]),
    ("value.value > 180", [True]), ("value is Quantity", [True]), ("(value as Period).start", []),
    ("value.ofType(Quantity).value.toString()", ["185.0"]), ("effective <= issued", []),
    ("issued < @2020-02-29T05:00:00Z", [True]), ("effective is dateTime", [True]),
    ("referenceRange.low < value", []), ("code.coding.where(system = %loinc).code", ["1"]), ("value.is(Age)", [False]),
])  # fmt: skip
def test_choices_and_quantities(expression: str, expected: list[Any]) -> None:
    assert values(expression, OBSERVATION) == expected


@pytest.mark.parametrize("expression", [
    "", "name.", "name given", "(1", "1 +", "name[", "name[1", "'open", "`open", "/* open", "@2015-02-31", "@2015-13",
    "#", "nosuch()", "name.nosuch()", "%nosuch", "1 is Nosuch", "name.ofType(nosuch)", "name.ofType(1)", "empty(1)",
    "where()", "1.1.1", "@T14:34:28Z", "'\\q'", "name.1", "{ 1 }",
])  # fmt: skip
def test_what_is_no_expression_is_refused_when_compiled(expression: str) -> None:
    with pytest.raises(PacsdError) as refused:
        path.compile(expression)
    assert refused.value.fault is Fault.MALFORMED


@pytest.mark.parametrize("expression", [
    "(1 | 2) + 1", "name.single()", "(1 | 2) and true", "-'a'", "1 + 'a'", "1 < 'a'", "name.startsWith('a')",
    "name['a']",    "(1 | 2).not()", "@2015-02-04 + 1 'cm'", "@2015-02-04 + 1 'a'", "'a'.round()", "'a'.substring('b')",
    "('a' | 1).join()", "(1 | 2).toInteger()", "'a'.allTrue()", "1 & 'a'",
])  # fmt: skip
def test_what_does_not_fit_an_expression_is_refused_when_evaluated(expression: str) -> None:
    with pytest.raises(PacsdError) as refused:
        found(expression)
    assert refused.value.fault is Fault.MISMATCH


@pytest.mark.parametrize("expression", [
    "a" * 10_001, "(" * 100 + "1" + ")" * 100, "1" + "+1" * 4_000, "a" + ".a" * 4_000, "-" * 1_000 + "1",
    "a[" * 500 + "0" + "]" * 500,
])  # fmt: skip
def test_expressions_are_bounded(expression: str) -> None:
    with pytest.raises(PacsdError) as refused:
        path.compile(expression)
    assert refused.value.fault is Fault.TOO_MUCH


@pytest.mark.parametrize("expression", [
    "(1|2|3|4|5|6|7|8|9|10).aggregate(iif($total.empty(), 'aaaaaaaaaa', $total.replace('a', 'aaaaaaaaaa')))",
    "(1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25).aggregate($total.combine($total), 1)",
    "(1|2|3).select(" * 13 + "$this = 1" + ")" * 13,
    f"{'%resource.descendants().select(' * 8}$this{')' * 8}",
])  # fmt: skip
def test_evaluations_are_bounded(expression: str) -> None:
    with pytest.raises(PacsdError) as refused:
        found(expression)
    assert refused.value.fault is Fault.TOO_MUCH


def test_numbers_do_not_grow_without_bound() -> None:
    assert values("(1|2|3|4|5|6|7|8|9|10|11|12|13|14).aggregate($total * $total, 10)")[0] == Decimal(10) ** (2**14)
    assert values("1000000.power(1000000)") == [] or values("1000000.power(1000000).truncate()") == []


def test_what_is_broken_in_a_resource_is_empty() -> None:
    broken = {"resourceType": "Patient", "name": "text", "birthDate": "sometime", "active": "yes",
              "contact": [None, 7, {"name": []}], "_gender": 5, "telecom": {"value": [1]}, "link": [[{}]]}
    assert values("birthDate < today()", broken) == [] and values("name.given", broken) == []
    assert values("descendants().descendants().exists()", broken) in ([True], [False])
    assert [expression for codes in parameters()["Patient"].values() if (expression := codes.expression)
            and path.compile(expression).evaluate(resource(broken)) is None] == []


def test_ports_answer_what_the_context_knows() -> None:
    context = Context(resolve=lambda text: {"resourceType": "Practitioner", "id": "7", "active": True},
                      member_of=lambda value_set, system, code: code == "male",
                      conforms=lambda element, profile: profile.endswith("good"))
    assert [node.value for node in found("generalPractitioner[0].resolve().active", PATIENT, context)] == [True]
    assert found("gender.memberOf('v')", PATIENT, context)[0].value is True
    assert found("conformsTo('http://example.org/good')", PATIENT, context)[0].value is True
    assert found("conformsTo('http://example.org/bad')", PATIENT, context)[0].value is False


def test_an_entry_of_a_bundle_resolves_from_another() -> None:
    bundle = {"resourceType": "Bundle", "entry": [
        {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "active": True}},
        {"fullUrl": "http://a.org/Observation/2", "resource": {
            "resourceType": "Observation", "subject": {"reference": "urn:uuid:1"}}}]}
    assert values("entry.resource.subject.resolve().active", bundle) == [True]


def test_nodes_tell_where_they_stand() -> None:
    node = found("Patient.name[0].given.last()")[0]
    assert (node.key, node.index) == ("given", 1)
    assert node.parent is not None and (node.parent.key, node.parent.index) == ("name", 0)


def test_all_definitions_compile() -> None:
    expressions = {one.expression for codes in parameters().values() for one in codes.values() if one.expression}
    for structure in structures().values():
        expressions |= {one.expression for one in structure.constraints}
        expressions |= {one.expression for element in structure.elements.values() for one in element.constraints}
    assert len(expressions) > 1_800
    for expression in expressions:
        path.compile(expression)
    components = {part.expression for codes in parameters().values() for one in codes.values()
                  for part in one.components}
    assert set(ERRATA) <= expressions | components
