"""Security keys and platform authenticators as a second factor (W3C Web Authentication Level 3, 7.1 and 7.2).

A challenge is signed by us for one person, session and purpose, lasts minutes, and is used up by the first answer. The
library proves challenge, origin, RP ID, user presence and verification, and the signature; counters are the index's.
"""

import json
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from fido2.cose import CoseKey, UnsupportedKey
from fido2.server import Fido2Server, to_descriptor
from fido2.webauthn import (
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    CollectedClientData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from config.networks import is_address
from pacsd.codec.base64url import encoded
from pacsd.index import oauth_authenticators, oauth_grants
from pacsd.index.oauth_authenticators import Authenticator
from pacsd.index.oauth_sessions import Session
from pacsd.index.oauth_users import User
from pacsd.oauth.provider import Provider
from pacsd.oauth.sealing import hashed

CREATE, GET = "webauthn.create", "webauthn.get"          # WebAuthn 5.8.1, `type`
LASTS_S = 300.0                          # of a challenge
MAX_ANSWER_CHARACTERS = 32_768
_WAIT_MS = 120_000                       # for who has to find their key
_CHALLENGE_BYTES = 32                    # WebAuthn 13.4.3: at least 16
_MAX_ID_BYTES = 1_023                    # WebAuthn 7.1, step 25
T = TypeVar("T")

_log = logging.getLogger("pacsd.oauth")
logging.getLogger("fido2").setLevel(logging.WARNING)     # below it stand ids of credentials


class NotProven(Exception):
    """What an authenticator answered proves nothing; `reason` is for records and logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What a page's script asks the browser for: `options` in JSON, and the challenge with our stamp on it."""

    options: str
    challenge: str
    stamp: str


@dataclass(frozen=True, slots=True)
class Made:
    """A new credential. `sign_count`: its counter at birth."""

    id: bytes
    credential: bytes
    sign_count: int


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom, and in which session, a challenge is made and answered."""

    provider: Provider
    session: Session
    user: User

    def challenge(self, kind: str) -> tuple[str, str]:
        """A new one, stamped."""
        made = encoded(secrets.token_bytes(_CHALLENGE_BYTES))
        return made, self.provider.sealer.stamped(kind, self._bound(made), lasts_s=LASTS_S)

    def use(self, kind: str, challenge: str, stamp: str) -> None:
        """Raises NotProven unless it is ours, for this, still counts, and is answered for the first time."""
        if not self.provider.sealer.is_stamped(kind, self._bound(challenge), stamp):
            raise NotProven("the challenge is none of ours, or is over")
        until = self.provider.now() + timedelta(seconds=2 * LASTS_S)
        if not oauth_grants.first_use(self.provider.pool, hashed(f"{kind} {challenge}"), until):
            raise NotProven("the challenge was answered before")

    def _bound(self, challenge: str) -> str:
        return f"{challenge} {self.user.pk} {self.session.number}"


def rp_id(provider: Provider) -> str:
    """The host name to which credentials belong; empty where browsers would have none (WebAuthn 5.1.3, 5.1.4.1)."""
    parts = urlsplit(provider.issuer)
    host = parts.hostname or ""
    if is_address(host):
        return ""
    return host if parts.scheme == "https" or host == "localhost" else ""


def user_handle(provider: Provider, user: User) -> bytes:
    """By which authenticators know a person: nothing that tells who that is (WebAuthn 14.6.1)."""
    return provider.sealer.sign("webauthn user", str(user.pk)).encode()


def to_create(asker: Asker, known: Sequence[Authenticator]) -> Ceremony:
    """What makes a new credential, on none of those that are known (WebAuthn 5.4)."""
    provider, user = asker.provider, asker.user
    challenge, stamp = asker.challenge(CREATE)
    entity = PublicKeyCredentialUserEntity(
        id=user_handle(provider, user), name=user.username, display_name=user.name
    )
    options, _ = _server(provider).register_begin(
        entity, [_descriptor(one) for one in known], resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
        user_verification=_verification(provider), challenge=challenge.encode(),
    )  # fmt: skip
    return Ceremony(json.dumps(dict(options.public_key)), challenge, stamp)


def to_get(asker: Asker, known: Sequence[Authenticator]) -> Ceremony:
    """What has one of a person's authenticators sign (WebAuthn 5.5)."""
    challenge, stamp = asker.challenge(GET)
    options, _ = _server(asker.provider).authenticate_begin(
        [_descriptor(one) for one in known if one.copied_at is None],
        user_verification=_verification(asker.provider), challenge=challenge.encode(),
    )  # fmt: skip
    return Ceremony(json.dumps(dict(options.public_key)), challenge, stamp)


def created(asker: Asker, challenge: str, stamp: str, answer: str) -> Made:
    """The new credential (WebAuthn 7.1). Attestation is not asked for: which make it is does not matter here.

    Raises NotProven.
    """
    asker.use(CREATE, challenge, stamp)
    return _proven(answer, lambda told: _created(asker.provider, challenge, told))


def shown(asker: Asker, challenge: str, stamp: str, answer: str) -> None:
    """Raises NotProven unless one of the person's authenticators signed the challenge (WebAuthn 7.2).

    One whose counter does not go on is a copy, or there is one of it: it never counts again.
    """
    asker.use(GET, challenge, stamp)
    known = oauth_authenticators.of_user(asker.provider.pool, asker.user.pk)
    credential, counter = _proven(answer, lambda told: _shown(asker, known, challenge, told))
    if not oauth_authenticators.used(asker.provider.pool, asker.user.pk, credential, counter):
        raise NotProven("the counter of the key does not go on: it may have been copied")


def _created(provider: Provider, challenge: str, told: Mapping[str, Any]) -> Made:
    data = _server(provider).register_complete(_state(provider, challenge), told)
    _refuse_framed(RegistrationResponse.from_dict(told).response.client_data)
    found = data.credential_data
    if found is None or len(found.credential_id) > _MAX_ID_BYTES:
        raise ValueError("there is no credential")
    if isinstance(found.public_key, UnsupportedKey) or found.public_key.ALGORITHM not in _algorithms():
        raise ValueError("the key is of a kind that was not asked for")
    with suppress(InvalidSignature):         # of a key that is none something else comes
        found.public_key.verify(b"", b"")
    return Made(found.credential_id, bytes(found), data.counter)


def _shown(
    asker: Asker, known: Sequence[Authenticator], challenge: str, told: Mapping[str, Any]
) -> tuple[bytes, int]:
    """Which credential signed, and its counter."""
    counting = [AttestedCredentialData(one.credential) for one in known if one.copied_at is None]
    found = _server(asker.provider).authenticate_complete(_state(asker.provider, challenge), counting, told)
    answered = AuthenticationResponse.from_dict(told).response
    _refuse_framed(answered.client_data)
    if answered.user_handle not in (None, b"", user_handle(asker.provider, asker.user)):
        raise ValueError("the key is another person's")
    data: AuthenticatorData = answered.authenticator_data
    return found.credential_id, data.counter


def _proven(answer: str, prove: Callable[[Mapping[str, Any]], T]) -> T:
    """What the library makes of an answer; it raises whatever it stumbles over in one that is malformed."""
    if len(answer) > MAX_ANSWER_CHARACTERS:
        raise NotProven("the answer is too long")
    try:
        told = json.loads(answer)
        if not isinstance(told, dict):
            raise ValueError("the answer is no object")
        return prove(told)
    except Exception as error:
        _log.info("an authenticator's answer does not count", extra={"error": type(error).__name__})
        raise NotProven("the answer of the key is not right") from error


def _refuse_framed(client_data: CollectedClientData) -> None:
    """No page of another origin has ours in a frame (WebAuthn 7.2, step 13)."""
    if client_data.cross_origin:
        raise ValueError("the answer was given in a frame of another origin")


def _server(provider: Provider) -> Fido2Server:
    entity = PublicKeyCredentialRpEntity(name=rp_id(provider), id=rp_id(provider))
    server = Fido2Server(entity, attestation=AttestationConveyancePreference.NONE,
                         verify_origin=lambda origin: origin == provider.issuer)  # fmt: skip
    server.timeout = _WAIT_MS            # type: ignore[assignment]
    return server


def _state(provider: Provider, challenge: str) -> Mapping[str, Any]:
    """What the library would have kept."""
    return {"challenge": encoded(challenge.encode()), "user_verification": _verification(provider)}


def _verification(provider: Provider) -> UserVerificationRequirement:
    return UserVerificationRequirement(provider.settings.user_verification)


def _descriptor(one: Authenticator) -> Any:
    return to_descriptor(AttestedCredentialData(one.credential))


def _algorithms() -> Sequence[int]:
    return CoseKey.supported_algorithms()
