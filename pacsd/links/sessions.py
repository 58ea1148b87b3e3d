"""Sessions of those who opened a link: a cookie that is signed with a key of the link, and looked up again and again.

What a cookie says counts for FRESH_S without asking the index; so late, at most, a link that was revoked is closed.
"""

import base64
import hashlib
import hmac
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from pacsd.access.principal import Principal, Proof, Role
from pacsd.faults import Fault, PacsdError
from pacsd.links.link import Link
from pacsd.links.records import subject_of
from pacsd.links.rows import Rows, SessionRow

FRESH_S = 2.0
MAX_COOKIE = 128
_KEPT = 4_096
_COOKIE = re.compile(r"([0-9a-f-]{36})\.([0-9]{10,12})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Session:
    """One that begins. `lasts_s`: until the cookie means nothing any more."""

    cookie: str = field(repr=False)
    lasts_s: int
    organisation_code: str


class Sessions:
    """Begins sessions, and knows whose a cookie is."""

    def __init__(
        self, rows: Rows, *, lasts_s: float, clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        now: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._rows = rows
        self._lasts_s = lasts_s
        self._clock = clock
        self._now = now
        self._known: OrderedDict[str, tuple[float, SessionRow | None, Principal | None]] = OrderedDict()
        self._lock = Lock()

    def begun(self, link: Link) -> Session | None:
        """A session of a link; None where it is no more."""
        row, now = self._rows.session(link.name), self._clock()
        if row is None or row.revoked:
            return None
        ends = math.ceil(min(now.timestamp() + self._lasts_s, row.expires_at.timestamp()))     # no sooner than the link
        cookie = f"{row.name}.{ends}.{_mac(row.key, row.name, ends)}"
        return Session(cookie, max(1, math.ceil(ends - now.timestamp())), row.organisation_code)

    def known(self, cookie: str) -> Principal | None:
        """Whose a cookie is, where that was looked up a moment ago; else None. Raises PacsdError UNAUTHENTICATED."""
        name, _, _ = _parts(cookie)
        found = self._known.get(name)
        if found is None or self._now() - found[0] >= FRESH_S:
            return None
        return self._proven(cookie, found[1], found[2])

    def principal(self, cookie: str) -> Principal:
        """Whose a cookie is. Raises PacsdError UNAUTHENTICATED, UNAVAILABLE."""
        name, _, _ = _parts(cookie)
        asked_at, row = self._now(), self._rows.session(name)
        with self._lock:
            before = self._known.get(name)
            same = before is not None and before[1] == row
            principal = before[2] if same and before is not None else _principal(row)
            self._known[name] = (asked_at, row, principal)
            self._known.move_to_end(name)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return self._proven(cookie, row, principal)

    def _proven(self, cookie: str, row: SessionRow | None, principal: Principal | None) -> Principal:
        name, ends, mac = _parts(cookie)
        if row is None or principal is None or not hmac.compare_digest(mac, _mac(row.key, name, ends)):
            raise _unknown()
        now = self._clock()
        if row.revoked or now >= row.expires_at or now.timestamp() >= ends:
            raise _unknown()
        return principal


def _principal(row: SessionRow | None) -> Principal | None:
    if row is None:
        return None
    roles = {Role.LINK, *((Role.LINK_COPY,) if row.download else ())}
    return Principal(subject_of(row.name), row.organisation_code, frozenset(roles), Proof.PASSCODE, link=row.name,
                     purpose="PATRQT")  # fmt: skip


def _parts(cookie: str) -> tuple[str, int, str]:
    found = _COOKIE.fullmatch(cookie) if len(cookie) <= MAX_COOKIE else None
    if found is None:
        raise _unknown()
    return found[1], int(found[2]), found[3]


def _mac(key: bytes, name: str, ends: int) -> str:
    text = hmac.digest(key, f"link-session {name} {ends}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _unknown() -> PacsdError:
    return PacsdError(Fault.UNAUTHENTICATED, "the link was not opened here, or is over")
