"""Who opens a DICOM association: the AE of a known address, and the user it names (PS3.7 D.3.3.7)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from config.settings import RemoteAESettings
from pacsd.access.directory import Directory, Identity, Peer, Refusal
from pacsd.access.operations import Operation, Reach, reach
from pacsd.access.origin import Origin
from pacsd.access.permissions import allows_operation
from pacsd.access.principal import Principal, Proof, Role
from pacsd.access.resolution import Resolution
from pacsd.faults import Fault, PacsdError

USERNAME, PASSCODE, KERBEROS, SAML, JWT = range(1, 6)    # PS3.7 Table D.3-14, User-Identity-Type

# what a service of the settings is of the declared operations
SERVICES: Mapping[str, tuple[Operation, ...]] = {
    "echo": (Operation.DESCRIBE,), "store": (Operation.STORE_STUDIES,), "find": (Operation.SEARCH_STUDIES,),
    "move": (Operation.RETRIEVE_STUDIES,), "get": (Operation.RETRIEVE_STUDIES,),
    "worklist": (Operation.READ_WORKLIST,), "mpps": (Operation.PERFORM_STEPS,),
    "commitment": (Operation.COMMIT_STORAGE,), "ups": (Operation.READ_WORKITEMS, Operation.WRITE_WORKITEMS),
}  # fmt: skip


class Proofs(Protocol):
    """Tells who proves to be somebody. Raises PacsdError UNAUTHENTICATED, UNAVAILABLE."""

    def token(self, token: str, *, address: str) -> Principal: ...
    def passcode(self, username: str, passcode: str, *, address: str) -> Principal | None:
        """Who that is; None where nobody here could tell."""


class Tokens(Protocol):
    """access.tokens.Verifier"""

    def verify(self, token: str, *, certificate: bytes | None = None, address: str = "") -> Principal: ...


class TokenProofs:
    """Users of associations prove who they are with access tokens (PS3.7 D.3.3.7.1); of passcodes nobody can tell."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def token(self, token: str, *, address: str) -> Principal:
        """As Proofs has it."""
        return self._tokens.verify(token, address=address)

    def passcode(self, username: str, passcode: str, *, address: str) -> None:
        """As Proofs has it."""


class Callers:
    """The directory as the DIMSE edge asks it, with what each caller is found to be.

    `required`: a caller is a known AE with source addresses or a certificate, or names a user who proves it; else what
    a caller says of its user is proven where it can be, and nothing where it cannot.
    """

    def __init__(
        self, directory: Directory, resolution: Resolution, *, required: bool = False, proofs: Proofs | None = None
    ) -> None:
        self._directory = directory
        self._resolution = resolution
        self._required = required
        self._proofs = proofs

    def peer(self, *, calling: str, called: str, origin: Origin, identity: Identity | None = None) -> Peer | Refusal:
        """Who opens an association (PS3.8 7.1.1), and what they see now."""
        found = self._directory.peer(calling=calling, called=called, origin=origin)
        if isinstance(found, Refusal):
            return found
        try:
            principal = self._user(identity, origin.address) or self._device(found, calling)
            if principal is None or principal.organisation != found.organisation_code:
                return Refusal.IDENTITY
            services = frozenset(one for one in found.services if _may(principal, one))
            return self.renewed(replace(found, principal=principal, services=services))
        except PacsdError as error:
            return Refusal.IDENTITY if error.fault is Fault.UNAUTHENTICATED else Refusal.UNAVAILABLE

    def renewed(self, peer: Peer) -> Peer:
        """The same with what it sees now; its answer serves for some seconds."""
        if peer.principal is None:
            return peer
        now = self._resolution.access(peer.principal).scope
        if now.opened is peer.scope.opened and now.organisations == peer.scope.organisations:
            return peer
        scope = replace(peer.scope, organisations=now.organisations, opened=now.opened)
        if reach(Operation.SEARCH_STUDIES, peer.principal.roles) is Reach.OWN:
            scope = scope.closed()
        return peer if scope == peer.scope else replace(peer, scope=scope)

    def remote(self, title: str, asker: Peer | None = None) -> RemoteAESettings | None:
        """Where to reach an AE by title."""
        return self._directory.remote(title, asker)

    def of_organisation(self, title: str, organisation: int) -> RemoteAESettings | None:
        """Where to reach an organisation's own AE of this title."""
        return self._directory.of_organisation(title, organisation)

    def _user(self, identity: Identity | None, address: str) -> Principal | None:
        """Who a user proves to be; None where nobody is named, or nothing is asked to be proven."""
        if identity is None or self._proofs is None or identity.kind not in (PASSCODE, JWT):
            return None
        try:
            primary, secondary = identity.primary.decode("utf-8"), identity.secondary.decode("utf-8")
        except UnicodeDecodeError as error:
            raise PacsdError(Fault.UNAUTHENTICATED, "an identity is UTF-8") from error
        if identity.kind == JWT:
            return self._proofs.token(primary, address=address)
        return self._proofs.passcode(primary, secondary, address=address)

    def _device(self, peer: Peer, calling: str) -> Principal | None:
        """The AE itself, a program or device of its organisation."""
        proof = self._directory.proof(calling, peer.organisation_code)
        if self._required and proof is Proof.NOTHING:
            return None
        return Principal(f"ae {calling}", peer.organisation_code, frozenset({Role.SYSTEM}), proof, name=calling)


def _may(principal: Principal, service: str) -> bool:
    return all(reach(one, principal.roles) > Reach.PROJECT and allows_operation(principal, one)
               for one in SERVICES[service])  # fmt: skip
