"""What opens single studies and patients to somebody beside what whole organisations open: the port to the index."""

from typing import Protocol

from pacsd.access.principal import Principal
from pacsd.access.scope import Opened, Scope


class Openings(Protocol):
    """Looks up what is open, and denied, to a principal now."""

    def of(self, principal: Principal, scope: Scope) -> Opened | None:
        """What is opened beside the scope's organisations; None where nothing is, and nothing denied."""
