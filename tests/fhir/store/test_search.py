"""Searches find what search.html says, compared with a search that looks at one resource after the other."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from fhir.search.conditions import Reader
from fhir.search.request import read
from fhir.search.values import Found, Instants, Quantity, Reference, Text, Token, Uri
from fhir.store.search import After, Searches
from pacsd.access.scope import Scope
from pacsd.index.connect import Pool, pool
from tests.conftest import Postgres
from tests.fhir.search.naive import Resource, World
from tests.fhir.store.kept import organisations, put

NOW = datetime(2026, 6, 1, tzinfo=UTC)
READER = Reader("http://here/fhir", UTC, NOW)
SCOPES = (Scope((1,), 1), Scope((1, 2), 1), Scope((3,), 3))
SYSTEMS = ("", "http://a", "http://b")
CODES = ("x", "X", "y", "z", "00123", "00Ab")
WORDS = ("Müller", "muller", "Meier", "张三", "张 三丰", "O'Brien", "100%", "a_b", "back\\slash", "an' or 1=1 --")
URIS = ("http://v/a", "http://v/a/b", "http://v/a/b/c", "http://v/ab", "urn:oid:1.2")
UNITS = (("http://unitsofmeasure.org", "mg", "mg"), ("", "", "mg"), ("http://unitsofmeasure.org", "g", "gram"))
DAY = 86_400_000_000


class Maker:
    """Random resources that refer to each other."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)

    def resources(self, count: int) -> list[Resource]:
        kinds = (("Patient", self.patient), ("Observation", self.observation), ("Organization", self.organization))
        made = []
        for pk in range(1, count + 1):
            kind, found = kinds[self.draw.choice((0, 1, 1, 1, 2))]
            made.append(Resource(pk, kind, str(self.draw.randrange(1000)) + f"-{pk}", self.draw.choice((1, 1, 2)),
                                 updated=NOW + timedelta(days=pk)))  # fmt: skip
        self.made = made
        return [self.filled(one) for one in made]

    def filled(self, one: Resource, version: int = 1) -> Resource:
        """The resource with other values."""
        found = {"Patient": self.patient, "Observation": self.observation, "Organization": self.organization}[one.type]
        return Resource(one.pk, one.type, one.id, one.organisation, tuple(found()), version, one.updated)

    def some(self, most: int = 2) -> range:
        return range(self.draw.randint(0, most))

    def token(self) -> Token:
        return Token(self.draw.choice(SYSTEMS), self.draw.choice(CODES))

    def text(self) -> Text:
        return Text(self.draw.choice(WORDS))

    def date(self) -> Instants:
        low = (20_000 + self.draw.randrange(10)) * DAY
        return Instants(low, low + self.draw.choice((1, 1_000, DAY, 3 * DAY, 1 << 61)))

    def reference(self, *types: str) -> Reference:
        if self.draw.random() < 0.2:
            return Reference("", "", self.draw.choice(URIS), self.draw.choice(("", "1.0")))
        to = self.draw.choice([one for one in self.made if one.type in types] or self.made)
        return Reference(to.type, to.id, "")

    def quantity(self) -> Quantity:
        value = Decimal(self.draw.randrange(-30, 60)) / 10
        system, code, unit = self.draw.choice(UNITS)
        return Quantity(value, self.draw.choice((value, value, value + 3, None)), system, code, unit)

    def meta(self) -> Iterator[Found]:
        yield from (Found("_tag", self.token()) for _ in self.some(1))
        yield from (Found("_profile", Uri(self.draw.choice(URIS))) for _ in self.some(1))

    def patient(self) -> Iterator[Found]:
        yield from self.meta()
        yield from (Found("identifier", self.token()) for _ in self.some())
        yield from (Found("gender", self.token()) for _ in self.some(1))
        yield from (Found(name, value) for _ in self.some() for value in [self.text()] for name in ("name", "family"))
        yield from (Found("birthdate", self.date()) for _ in self.some(1))
        yield from (Found("organization", self.reference("Organization")) for _ in self.some(1))
        yield from (Found("link", self.reference("Patient")) for _ in self.some(1))

    def organization(self) -> Iterator[Found]:
        yield from self.meta()
        yield from (Found("identifier", self.token()) for _ in self.some(1))
        yield from (Found("name", self.text()) for _ in self.some(1))
        yield from (Found("partof", self.reference("Organization")) for _ in self.some(1))

    def observation(self) -> Iterator[Found]:
        yield from self.meta()
        yield from (Found("identifier", self.token()) for _ in self.some(1))
        yield from (Found("date", self.date()) for _ in self.some())
        for at in self.some(3):
            token, quantity = self.token(), self.quantity()
            yield from (Found("code", token), Found("code:text", self.text()), Found("value-quantity", quantity),
                        Found("code-value-quantity#1", token, at), Found("code-value-quantity#2", quantity, at))
        for _ in self.some(1):
            subject = self.reference("Patient")
            yield Found("subject", subject)
            yield Found("subject:identifier", self.token())
            if subject.type == "Patient":
                yield Found("patient", subject)
        yield from (Found("performer", self.reference("Organization", "Patient")) for _ in self.some())


