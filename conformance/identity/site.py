"""The system under test: where it takes messages, and the two domains that it manages."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from conformance.identity.messages import NOW, STRUCTURES, Domain, Patient, named
from conformance.oru.peer import Answer, Peer

FIRST = Domain("CONFORMANCE-A", "2.25.130020871518085252844814862154583707977")
SECOND = Domain("CONFORMANCE-B", "2.25.270255971426367607542566211304956173727")
NOWHERE = Domain("CONFORMANCE-X", "2.25.66882211466694225758061634554370219881")      # which no system knows


@dataclass(frozen=True, slots=True)
class Site:
    """`settle_s`: how long a system may take to cross-reference what it was fed, before it is asked."""

    mllp: tuple[str, int]
    first: Domain = FIRST
    second: Domain = SECOND
    application: str = "CONFORMANCE"
    facility: str = "SUITE"
    receiver: str = "PIXPDQ"
    receiving_facility: str = "SYSTEM"
    timeout_s: float = 30.0
    settle_s: float = 0.0
    run_id: str = field(default_factory=lambda: secrets.token_hex(3).upper())
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def number(self, letter: str) -> str:
        """A number nobody else has."""
        return f"{letter}{self.run_id}{next(self._numbers):04d}"

    def patient(self, domain: Domain | None = None, *, like: Patient | None = None, **given: Any) -> Patient:
        """A patient nobody has heard of, of the first domain unless another is said; `like`: but for the id."""
        where, number = domain or self.first, self.number("P")
        if like is not None:
            return replace(like, domain=where, number=number, **given)
        return replace(named(where, number), **given)

    def send(self, message: bytes) -> Answer:
        """What answers a message, on a connection of its own. Raises NoAnswer."""
        with Peer(*self.mllp, timeout_s=self.timeout_s) as peer:
            return peer.ask(message)

    def ask(self, kind: str, *segments: str, version: str = "2.5", charset: str = "") -> Answer:
        """What answers a message of these segments; `kind`: MSH-9."""
        return self.send(self.message(kind, *segments, version=version, charset=charset))

    def message(
        self, kind: str, *segments: str, version: str = "2.5", charset: str = "", processing: str = "P"
    ) -> bytes:
        """A message with a header of its own (ITI TF-2 C.2.2)."""
        head = (f"MSH|^~\\&|{self.application}|{self.facility}|{self.receiver}|{self.receiving_facility}|{NOW}||{kind}|"
                f"{self.number('C')}|{processing}|{version}")  # fmt: skip
        if charset:
            head += f"||||||{charset}"
        return "".join(f"{line}\r" for line in (head, *segments)).encode()

    def adt(self, event: str, *segments: str, version: str = "2.5") -> Answer:
        """What answers an event of a patient; PV1 is added where the event wants one."""
        visit = () if event in ("A40", "A47", "A24", "A37") else ("PV1|1|N",)
        kind = f"ADT^{event}^{STRUCTURES.get(event, 'ADT_A01')}"
        answer = self.ask(kind, f"EVN||{NOW}", *segments, *visit, version=version)
        if self.settle_s:
            time.sleep(self.settle_s)
        return answer
