"""Which patients are worth comparing: those that have one of these in common, of a million a few dozen.

A key that too many share says nothing about who is whom and is passed over: a switchboard's phone number, a birth date
that stands for an unknown one.
"""

from collections.abc import Iterator

from xxhash import xxh3_64_intdigest

from pacsd.identity.traits import Traits

MOST_SHARING = 200                       # patients of one key that are looked at


def keys(one: Traits) -> list[int]:
    """The hashes of everything that leads to a patient's equals, whatever one of its values was mistyped."""
    return sorted({_hash(text) for text in _texts(one)})


def _texts(one: Traits) -> Iterator[str]:
    if one.health_card:
        yield f"health card {one.health_card}"
    if one.id_card is not None:
        yield f"id card {one.id_card.number}"
    if one.social_security_card:
        yield f"social security card {one.social_security_card}"
    if one.phone:
        yield f"phone {one.phone}"
    if one.birth_date is not None:
        yield f"born {one.birth_date} {one.sex}"
        if one.letters:
            yield f"name {one.letters} {one.birth_date.year}"
    elif one.letters:
        yield f"name {one.letters}"


def _hash(text: str) -> int:
    """As PostgreSQL's bigint. Two texts with one hash lead to a comparison too many, and to nothing else."""
    number = xxh3_64_intdigest(text.encode())
    return number - (1 << 64) if number >= 1 << 63 else number
