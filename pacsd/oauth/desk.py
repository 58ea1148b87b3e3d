"""What the end points are handed."""

from dataclasses import dataclass

from pacsd.access.tokens import Verifier
from pacsd.oauth.client_authentication import ClientAuthentication
from pacsd.oauth.own_tokens import OwnTokens
from pacsd.oauth.provider import Provider


@dataclass(frozen=True, slots=True)
class Desk:
    """The provider, who its clients are, and whose its tokens."""

    provider: Provider
    clients: ClientAuthentication
    tokens: Verifier


def open_desk(provider: Provider) -> Desk:
    """For one process."""
    tokens = Verifier((), {}, fetch=provider.fetch, own=OwnTokens(provider), clock=provider.clock)
    return Desk(provider, ClientAuthentication(provider), tokens)
