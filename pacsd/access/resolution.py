"""From a principal to its access: once a request or association, and anew when the answer is some seconds old."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from threading import Lock

from pacsd.access.asking import Access
from pacsd.access.directory import Directory
from pacsd.access.openings import Openings
from pacsd.access.principal import Principal, Role
from pacsd.access.scope import Opened
from pacsd.faults import Fault, PacsdError

FRESH_S = 4.75                           # so late, but for the moment that edges add, what was revoked is closed
_KEPT = 4_096                            # principals of one process


class Resolution:
    """Resolves principals; answers serve for FRESH_S."""

    def __init__(
        self, directory: Directory, openings: Openings, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._directory = directory
        self._openings = openings
        self._now = now
        self._known: OrderedDict[Principal, tuple[float, Access]] = OrderedDict()
        self._last: dict[int, tuple[Principal, float, Access]] = {}  # the same by their objects: nothing is hashed
        self._lock = Lock()

    def known(self, principal: Principal) -> Access | None:
        """The access as it was resolved a moment ago; None where it has to be resolved."""
        stale = self._now() - FRESH_S
        last = self._last.get(id(principal))
        if last is not None and last[0] is principal and last[1] > stale:
            return last[2]
        known = self._known.get(principal)   # another object of the same may have been resolved since
        if known is None or known[0] <= stale:
            return None
        self._keep(principal, *known)
        return known[1]

    def access(self, principal: Principal) -> Access:
        """The access of a principal. Raises PacsdError UNAUTHENTICATED for one of no organisation of ours."""
        known = self.known(principal)
        return known if known is not None else self._resolved(principal)

    def _resolved(self, principal: Principal) -> Access:
        asked_at = self._now()           # before the index is asked: what is revoked meanwhile is not kept longer
        if not self._directory.knows(principal.organisation):
            raise PacsdError(Fault.UNAUTHENTICATED, "the asker's organisation is none of this server's")
        peer = self._directory.acting(principal.organisation)
        scope = replace(peer.scope, opened=self._openings.of(principal, peer.scope))
        if principal.is_a(Role.PATIENT, Role.LINK) or principal.context is not None:
            scope = replace(scope, organisations=(), opened=scope.opened or Opened())     # one person, and nobody else
        found = Access(principal, replace(peer, scope=scope, principal=principal))
        with self._lock:
            self._known[principal] = (asked_at, found)
            self._known.move_to_end(principal)
            self._keep(principal, asked_at, found)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return found

    def _keep(self, principal: Principal, asked_at: float, found: Access) -> None:
        if len(self._last) >= _KEPT:
            self._last.clear()
        self._last[id(principal)] = principal, asked_at, found
