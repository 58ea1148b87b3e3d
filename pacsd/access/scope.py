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


Owned = tuple[tuple[int, tuple[int, ...]], ...]
"""Keys of patients by the organisation whose data of them is meant: another's of the same patient is not."""


@dataclass(frozen=True, slots=True)
class Links:
    """The same as Opened, as references between FHIR resources have it (fhir.search.keys)."""

    patients: tuple[int, ...] = ()
    studies: tuple[int, ...] = ()
    denied_patients: tuple[int, ...] = ()
    denied_studies: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """What Opened is about, by name: organisation and UID, or organisation, assigning authority and patient id."""

    patients: tuple[tuple[int, str, str], ...] = ()
    studies: tuple[tuple[int, str], ...] = ()
    denied_patients: tuple[tuple[int, str, str], ...] = ()
    denied_studies: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """What is open, or denied, to an asker beside what whole organisations open; keys of the index.

    What is denied wins over all else. `released_only`: a person's own access; their studies are among `studies` where
    they are released, and of resources those are seen that are final.
    """

    studies: tuple[int, ...] = ()
    patients: Owned = ()
    denied_studies: tuple[int, ...] = ()
    denied_patients: Owned = ()
    released_only: bool = False
    names: Names = Names()
    links: Links | None = None           # known where FHIR resources are read

    @property
    def opens(self) -> bool:
        """Whether it opens anything."""
        return bool(self.studies or self.patients or self.released_only)

    @property
    def denies(self) -> bool:
        """Whether it denies anything."""
        return bool(self.denied_studies or self.denied_patients)

    def grants(self) -> "Opened | None":
        """What it opens, and nothing else, whatever is denied of that; None where it opens nothing."""
        if not self.opens:
            return None
        return replace(
            self, denied_studies=(), denied_patients=(),
            names=replace(self.names, denied_patients=(), denied_studies=()),
            links=self.links and replace(self.links, denied_patients=(), denied_studies=()),
        )  # fmt: skip

    def denials(self) -> "Opened | None":
        """What it denies, and nothing else; None where it denies nothing."""
        if not self.denies:
            return None
        return replace(
            self, studies=(), patients=(), released_only=False,
            names=replace(self.names, patients=(), studies=()),
            links=self.links and replace(self.links, patients=(), studies=()),
        )  # fmt: skip


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
        return replace(self, opened=self.opened and self.opened.denials())
