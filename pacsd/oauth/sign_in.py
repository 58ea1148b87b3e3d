"""Signing in: a password, then a second factor where there is one; guessing is made slow, for nobody for ever.

Wrong guesses are counted for a name from one address, for a name from anywhere, and for an address whatever the name.
The count from anywhere, which others can drive up, makes nobody wait longer than a minute, and nobody at all on a
device from which they signed in before.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from uuid import uuid4

from config.networks import client_network
from pacsd.index import oauth_sessions, oauth_users
from pacsd.index.oauth_sessions import Session
from pacsd.index.oauth_users import Guesses, User
from pacsd.oauth import totp, webauthn
from pacsd.oauth.provider import Provider
from pacsd.oauth.sealing import hashed, new_token
from pacsd.oauth.webauthn import Asker, NotProven

PASSWORD, ENROL, FULL = "password", "enrol", "full"      # levels of a session
PWD, OTP, POP, MFA = "pwd", "otp", "pop", "mfa"          # RFC 8176
HALF_LASTS_S = 600.0                     # of a session that waits for its second factor
TOTP_PURPOSE = "second factor"           # what its secret is sealed for
_MAX_NAME, _MAX_AGENT = 64, 200
_ANYWHERE = "*"


@dataclass(frozen=True, slots=True)
class From:
    """Where somebody signs in from. `device`: what the cookie of an earlier time holds, empty without one."""

    address: str
    agent: str = ""
    device: str = ""


class NotIn(Exception):
    """Somebody was not let in; the same for a wrong name and a wrong password. `wait_s`: before the next try."""

    def __init__(self, wait_s: float = 0.0) -> None:
        super().__init__()
        self.wait_s = wait_s


def folded(username: str) -> str:
    """A user's name as it is kept: how it was typed does not matter."""
    return unicodedata.normalize("NFKC", username).strip().casefold()[:_MAX_NAME]


def by_password(provider: Provider, username: str, password: str, place: From) -> tuple[str, User]:
    """What the session's cookie shall hold. Raises NotIn."""
    name = folded(username)
    user = oauth_users.user(provider.pool, name)
    counts = _counts(provider, name, user, place)
    wait_s = oauth_users.guess(provider.pool, counts)
    if wait_s:
        raise _refused(provider, name, user, place, "guessed too often", wait_s)
    is_right = provider.passwords.is_right(user.password if user is not None else None, password)
    if user is None or not is_right or user.locked or user.organisation not in provider.organisations:
        raise _refused(provider, name, user, place, "wrong name or password")
    oauth_users.guessed(provider.pool, counts)
    if provider.passwords.wants_renewal(user.password):
        oauth_users.renew_hash(provider.pool, user.pk, user.password, provider.passwords.renewed(password))
    token, level = _begin(provider, user, place)
    if level == FULL:
        entered(provider, user, place)
    return token, user


def has_second_factor(provider: Provider, user: User) -> bool:
    """Whether a user set one up, an app or a key; a key that counts no more is asked for all the same."""
    return user.totp_confirmed or user.has_keys


def by_code(provider: Provider, session: Session, user: User, shown: str, place: From) -> str:
    """What the cookie of the full session shall hold, after a code of an authenticator app. Raises NotIn."""
    check_code(provider, user, shown, place)
    token = raised(provider, session, OTP)
    entered(provider, user, place)
    return token


def by_key(asker: Asker, challenge: str, stamp: str, answer: str, place: From) -> str:
    """What the cookie of the full session shall hold, after a security key signed our challenge. Raises NotIn."""
    provider, user = asker.provider, asker.user
    counts = _second_counts(provider, user, place)
    try:
        webauthn.shown(asker, challenge, stamp, answer)
    except NotProven as error:
        raise _refused(provider, user.username, user, place, error.reason) from error
    oauth_users.guessed(provider.pool, counts)
    token = raised(provider, asker.session, POP)
    entered(provider, user, place)
    return token


def entered(provider: Provider, user: User, place: From) -> None:
    """Record that somebody signed in, with all that is asked of them. Raises PacsdError UNAVAILABLE."""
    provider.recording.entered(user.username, organisation=user.organisation, address=place.address, name=user.name)


