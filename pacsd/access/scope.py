"""Who is asking, reduced to what a query needs."""

from dataclasses import dataclass, replace
from enum import Enum


class Rejected(Enum):
    """What a reader gets of rejections (IHE RAD-66 4.66.4.1.3). The value is the word of the settings.

    Nobody gets what was rejected for other reasons than its quality, nor notes that data were kept long enough.
    """

    HIDE = "hide"                        # neither the instances nor the notes that reject them
    NOTES = "notes"                      # the notes, so that systems which hold copies learn of them
    KEEP = "keep"                        # the notes, and what they reject for its quality


LEVELS: dict[Rejected, int] = {Rejected.HIDE: 0, Rejected.NOTES: 1, Rejected.KEEP: 2}     # as the index compares


@dataclass(frozen=True, slots=True)
class Opened:
    """What is open, or closed, to an asker beside what whole organisations open; keys of the index.

    `denied` wins over all else. `released_only`: of reports and images only what was released (a patient's own access).
    """

    studies: tuple[int, ...] = ()
    patients: tuple[int, ...] = ()
    denied: tuple[int, ...] = ()         # patients
    released_only: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """The organisations whose studies the asker may see, and whether it sees what was rejected.

    Of several copies of one study the asker sees a single one: that of `own`, else the earliest received.
    Without `opened` the organisations say all.
    """

    organisations: tuple[int, ...]
    own: int
    rejected: Rejected = Rejected.HIDE
    opened: Opened | None = None

    def closed(self) -> "Scope":
        """The same without what is opened one by one; what is denied stays so."""
        if self.opened is None:
            return self
        denied = Opened(denied=self.opened.denied) if self.opened.denied else None
        return replace(self, opened=denied)
