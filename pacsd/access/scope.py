"""Who is asking, reduced to what a query needs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """The organisations whose studies the asker may see.

    Of several copies of one study the asker sees a single one: that of `own`, else the earliest received.
    """

    organisations: tuple[int, ...]
    own: int