def _refused(
    provider: Provider, name: str, user: User | None, place: From, reason: str, wait_s: float = 0.0
) -> NotIn:
    """NotIn, once it is on record."""
    organisation = user.organisation if user is not None else ""
    provider.recording.refused(name, address=place.address, reason=reason, organisation=organisation)
    return NotIn(wait_s)


def check_code(provider: Provider, user: User, shown: str, place: From) -> None:
    """Raises NotIn unless a code is right, was not shown before, and not too many were guessed."""
    counts = _second_counts(provider, user, place)
    if not take_code(provider, user, shown):
        raise _refused(provider, user.username, user, place, "wrong code")
    oauth_users.guessed(provider.pool, counts)


def _second_counts(provider: Provider, user: User, place: From) -> list[Guesses]:
    """The counts of a try at a second factor, this one counted. Raises NotIn where there were too many."""
    subject = _digest("second factor", str(user.pk))
    counts = [Guesses(subject, client_network(place.address), free=5, most_s=900.0),
              Guesses(subject, _ANYWHERE, free=20, most_s=60.0)]  # fmt: skip
    wait_s = oauth_users.guess(provider.pool, counts)
    if wait_s:
        raise _refused(provider, user.username, user, place, "guessed too often", wait_s)
    return counts


def check_password(provider: Provider, user: User, password: str, place: From) -> None:
    """Raises NotIn unless it is the password of who is signed in, and not too many were guessed."""
    counts = [Guesses(_digest("name", user.username), client_network(place.address), free=5, most_s=900.0)]
    wait_s = oauth_users.guess(provider.pool, counts)
    if wait_s or not provider.passwords.is_right(user.password, password):
        raise _refused(provider, user.username, user, place, "wrong password", wait_s)
    oauth_users.guessed(provider.pool, counts)


def take_code(provider: Provider, user: User, shown: str) -> bool:
    """Whether a code is right, and was not shown before."""
    if user.totp is None:
        return False
    step = totp.step_of(provider.sealer.open(TOTP_PURPOSE, user.totp), shown, now=provider.clock())
    return step is not None and oauth_users.take_totp(provider.pool, user.pk, step, sealed=user.totp)


def raised(provider: Provider, session: Session, method: str) -> str:
    """What the cookie of the session shall hold now that a second factor was shown. Raises NotIn."""
    token = new_token()
    methods = (*session.methods, method, MFA)
    if not oauth_sessions.raise_level(provider.pool, session.id, hashed(token), methods=methods,
                                      lasts_s=provider.settings.session_s):  # fmt: skip
        raise NotIn
    return token


def remember_device(provider: Provider, user: User) -> str:
    """What a cookie shall hold on a device from which somebody signed in."""
    device = new_token()
    oauth_users.remember_device(provider.pool, hashed(device), user.pk)
    return device


def _begin(provider: Provider, user: User, place: From) -> tuple[str, str]:
    token, level = new_token(), FULL
    if has_second_factor(provider, user):
        level = PASSWORD
    elif provider.settings.second_factor == "required" and user.patient is None:
        level = ENROL
    lasts_s = provider.settings.session_s if level == FULL else HALF_LASTS_S
    oauth_sessions.add(
        provider.pool, hashed(token), uuid4(), user.pk, level=level, methods=(PWD,), address=place.address,
        agent=place.agent[:_MAX_AGENT], lasts_s=lasts_s,
    )  # fmt: skip
    return token, level


def _counts(provider: Provider, name: str, user: User | None, place: From) -> list[Guesses]:
    subject, network = _digest("name", name), client_network(place.address)
    counts = [Guesses(subject, network, free=5, most_s=900.0), Guesses(b"", network, free=50, most_s=900.0)]
    known = place.device and user is not None and oauth_users.is_known_device(
        provider.pool, hashed(place.device), user.pk)  # fmt: skip
    return counts if known else [*counts, Guesses(subject, _ANYWHERE, free=20, most_s=60.0)]


def _digest(kind: str, text: str) -> bytes:
    return hashlib.sha256(f"{kind} {text}".encode()).digest()
