"""Our own access tokens as the rest of the server takes them: what they stand for is looked up as things stand."""

from collections.abc import Sequence
from uuid import UUID

from pacsd.access.key_sets import Document
from pacsd.access.principal import HELD, PatientKey, Principal, Proof, Role
from pacsd.access.signed import Claims, refuse
from pacsd.access.token_claims import default_purpose, is_about_one, purpose_of, scopes_of
from pacsd.index import oauth_clients, oauth_grants, oauth_users
from pacsd.index.oauth_grants import Grant
from pacsd.index.oauth_users import User
from pacsd.oauth.provider import Provider
from pacsd.oauth.sealing import hashed


class OwnTokens:
    """access.tokens.Own. Roles and organisation are those that the user has now, not those of the token's day."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    @property
    def issuer(self) -> str:
        """As tokens name it."""
        return self._provider.issuer

    @property
    def audience(self) -> Sequence[str]:
        """What tokens for this server name."""
        return self._provider.audience

    def keys(self) -> Document:
        """Its JWK Set."""
        return self._provider.keys.document()

    def principal(self, claims: Claims) -> Principal:
        """As access.tokens.Own has it."""
        grant = claims.get("grant")
        return self._client(claims) if grant is None else self._user(claims, str(grant))

    def _user(self, claims: Claims, named: str) -> Principal:
        grant = oauth_grants.standing(self._provider.pool, _uuid(named), hashed(str(claims.get("jti"))))
        user = oauth_users.by_key(self._provider.pool, grant.user_pk) if grant is not None else None
        if grant is None or user is None:
            refuse("the token was revoked")
        permissions, patient = scopes_of(claims), _patient(user)
        launched = _context(grant) if is_about_one(permissions) else None
        return Principal(
            subject=user.username, organisation=user.organisation, roles=_roles(user.roles), proof=Proof.TOKEN,
            name=user.name, client=grant.client_id, permissions=permissions, patient=patient,
            context=patient or launched, purpose=purpose_of(claims, default_purpose(_roles(user.roles))),
            claims=dict(claims),
        )  # fmt: skip

    def _client(self, claims: Claims) -> Principal:
        pool = self._provider.pool
        client = oauth_clients.client(pool, str(claims.get("client_id")))
        if client is None or oauth_grants.is_revoked(pool, hashed(str(claims.get("jti")))):
            refuse("the token was revoked")
        return Principal(
            subject=client.client_id, organisation=client.organisation, roles=_roles(client.roles), proof=Proof.TOKEN,
            name=client.name, client=client.client_id, permissions=scopes_of(claims),
            purpose=purpose_of(claims, default_purpose(_roles(client.roles))), claims=dict(claims),
        )  # fmt: skip


def user_principal(user: User) -> Principal:
    """A user who is signed in on our own pages."""
    return Principal(
        subject=user.username, organisation=user.organisation, roles=_roles(user.roles), proof=Proof.TOKEN,
        name=user.name, patient=_patient(user),
    )  # fmt: skip


def _roles(words: Sequence[str]) -> frozenset[Role]:
    names = {role.value for role in HELD}
    return frozenset(Role(word) for word in words if word in names)


def _patient(user: User) -> PatientKey | None:
    return PatientKey(*user.patient) if user.patient is not None and Role.PATIENT.value in user.roles else None


def _context(grant: Grant) -> PatientKey | None:
    if grant.patient_authority is None or grant.patient_id is None:
        return None
    return PatientKey(grant.patient_authority, grant.patient_id)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        refuse("the token was revoked")