def queries(draw: random.Random, made: list[Resource]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Random searches, most with several parameters."""
    token = lambda: draw.choice(("{1}", "{0}|{1}", "|{1}", "{0}|")).format(draw.choice(SYSTEMS[1:]), draw.choice(CODES))
    word = lambda: draw.choice(WORDS)[: draw.choice((1, 2, 20))].strip().replace("\\", "\\\\")
    day = lambda: draw.choice(("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")) + draw.choice(
        ("2024-10-05", "2024-10-07T00:00:00Z", "2024-10", "2024", "2024-10-09T12:00:00.001+08:00"))
    number = lambda: draw.choice(("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")) + draw.choice(
        ("1", "1.0", "-2.5", "3.14", "2e0")) + draw.choice(("", "", "|http://unitsofmeasure.org|mg", "||mg", "||gram"))
    to = lambda kind: draw.choice([one.id for one in made if one.type == kind] or ["none"])
    either = lambda one: ",".join(one() for _ in range(draw.choice((1, 1, 1, 3))))
    name = lambda: draw.choice((("name", either(word)), ("name:exact", draw.choice(WORDS[:6])), ("name:contains", word())))
    patient = [
        lambda: ("identifier", either(token)), lambda: ("gender:not", token()), name, lambda: ("birthdate", either(day)),
        lambda: ("organization.name", word()), lambda: ("link:Patient.identifier", token()),
        lambda: ("organization.partof.identifier", token()), lambda: ("_has:Observation:patient:code", token()),
        lambda: ("_has:Observation:subject:performer:Organization.name", word()),
        lambda: ("organization", f"Organization/{to('Organization')}"), lambda: ("family:missing", "true"),
        lambda: ("_tag", token()), lambda: ("_id", either(lambda: to("Patient"))), lambda: ("_lastUpdated", "ge2026-07"),
        lambda: ("_profile:below", draw.choice(URIS)), lambda: ("_profile:above", draw.choice(URIS)),
        lambda: ("organization:missing", draw.choice(("true", "false"))),
    ]
    observation = [
        lambda: ("code", either(token)), lambda: ("date", day()), lambda: ("value-quantity", either(number)),
        lambda: ("code-value-quantity", f"{token()}${number()}"), lambda: ("subject", f"Patient/{to('Patient')}"),
        lambda: ("subject", to("Patient")), lambda: ("patient.name", word()), lambda: ("subject:Patient.gender", token()),
        lambda: ("subject:identifier", token()), lambda: ("code:text", word()), lambda: ("patient:Patient", to("Patient")),
        lambda: ("performer", draw.choice(URIS)), lambda: ("performer.name", word()), lambda: ("code:not", either(token)),
        lambda: ("subject._id", to("Patient")), lambda: ("patient.organization.name:exact", draw.choice(WORDS[:6])),
        lambda: ("performer:missing", draw.choice(("true", "false"))), lambda: ("code-value-quantity:missing", "true"),
        lambda: ("performer:Organization.partof:missing", "true"), lambda: ("patient.family:missing", "true"),
    ]
    for _ in range(400):
        kind, ways = draw.choice((("Patient", patient), ("Observation", observation)))
        yield kind, [draw.choice(ways)() for _ in range(draw.choice((1, 1, 2, 3)))]


@pytest.fixture
def opened(database: str) -> Iterator[Pool]:
    made = pool(database, min_size=1, max_size=2)
    organisations(made, (1, 2, 3))
    yield made
    made.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_random_searches_find_what_a_naive_one_finds(opened: Pool, seed: int) -> None:
    maker = Maker(seed)
    made = maker.resources(120)
    put(opened, made)
    made = [maker.filled(one, 2) if maker.draw.random() < 0.4 else one for one in made]
    put(opened, [one for one in made if one.version == 2])
    searches, found = Searches(opened), 0
    for kind, parameters in queries(maker.draw, made):
        scope = maker.draw.choice(SCOPES)
        query = read(READER, [kind], [*parameters, ("_count", "1000"), ("_total", "accurate")], strict=True).query
        expected = World(made, scope.organisations).search(query)
        page = searches.page(scope, query)
        assert [one.pk for one in page.hits] == expected, parameters
        assert page.total == len(expected) == searches.count(scope, query)
        found += len(expected)
    assert found > 1_000
