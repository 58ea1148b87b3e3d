"""Whether two patients are one person: evidence in bits, after Fellegi and Sunter, and what it takes to be sure.

Each field adds the logarithm of how much more often it looks like this between records of one person than between those
of two. Bits alone link nobody: twins share all but a character of the name, families their phone and address, and an
identity or social-security card can be lent. So a link without anybody's decision demands in addition a proof that
cannot be lent, by default the electronic health card, with a name, birth date and sex that agree with it; everything
else that is likely goes to review.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.fuzz import ratio

from pacsd.identity.traits import Traits

# field -> how it compares -> bits; what only one of the two knows is no evidence
WEIGHTS: dict[str, dict[str, float]] = {
    "name": {"same": 9.0, "same reading": 6.0, "turned": 6.0, "similar": 2.0, "other": -6.0},
    "birth date": {"same": 12.0, "first of January": 6.0, "mistyped": 5.0, "other": -8.0},
    "sex": {"same": 1.0, "other": -5.0},
    "phone": {"same": 8.0, "other": -1.0},
    "address": {"same": 5.0, "similar": 2.0, "other": -0.5},
    "id card": {"same": 20.0, "same, invalid": 12.0, "mistyped": 8.0, "other": -10.0},
    "health card": {"same": 22.0, "other": -12.0},
    "social-security card": {"same": 14.0, "other": -4.0},
    "mother": {"same": 6.0, "other": -1.0},
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From how many bits on a pair is looked at by people, and linked without them; and what is proof of it."""

    review: float = 16.0
    automatic: float = 30.0
    proofs: tuple[str, ...] = ("health_card",)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two records have in common."""

    score: float
    levels: tuple[tuple[str, str], ...]  # field, how it compares
    contradictory: bool                  # they cannot be one person unless one of them is wrong
    automatic: bool = False

    @property
    def reasons(self) -> str:
        """For people: fields and levels, never values."""
        return ", ".join(f"{field} {level}" for field, level in self.levels)


def compare(one: Traits, other: Traits, thresholds: Thresholds) -> Comparison:
    """The evidence that two patients are one person."""
    levels = tuple((field, level) for field, how in _FIELDS if (level := how(one, other)) is not None)
    score = sum(WEIGHTS[field][level] for field, level in levels)
    contradictory = contradicts(one, other)
    sure = score >= thresholds.automatic and not contradictory and _is_proven(one, other, dict(levels), thresholds)
    return Comparison(score, levels, contradictory, sure)


def contradicts(one: Traits, other: Traits) -> bool:
    """Whether both have what a person has one of, and it differs."""
    if one.health_card and other.health_card and one.health_card != other.health_card:
        return True
    if one.sex and other.sex and one.sex != other.sex:
        return True
    cards = one.id_card, other.id_card
    if cards[0] is not None and cards[1] is not None and cards[0].valid and cards[1].valid:
        return cards[0].number != cards[1].number
    return _birth_date(one, other) == "other"


def _is_proven(one: Traits, other: Traits, levels: dict[str, str], thresholds: Thresholds) -> bool:
    if one.provisional or other.provisional or not any(_PROOF[proof](levels) for proof in thresholds.proofs):
        return False
    name, born = levels.get("name"), levels.get("birth date")
    if name == "same":
        return born in ("same", "first of January") or (born == "mistyped" and levels.get("id card") == "same")
    written_otherwise = name == "turned" or (name == "same reading" and not (one.characters and other.characters))
    twins = one.multiple_birth or other.multiple_birth
    return written_otherwise and not twins and born == "same"


_PROOF: dict[str, Callable[[dict[str, str]], bool]] = {
    "health_card": lambda levels: levels.get("health card") == "same",
    "id_card": lambda levels: levels.get("id card") == "same",
    "social_security_card": lambda levels: levels.get("social-security card") == "same",
}


def _name(one: Traits, other: Traits) -> str | None:
    if not one.reading or not other.reading:
        return None
    if one.characters and other.characters:
        if one.characters == other.characters:
            return "same"
        if sorted(one.characters) == sorted(other.characters):
            return "turned"
        if one.reading == other.reading:
            return "same reading"
    elif one.reading == other.reading:
        return "same" if one.words == other.words else "same reading"
    elif _turned(one, other):
        return "turned"
    return "similar" if JaroWinkler.similarity(one.reading, other.reading) >= 0.9 else "other"


def _turned(one: Traits, other: Traits) -> bool:
    """Family and given name in the other order."""
    if one.words and other.words:
        return sorted(one.words) == sorted(other.words)
    words, reading = (one.words, other.reading) if one.words else (other.words, one.reading)
    return len(words) > 1 and reading in ("".join((*words[1:], words[0])), "".join((words[-1], *words[:-1])))


def _birth_date(one: Traits, other: Traits) -> str | None:
    if one.birth_date is None or other.birth_date is None:
        return None
    if one.birth_date == other.birth_date:
        return "first of January" if (one.birth_date.month, one.birth_date.day) == (1, 1) else "same"
    return "mistyped" if _is_mistyped(one.birth_date, other.birth_date) else "other"


def _is_mistyped(one: date, other: date) -> bool:
    """One digit wrong, two neighbours exchanged, or day and month."""
    if (one.year, one.month, one.day) == (other.year, other.day, other.month):
        return True
    return OSA.distance(_digits(one), _digits(other), score_cutoff=1) <= 1


def _digits(day: date) -> str:
    """YYYYMMDD, in a sixth of the time that formatting takes."""
    return day.isoformat().replace("-", "")


def _id_card(one: Traits, other: Traits) -> str | None:
    if one.id_card is None or other.id_card is None:
        return None
    if one.id_card.number == other.id_card.number:
        return "same" if one.id_card.valid else "same, invalid"
    both_valid = one.id_card.valid and other.id_card.valid
    mistyped = not both_valid and OSA.distance(one.id_card.number, other.id_card.number, score_cutoff=2) <= 2
    return "mistyped" if mistyped else "other"


def _address(one: Traits, other: Traits) -> str | None:
    if not one.address or not other.address:
        return None
    alike = ratio(one.address, other.address)
    return "same" if alike >= 90 else "similar" if alike >= 70 else "other"


def _equal(read: Callable[[Traits], str]) -> Callable[[Traits, Traits], str | None]:
    def level(one: Traits, other: Traits) -> str | None:
        first, second = read(one), read(other)
        return None if not first or not second else "same" if first == second else "other"

    return level


_FIELDS: Sequence[tuple[str, Callable[[Traits, Traits], str | None]]] = (
    ("health card", _equal(lambda one: one.health_card)),
    ("id card", _id_card),
    ("social-security card", _equal(lambda one: one.social_security_card)),
    ("name", _name),
    ("birth date", _birth_date),
    ("sex", _equal(lambda one: one.sex)),
    ("phone", _equal(lambda one: one.phone)),
    ("address", _address),
    ("mother", _equal(lambda one: one.mother)),
)
