"""What a check of this suite is, and how one is declared."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.judging import Level

if TYPE_CHECKING:
    from conformance.dicomweb.prepared import Prepared
    from conformance.dicomweb.server import Server

Run = Callable[["Server", "Prepared"], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One clause, and the function that holds a server to it."""

    id: str  # transaction.subject, such as search.paging.offset
    clause: str
    title: str
    level: Level
    run: Run

    @property
    def reference(self) -> str:
        """The clause with the part of the standard it is in, where it does not say so itself."""
        return f"PS3.18 {self.clause}" if re.match(r"\d|Tables? |Annex |[FHI]\b", self.clause) else self.clause


class Transaction:
    """The checks of one transaction of the standard, in the order they are declared."""

    def __init__(self, name: str, title: str, clause: str) -> None:
        self.name = name
        self.title = title
        self.clause = clause
        self.checks: list[Check] = []

    def required(self, name: str, clause: str, title: str) -> Callable[[Run], Run]:
        """Declare the decorated function as a check of what every server must do."""
        return self._declare(name, clause, title, Level.REQUIRED)

    def optional(self, name: str, clause: str, title: str) -> Callable[[Run], Run]:
        """Declare the decorated function as a check of what a server may leave out, but not do wrongly."""
        return self._declare(name, clause, title, Level.OPTIONAL)

    def _declare(self, name: str, clause: str, title: str, level: Level) -> Callable[[Run], Run]:
        def declare(run: Run) -> Run:
            self.checks.append(Check(f"{self.name}.{name}", clause, title, level, run))
            return run

        return declare
