"""How well a population is matched: what is linked, what is shown for review, and what of it is true."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from pacsd.identity import blocking
from pacsd.identity.clusters import clusters
from pacsd.identity.matching import Thresholds, compare, contradicts
from pacsd.index.identity_links import Pair
from tests.identity.populations import Entry


@dataclass(frozen=True)
class Quality:
    """Counts of pairs. `provable`: true pairs in which both have the card that is proof."""

    true: int
    provable: int
    linked: int
    falsely_linked: int
    reviewed: int
    falsely_reviewed: int

    @property
    def precision(self) -> float:
        """Of what is linked, how much is true."""
        return 1 - self.falsely_linked / self.linked if self.linked else 1.0

    @property
    def recall(self) -> float:
        """Of what is true, how much is linked."""
        return (self.linked - self.falsely_linked) / self.true

    @property
    def provable_recall(self) -> float:
        """Of what is true and can be proven, how much is linked (links through a third patient count, too)."""
        return (self.linked - self.falsely_linked) / self.provable

    @property
    def recall_with_review(self) -> float:
        """Of what is true, how much is linked or shown to people."""
        return (self.linked - self.falsely_linked + self.reviewed - self.falsely_reviewed) / self.true

    def __str__(self) -> str:
        return (
            f"precision {self.precision:.4f}, recall {self.recall:.3f} ({self.provable_recall:.3f} of what the health"
            f" card proves), with review {self.recall_with_review:.3f}; {self.linked} pairs linked,"
            f" {self.falsely_linked} of them falsely, {self.reviewed} to review, {self.true} true"
        )


def measured(entries: Sequence[Entry], thresholds: Thresholds) -> Quality:
    """All pairs of a population, by the same keys, comparison and clusters as the index uses."""
    those = [one.traits(number) for number, one in enumerate(entries)]
    sharing: dict[int, list[int]] = defaultdict(list)
    for one in those:
        for key in blocking.keys(one):
            sharing[key].append(one.patient)
    candidates = {pair for group in sharing.values() if len(group) <= blocking.MOST_SHARING
                  for pair in combinations(group, 2)}  # fmt: skip
    sure, likely = [], set()
    for one, other in candidates:
        found = compare(those[one], those[other], thresholds)
        if found.automatic:
            sure.append(Pair(one, other, found.score))
        if found.score >= thresholds.review:
            likely.add((one, other))
    persons = clusters({one.patient: one.key for one in those}, sure, [], lambda a, b: contradicts(those[a], those[b]))
    linked = {pair for person in persons for pair in combinations(sorted(person), 2)}

    def is_true(pair: tuple[int, int]) -> bool:
        return entries[pair[0]].human == entries[pair[1]].human

    by_human: dict[int, list[int]] = defaultdict(list)
    for number, entry in enumerate(entries):
        by_human[entry.human].append(number)
    true = [pair for group in by_human.values() for pair in combinations(group, 2)]
    provable = [pair for pair in true if entries[pair[0]].health_card and entries[pair[1]].health_card]
    review = likely - linked
    return Quality(
        len(true), len(provable), len(linked), sum(not is_true(pair) for pair in linked), len(review),
        sum(not is_true(pair) for pair in review),
    )  # fmt: skip
