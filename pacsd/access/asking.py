"""Somebody's access: who asks, and what the index lets them see, resolved once for a request or association."""

from dataclasses import dataclass, replace

from pacsd.access.directory import Peer
from pacsd.access.operations import NAMED, OPEN, Operation, Reach, reach
from pacsd.access.permissions import allows, allows_operation
from pacsd.access.principal import Principal, Proof, Role
from pacsd.access.scope import Rejected, Scope
from pacsd.faults import Fault, PacsdError


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks, as what organisation's peer, and so what they see."""

    principal: Principal
    peer: Peer
    deidentified: bool = False           # sees nothing but what is made of the studies of a research project

    @property
    def scope(self) -> Scope:
        """What stands in every statement that reads for them."""
        return self.peer.scope

    def permitted(self, operation: Operation, *, deidentifying: bool = False) -> "Access":
        """The access as far as the operation reaches. `deidentifying`: who asks gives researchers what is made for them
        (Access.deidentified), whose scope shows nothing that is stored.

        Raises PacsdError UNAUTHENTICATED where it is not known who asks, FORBIDDEN where no role of theirs may do
        this, whatever it is asked of: what that is, or whether it is there, is never looked at.
        """
        if operation in OPEN:
            return self
        far = reach(operation, self.principal.roles)
        unseen = far is Reach.NEVER or (far is Reach.PROJECT and not deidentifying)
        if unseen or (operation in NAMED and self.principal.proof is Proof.NOTHING):
            raise refusal(self.principal, operation)
        if not allows_operation(self.principal, operation):
            raise PacsdError(Fault.FORBIDDEN, f"the token's scopes do not allow this: {operation.value}")
        if far is Reach.PROJECT:
            scope = replace(self.scope.closed(), organisations=(), rejected=Rejected.HIDE)
            return replace(self, peer=replace(self.peer, scope=scope), deidentified=True)
        if far is not Reach.OWN or self.scope.opened is None:
            return self
        return replace(self, peer=replace(self.peer, scope=self.scope.closed()))

    def at(self, address: str) -> "Access":
        """The same, of who asks from that address."""
        if self.principal.address == address:
            return self
        return replace(self, principal=replace(self.principal, address=address))

    def require(self, type_name: str, interactions: str) -> None:
        """Raise PacsdError FORBIDDEN where the scopes of the asker's token do not allow interactions with a type."""
        if not allows(self.principal, type_name, interactions):
            raise PacsdError(Fault.FORBIDDEN, "the token's scopes do not allow this with resources of this type")


def refusal(principal: Principal, operation: Operation) -> PacsdError:
    """Why somebody may not do something."""
    if principal.proof is Proof.NOTHING and (not principal.roles or operation in NAMED):
        return PacsdError(Fault.UNAUTHENTICATED, "say who asks: an access token is needed")
    if principal.roles == {Role.RESEARCHER}:
        return PacsdError(Fault.FORBIDDEN, "researchers read de-identified images by DICOMweb, and nothing else")
    return PacsdError(Fault.FORBIDDEN, f"none of the asker's roles may do this: {operation.value}")
