"""Somebody's access: who asks, and what the index lets them see, resolved once for a request or association."""

from dataclasses import dataclass, replace

from pacsd.access.directory import Peer
from pacsd.access.operations import OPEN, Operation, Reach, reach
from pacsd.access.principal import Principal, Proof, Role
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks, as what organisation's peer, and so what they see."""

    principal: Principal
    peer: Peer

    @property
    def scope(self) -> Scope:
        """What stands in every statement that reads for them."""
        return self.peer.scope

    def permitted(self, operation: Operation) -> "Access":
        """The access as far as the operation reaches.

        Raises PacsdError UNAUTHENTICATED where it is not known who asks, FORBIDDEN where no role of theirs may do
        this, whatever it is asked of: what that is, or whether it is there, is never looked at.
        """
        if operation in OPEN:
            return self
        far = reach(operation, self.principal.roles)
        if far is Reach.NEVER:
            raise refusal(self.principal, operation)
        if far is Reach.SHARED or not self.scope.opened:
            return self
        return self if far is Reach.SELF else replace(self, peer=replace(self.peer, scope=self.scope.closed()))


def refusal(principal: Principal, operation: Operation) -> PacsdError:
    """Why somebody may not do something."""
    if principal.proof is Proof.NOTHING and not principal.roles:
        return PacsdError(Fault.UNAUTHENTICATED, "say who asks: an access token is needed")
    if principal.roles == {Role.RESEARCHER}:
        return PacsdError(Fault.FORBIDDEN, "researchers read what is de-identified, and it is not given out here yet")
    return PacsdError(Fault.FORBIDDEN, f"none of the asker's roles may do this: {operation.value}")
