"""Which of a report's versions counts, and how it reads.

Versions follow each other as their senders issued them, and as they came where nothing is said of that. A cancellation
takes back what was issued before it. Of the rest the newest final version counts, with the addenda issued after it;
a preliminary one counts only while there is no final one, and so does not undo one when it comes late.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from pacsd.reports.report import Content, Observation, Status, Version, same_orders
from pacsd.reports.sections import ADDENDUM

PRELIMINARY, FINAL, AMENDED, CANCELLED = (
    "report.preliminary", "report.final", "report.amended", "report.cancelled",
)  # fmt: skip
CRITICAL = "report.critical"
TOPICS = (PRELIMINARY, FINAL, AMENDED, CANCELLED, CRITICAL)


@dataclass(frozen=True, slots=True)
class Counting:
    """What a report amounts to: the versions it is read from, the first of which the others add to."""

    parts: tuple[Version, ...]
    status: Status

    @property
    def version(self) -> Version:
        """The one that was issued last."""
        return self.parts[-1]

    @property
    def newest(self) -> Version:
        """The part that came last, which made the report read like this."""
        return max(self.parts, key=lambda one: one.number)

    @property
    def critical(self) -> bool:
        """Whether any part tells of a critical finding."""
        return self.status is not Status.CANCELLED and any(one.critical for one in self.parts)

    @property
    def content(self) -> Content:
        """How it reads: the base, and behind it what was added."""
        base, *added = self.parts
        observations = [*_as_sent(base)]
        for one in added:
            observations += [replace(each, section=ADDENDUM) for each in one.content.observations]
        last = self.version.content
        return replace(
            base.content,
            observations=tuple(observations),
            orders=same_orders([order for one in self.parts for order in one.content.orders]),
            author=base.content.author or last.author,
            verifier=last.verifier or base.content.verifier,
            verified=last.verified or base.content.verified,
            issued=last.issued or base.content.issued,
        )


def _as_sent(base: Version) -> tuple[Observation, ...]:
    if not base.addendum:
        return base.content.observations
    return tuple(replace(one, section=ADDENDUM) for one in base.content.observations)


def in_order(versions: Sequence[Version]) -> list[Version]:
    """As they were issued."""
    return sorted(versions, key=lambda one: (one.issued_at or one.said_at, one.number))


def counting(versions: Sequence[Version]) -> Counting | None:
    """What counts of all that is known; None of nothing."""
    known = in_order(versions)
    cancelled = [at for at, one in enumerate(known) if one.status is Status.CANCELLED]
    if cancelled and cancelled[-1] == len(known) - 1:
        return Counting((known[-1],), Status.CANCELLED)
    left = known[cancelled[-1] + 1 :] if cancelled else known
    final = [at for at, one in enumerate(left) if one.status is not Status.PRELIMINARY]
    if not final:
        return Counting((left[-1],), Status.PRELIMINARY) if left else None
    bases = [at for at in final if not left[at].addendum]
    parts = tuple(left[at] for at in final if left[at].addendum and (not bases or at > bases[-1]))
    if bases:
        parts = (left[bases[-1]], *parts)
    return Counting(parts, Status.CORRECTED if len(parts) > 1 else parts[0].status)


def told(before: Sequence[Version], after: Sequence[Version]) -> list[str]:
    """The topics of what one more version changed; none where it changed nothing that counts."""
    old, new = counting(before), counting(after)
    if new is None or (old is not None and _same(old, new)):
        return []
    topics = [_topic(new, was_final=any(_is_final(one) for one in before))]
    if new.critical and not (old is not None and old.critical):
        topics.append(CRITICAL)
    return topics


def _topic(new: Counting, *, was_final: bool) -> str:
    if new.status is Status.CANCELLED:
        return CANCELLED
    if new.status is Status.PRELIMINARY:
        return PRELIMINARY
    return AMENDED if was_final else FINAL


def _same(old: Counting, new: Counting) -> bool:
    return [one.uid for one in old.parts] == [one.uid for one in new.parts]


def _is_final(one: Version) -> bool:
    return one.status in (Status.FINAL, Status.CORRECTED)


def states(versions: Sequence[Version]) -> list[Counting]:
    """What the report amounted to, each time that changed, in the order in which the versions came."""
    came = sorted(versions, key=lambda one: one.number)
    found = [each for upto in range(1, len(came) + 1) if (each := counting(came[:upto])) is not None]
    return found[:1] + [new for old, new in pairwise(found) if not _same(old, new)]
