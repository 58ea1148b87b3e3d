"""Who opens a DICOM association: the AE of a known address, and the user it names (PS3.7 D.3.3.7)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from config.settings import RemoteAESettings
from pacsd.access.directory import Call, Directory, Identity, Peer, Refusal
from pacsd.access.operations import Operation, Reach, reach
from pacsd.access.origin import Origin
from pacsd.access.peer_certificate import PeerCertificate
from pacsd.access.permissions import allows_operation
from pacsd.access.principal import Principal, Proof, Role
from pacsd.access.resolution import Resolution
from pacsd.faults import Fault, PacsdError

JWT = 5                                  # PS3.7 Table D.3-14, User-Identity-Type: the one that is proven here

# what a service of the settings is of the declared operations
SERVICES: Mapping[str, tuple[Operation, ...]] = {
    "echo": (Operation.DESCRIBE,), "store": (Operation.STORE_STUDIES,), "find": (Operation.SEARCH_STUDIES,),
    "move": (Operation.RETRIEVE_STUDIES,), "get": (Operation.RETRIEVE_STUDIES,),
    "worklist": (Operation.READ_WORKLIST,), "mpps": (Operation.PERFORM_STEPS,),
    "commitment": (Operation.COMMIT_STORAGE,), "ups": (Operation.READ_WORKITEMS, Operation.WRITE_WORKITEMS),
}  # fmt: skip


class Tokens(Protocol):
    """access.tokens.Verifier. Raises PacsdError UNAUTHENTICATED, UNAVAILABLE."""

    def verify(self, token: str, *, certificate: PeerCertificate | None = None, address: str = "") -> Principal:
        """Who a token is of; the same object as long as its answer is remembered."""


class Callers:
    """The directory as the DIMSE edge asks it, with what each caller is found to be.

    `required`: a caller is a known AE with source addresses or a certificate, or names a user who proves it. Users
    prove who they are by access tokens (PS3.7 D.3.3.7.1); without `tokens`, and of other identities, nothing is proven.
    """

    def __init__(
        self, directory: Directory, resolution: Resolution, *, required: bool = False, tokens: Tokens | None = None
    ) -> None:
        self._directory = directory
        self._resolution = resolution
        self._required = required
        self._tokens = tokens

    def peer(self, *, calling: str, called: str, origin: Origin, identity: Identity | None = None) -> Peer | Refusal:
        """Who opens an association (PS3.8 7.1.1), and what they see now."""
        try:
            return self._found(calling, called, origin, identity)
        except PacsdError as error:
            return Refusal.IDENTITY if error.fault is Fault.UNAUTHENTICATED else Refusal.UNAVAILABLE

    def renewed(self, peer: Peer) -> Peer:
        """The same, as things stand: AE, user and what it sees; answers serve for some seconds.

        Raises PacsdError UNAUTHENTICATED once the AE is withdrawn or another's, its user's token does not count any
        more, or either may do less than was agreed; UNAVAILABLE where that cannot be found out.
        """
        call, principal = peer.call, peer.principal
        if call is None or principal is None:
            return peer
        if call.known is self._directory.known() and self._user(call.identity, call.origin) in (None, principal):
            return self._seeing(peer, principal)
        found = self._found(call.calling, call.called, call.origin, call.identity)
        if isinstance(found, Refusal):
            raise PacsdError(Fault.UNAUTHENTICATED, found.value)
        if found.organisation != peer.organisation or not peer.services <= found.services:
            raise PacsdError(Fault.UNAUTHENTICATED, "may do less than when the association was opened")
        return found

    def remote(self, title: str, asker: Peer | None = None) -> RemoteAESettings | None:
        """Where to reach an AE by title."""
        return self._directory.remote(title, asker)

    def of_organisation(self, title: str, organisation: int) -> RemoteAESettings | None:
        """Where to reach an organisation's own AE of this title."""
        return self._directory.of_organisation(title, organisation)

    def _found(self, calling: str, called: str, origin: Origin, identity: Identity | None) -> Peer | Refusal:
        found = self._directory.peer(calling=calling, called=called, origin=origin)
        if isinstance(found, Refusal):
            return found
        principal = self._user(identity, origin) or self._device(found, calling)
        if principal is None or principal.organisation != found.organisation_code:
            return Refusal.IDENTITY
        services = frozenset(one for one in found.services if _may(principal, one))
        return self._seeing(replace(found, principal=principal, services=services, call=_by(found, identity)),
                            principal)  # fmt: skip

    def _seeing(self, peer: Peer, principal: Principal) -> Peer:
        now = self._resolution.access(principal).scope
        if now.opened is peer.scope.opened and now.organisations == peer.scope.organisations:
            return peer
        scope = replace(peer.scope, organisations=now.organisations, opened=now.opened)
        if reach(Operation.SEARCH_STUDIES, principal.roles) is Reach.OWN:
            scope = scope.closed()
        return peer if scope == peer.scope else replace(peer, scope=scope)

    def _user(self, identity: Identity | None, origin: Origin) -> Principal | None:
        """Who a user proves to be; None where nobody is named, or nothing is proven here."""
        if identity is None or self._tokens is None or identity.kind != JWT:
            return None
        try:
            token = identity.primary.decode("ascii")
        except UnicodeDecodeError as error:
            raise PacsdError(Fault.UNAUTHENTICATED, "this is no token") from error
        return self._tokens.verify(token, certificate=origin.certificate, address=origin.address)

    def _device(self, peer: Peer, calling: str) -> Principal | None:
        """The AE itself, a program or device of its organisation."""
        proof = self._directory.proof(calling, peer.organisation_code)
        if self._required and proof is Proof.NOTHING:
            return None
        return Principal(f"ae {calling}", peer.organisation_code, frozenset({Role.SYSTEM}), proof, name=calling)


def _by(peer: Peer, identity: Identity | None) -> Call | None:
    return None if peer.call is None else replace(peer.call, identity=identity)


def _may(principal: Principal, service: str) -> bool:
    return all(reach(one, principal.roles) > Reach.PROJECT and allows_operation(principal, one)
               for one in SERVICES[service])  # fmt: skip
