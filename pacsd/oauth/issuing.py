"""Access tokens (RFC 9068, IHE IUA ITI-71) and id tokens (OpenID Connect Core 2) as they are written."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from pacsd.access.token_claims import IUA, PATIENT_REQUEST, TREATMENT
from pacsd.access.tokens import thumbprint
from pacsd.codec.base64url import encoded
from pacsd.index.oauth_clients import Client
from pacsd.index.oauth_grants import Grant
from pacsd.index.oauth_users import User
from pacsd.oauth.provider import Provider

PURPOSE_OF_USE = "urn:oid:2.16.840.1.113883.1.11.20448"
ROLE_SYSTEM = "urn:pacsd:role"


def access_token(
    provider: Provider, client: Client, *, scopes: Sequence[str], audience: Sequence[str], grant: Grant | None = None,
    user: User | None = None, certificate: bytes | None = None,
) -> str:  # fmt: skip
    """A signed token; bound to the client's certificate where it showed one (RFC 8705 3)."""
    now = int(provider.clock())
    claims: dict[str, Any] = {
        "iss": provider.issuer, "sub": user.username if user is not None else client.client_id,
        "aud": list(audience) if len(audience) > 1 else audience[0], "client_id": client.client_id,
        "iat": now, "exp": now + int(provider.settings.access_token_s), "jti": str(uuid4()),
        "scope": " ".join(scopes),
        "extensions": {IUA: iua(provider, user, client)},
    }  # fmt: skip
    if grant is not None:
        claims["grant"] = str(grant.id)
        claims["auth_time"] = int(grant.signed_in_at.timestamp())
        if grant.patient:
            claims["patient"] = grant.patient
    if certificate is not None and client.method == "self_signed_tls_client_auth":
        claims["cnf"] = {"x5t#S256": thumbprint(certificate)}
    return provider.keys.sign(claims, kind="at+jwt")


def iua(provider: Provider, user: User | None, client: Client) -> Mapping[str, Any]:
    """The extension of ITI-71 3.71.4.2.2.1."""
    code = user.organisation if user is not None else client.organisation
    roles = user.roles if user is not None else client.roles
    purpose = PATIENT_REQUEST if user is not None and user.patient else TREATMENT
    return {
        "subject_name": user.name if user is not None else client.name,
        "subject_organization": provider.organisations[code].name,
        "subject_organization_id": code,
        "subject_role": [{"system": ROLE_SYSTEM, "code": one} for one in roles],
        "purpose_of_use": [{"system": PURPOSE_OF_USE, "code": purpose}],
    }


def id_token(provider: Provider, client: Client, grant: Grant, user: User, access: str) -> str:
    """Who signed in, for the client."""
    now = int(provider.clock())
    claims: dict[str, Any] = {
        "iss": provider.issuer, "sub": user.username, "aud": client.client_id, "iat": now,
        "exp": now + int(provider.settings.access_token_s), "auth_time": int(grant.signed_in_at.timestamp()),
        "amr": list(grant.methods), "at_hash": encoded(hashlib.sha256(access.encode()).digest()[:16]),
        **profile(provider, user, grant.scopes, patient=grant.patient),
    }  # fmt: skip
    if grant.nonce:
        claims["nonce"] = grant.nonce
    return provider.keys.sign(claims, kind="JWT")


def profile(provider: Provider, user: User, scopes: Sequence[str], *, patient: str = "") -> dict[str, Any]:
    """What of a user the scopes profile and fhirUser tell (OpenID Connect Core 5.4, SMART App Launch 2.2)."""
    told: dict[str, Any] = {}
    if "profile" in scopes:
        told |= {"name": user.name, "preferred_username": user.username}
    named = user.fhir_user or (f"Patient/{patient}" if user.patient and patient else "")
    if "fhirUser" in scopes and named:
        told["fhirUser"] = f"{provider.fhir_base}/{named}"
    return told
