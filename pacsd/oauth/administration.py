"""Users and clients as `pacsd users` and `pacsd clients` make them; a running server feels it at once."""

import json
import re
from collections.abc import Sequence

from pacsd.access.key_sets import document_of, read_keys
from pacsd.access.principal import HELD, Role
from pacsd.access.smart_scopes import parse
from pacsd.faults import Fault, PacsdError
from pacsd.index import oauth_clients, oauth_users
from pacsd.index.connect import Pool
from pacsd.index.oauth_clients import Client
from pacsd.index.oauth_users import User
from pacsd.oauth.authorization_request import OTHER_SCOPES, redirect_problem
from pacsd.oauth.client_authentication import METHODS
from pacsd.oauth.introspect import MAY_ASK
from pacsd.oauth.passwords import Passwords
from pacsd.oauth.sealing import hashed, new_token
from pacsd.oauth.sign_in import folded
from pacsd.oauth.token import GRANTS

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_FHIR_USER = re.compile(r"(Practitioner|PractitionerRole|Patient|RelatedPerson|Person)/[A-Za-z0-9.-]{1,64}")
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_SECRET = ("client_secret_basic", "client_secret_post")


class Administration:
    """Raises PacsdError: INVALID for what cannot be, CONFLICT for what is there, NOT_FOUND for what is not."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._passwords = Passwords()

    def users(self) -> Sequence[User]:
        """All users."""
        return oauth_users.users(self._pool)

    def add_user(
        self, username: str, password: str, *, organisation: str, name: str = "", roles: Sequence[str] = (),
        patient: tuple[str, str] | None = None, fhir_user: str = "",
    ) -> None:  # fmt: skip
        """Make a user; a patient has the authority and id of their record."""
        login = folded(username)
        if not login or not login.isprintable() or login != username.strip().casefold():
            raise PacsdError(Fault.INVALID, "a user name has 1 to 64 letters")
        _check_roles(roles, patient)
        if fhir_user and not _FHIR_USER.fullmatch(fhir_user):
            raise PacsdError(Fault.INVALID, "the FHIR user is a reference such as Practitioner/17")
        hash_of = self._passwords.hash(password, username=login)
        if not oauth_users.add(
            self._pool, organisation=organisation, username=login, name=name or login, password=hash_of, roles=roles,
            patient=patient, fhir_user=fhir_user,
        ):  # fmt: skip
            raise PacsdError(Fault.CONFLICT, f"there is a user {login}")

    def set_password(self, username: str, password: str) -> None:
        """Another password; all that was open ends."""
        user = self._user(username)
        oauth_users.set_password(self._pool, user.pk, self._passwords.hash(password, username=user.username))

    def set_locked(self, username: str, *, locked: bool) -> None:
        """Lock a user out, or let them in again."""
        if not oauth_users.set_locked(self._pool, folded(username), locked=locked):
            raise _no_user(username)

    def set_roles(self, username: str, roles: Sequence[str]) -> None:
        """Other roles."""
        user = self._user(username)
        _check_roles(roles, user.patient)
        oauth_users.set_roles(self._pool, user.username, roles)

    def forget_second_factor(self, username: str) -> None:
        """For who lost theirs."""
        if not oauth_users.forget_second_factor(self._pool, folded(username)):
            raise _no_user(username)

    def clients(self) -> Sequence[Client]:
        """All clients."""
        return oauth_clients.clients(self._pool)

    def add_client(
        self, client_id: str, *, organisation: str, name: str = "", method: str = "none",
        redirect_uris: Sequence[str] = (), scopes: Sequence[str] = (), roles: Sequence[str] = ("system",),
        keys: bytes | None = None, keys_url: str = "", certificate: str = "", trusted: bool = False,
        launches: bool = False, introspects: bool = False,
    ) -> str:  # fmt: skip
        """Register a client; its secret, which is told this once, or nothing where it has none."""
        if not _CLIENT_ID.fullmatch(client_id):
            raise PacsdError(Fault.INVALID, "a client id has letters, digits and . _ : / -")
        if method not in METHODS:
            raise PacsdError(Fault.INVALID, f"the method is {', '.join(METHODS)}")
        _check_uris(redirect_uris)
        _check_scopes(scopes)
        _check_roles(roles, None)
        document = _keys(method, keys, keys_url)
        if (method == "self_signed_tls_client_auth") != bool(_THUMBPRINT.fullmatch(certificate)):
            raise PacsdError(Fault.INVALID, "self_signed_tls_client_auth goes with the SHA-256 of a certificate")
        secret = new_token() if method in _SECRET else ""
        client = Client(
            client_id, organisation, name or client_id, method, hashed(secret) if secret else None, document,
            keys_url or None, certificate or None, tuple(redirect_uris), tuple(scopes), tuple(roles),
            _grants(method, redirect_uris, introspects), trusted, launches and method != "none",
        )  # fmt: skip
        if not oauth_clients.add(self._pool, client):
            raise PacsdError(Fault.CONFLICT, f"there is, or was, a client {client_id}")
        return secret

    def remove_client(self, client_id: str) -> None:
        """End a client, and all that was granted to it."""
        if not oauth_clients.remove(self._pool, client_id):
            raise PacsdError(Fault.NOT_FOUND, f"there is no client {client_id}")

    def _user(self, username: str) -> User:
        user = oauth_users.user(self._pool, folded(username))
        if user is None:
            raise _no_user(username)
        return user


def _no_user(username: str) -> PacsdError:
    return PacsdError(Fault.NOT_FOUND, f"there is no user {username}")


def _check_roles(roles: Sequence[str], patient: tuple[str, str] | None) -> None:
    known = [role.value for role in Role if role in HELD]
    for one in roles:
        if one not in known:
            raise PacsdError(Fault.INVALID, f"{one!r} is none of {', '.join(known)}")
    if not roles:
        raise PacsdError(Fault.INVALID, "at least one role")
    if (Role.PATIENT.value in roles) != (patient is not None) or (patient is not None and len(set(roles)) > 1):
        raise PacsdError(Fault.INVALID, "who is a patient has the record of one, and no other role")


def _check_uris(uris: Sequence[str]) -> None:
    for one in uris:
        problem = redirect_problem(one)
        if problem is not None:
            raise PacsdError(Fault.INVALID, f"redirect URI {one!r}: {problem}")


def _check_scopes(scopes: Sequence[str]) -> None:
    for one in scopes:
        if one not in OTHER_SCOPES and parse(one) is None:
            raise PacsdError(Fault.INVALID, f"{one!r} is no scope that is known")


def _keys(method: str, keys: bytes | None, keys_url: str) -> dict[str, object] | None:
    """The registered key set, its private parts never."""
    if (method == "private_key_jwt") != (keys is not None or bool(keys_url)):
        raise PacsdError(Fault.INVALID, "private_key_jwt goes with a key set, or its URL")
    if keys is None:
        return None
    found = [key.as_dict(private=False) | ({"kid": name} if name else {}) for name, key in read_keys(document_of(keys))]
    if not found:
        raise PacsdError(Fault.INVALID, "the key set has no public key that signs")
    document: dict[str, object] = json.loads(json.dumps({"keys": found}))
    return document


def _grants(method: str, redirect_uris: Sequence[str], introspects: bool) -> tuple[str, ...]:
    """What fits: people for who can be returned to, itself for who proves who it is."""
    people = ("authorization_code", "refresh_token") if redirect_uris else ()
    itself = ("client_credentials",) if method != "none" else ()
    return tuple(one for one in GRANTS if one in (*people, *itself)) + ((MAY_ASK,) if introspects else ())
