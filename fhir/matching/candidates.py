"""Patients that are worth comparing with somebody: those that have one thing in common, found by search's indexes."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from fhir.matching.traits import Resource, identifiers, phones, rows
from fhir.search.query import AllOf, AnyOf, Condition, Links, Match, Query, Texts, TimeIs, Times, TokenIs, Tokens
from fhir.search.values import Instants
from fhir.store.search import Hit, Searches
from pacsd.access.scope import Scope
from pacsd.index.connect import Pool

MOST_SHARING = 200                       # patients that have one thing in common: more say little by it
MOST_IDENTIFIERS = 50
_DAY_US = 86_400_000_000


def candidates(searches: Searches, pool: Pool, scope: Scope, resource: Resource) -> dict[int, Hit]:
    """By key, Patients of the reader's that share an identifier, a phone number, birth date and sex, or name and year.

    Of more than MOST_SHARING that share one of these the newest are looked at.
    """
    found: dict[int, Hit] = {}
    for condition in _conditions(resource):
        query = Query(("Patient",), (condition,), count=MOST_SHARING)
        found.update((hit.pk, hit) for hit in searches.page(pool, scope, query).hits)
    return found


def by_identifiers(searches: Searches, pool: Pool, scope: Scope, tokens: tuple[TokenIs, ...]) -> dict[int, Hit]:
    """Patients that have one of some identifiers."""
    query = Query(("Patient",), (Match(("Patient.identifier",), Tokens(tokens)),), count=MOST_SHARING)
    return {hit.pk: hit for hit in searches.page(pool, scope, query).hits}


def linked_to(
    searches: Searches, pool: Pool, scope: Scope, references: tuple[str, ...], tokens: tuple[TokenIs, ...] = ()
) -> dict[int, Hit]:
    """Patients that have a link to one of some others, by where they are or by an identifier."""
    ways: list[Condition] = [Match(("Patient.link",), Links(references))]
    if tokens:
        ways.append(Match(("Patient.link:identifier",), Tokens(tokens[:MOST_IDENTIFIERS])))
    query = Query(("Patient",), (AnyOf(tuple(ways)),), count=MOST_SHARING)
    return {hit.pk: hit for hit in searches.page(pool, scope, query).hits}


def _conditions(resource: Resource) -> Iterator[Condition]:
    tokens = tuple(TokenIs(system, value) for system, value, _ in identifiers(resource))[:MOST_IDENTIFIERS]
    if tokens:
        yield Match(("Patient.identifier",), Tokens(tokens))
    numbers = tuple(TokenIs(None, one) for one in phones(resource))[:5]
    if numbers:
        yield Match(("Patient.phone",), Tokens(numbers))
    born = _period(resource.get("birthDate"))
    gender = resource.get("gender")
    if born is not None:
        on_that_day = Match(("Patient.birthdate",), Times((TimeIs("eq", born),)))
        if isinstance(gender, str):
            yield AllOf((on_that_day, Match(("Patient.gender",), Tokens((TokenIs(None, gender),)))))
        else:
            yield on_that_day
    names = tuple(_names(resource))[:10]
    if names:
        called = Match(("Patient.name",), Texts("begins", names))
        near = None if born is None else Instants(born.low - 400 * _DAY_US, born.high + 400 * _DAY_US)
        yield called if near is None else AllOf((called, Match(("Patient.birthdate",), Times((TimeIs("eq", near),)))))


def _names(resource: Resource) -> Iterator[str]:
    for one in rows(resource, "name"):
        for text in (one.get("family"), one.get("text")):
            if isinstance(text, str) and text.strip():
                yield text[:100]


def _period(value: object) -> Instants | None:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None
    if day is None or day.year < 2 or day.year > 9990:
        return None
    low = (datetime(day.year, day.month, day.day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1)
    return Instants(low, low + _DAY_US)
