"""Which patients of a neighbourhood are one person: what was decided first, then what the machine is surest of.

The outcome depends on pairs and decisions alone, not on the order in which patients came to be known, so that an index
made anew links the same.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product

from pacsd.index.identity_links import Decision, Pair

MOST_LINKED = 100                        # patients of a person that the machine puts together
Key = tuple[str, str]


def clusters(
    patients: Mapping[int, Key],
    pairs: Iterable[Pair],
    decisions: Sequence[Decision],
    contradict: Callable[[int, int], bool],
) -> list[set[int]]:
    """The persons of two and more.

    Whom a decision separates is never in one, also not through others. The machine joins nobody that contradicts any
    member, and nobody beyond MOST_LINKED.
    """
    of: dict[int, set[int]] = {one: {one} for one in patients}
    separated = {frozenset((one.one, one.other)) for one in decisions if not one.linked}

    def is_separated(one: int, other: int) -> bool:
        return frozenset((one, other)) in separated

    def unite(one: int, other: int, forbidden: Callable[[int, int], bool], most: int | None) -> None:
        first, second = of[one], of[other]
        if first is second or (most is not None and len(first) + len(second) > most):
            return
        if any(forbidden(a, b) for a, b in product(first, second)):
            return
        first |= second
        for each in second:
            of[each] = first

    for decision in sorted((one for one in decisions if one.linked), key=lambda one: one.decided_at):
        if decision.one in of and decision.other in of:
            unite(decision.one, decision.other, is_separated, None)
    surest = sorted(pairs, key=lambda pair: (-pair.score, *sorted((patients[pair.one], patients[pair.other]))))
    for pair in surest:
        unite(pair.one, pair.other, lambda a, b: is_separated(a, b) or contradict(a, b), MOST_LINKED)
    return list({id(one): one for one in of.values() if len(one) > 1}.values())
