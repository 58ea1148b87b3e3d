"""An authorization server of a test's own, which signs access tokens: for every room whose tests need one."""

import json
import time
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from config.oauth import IssuerSettings
from pacsd.access.tokens import Verifier
from pacsd.faults import Fault, PacsdError

ISSUER, AUDIENCE = "https://login.example", "https://pacs.example"
JWKS_URL, INTROSPECTION_URL = f"{ISSUER}/jwks", f"{ISSUER}/introspect"
ORGANISATIONS = {"default": "default", "east": "EAST-HIS", "west": "WEST-HIS"}


def iua(organisation: str, *roles: str, name: str = "", purpose: str = "TREAT") -> dict[str, Any]:
    """The extension of IHE IUA ITI-71 3.71.4.2.2.1."""
    told = {
        "subject_organization_id": organisation, "subject_role": [{"system": "urn:x", "code": one} for one in roles],
        "subject_name": name, "purpose_of_use": [{"system": "urn:oid:2.16.840.1.113883.1.11.20448", "code": purpose}],
    }  # fmt: skip
    return {"ihe_iua": told}


class Mint:
    """Signs tokens, publishes its keys, and answers introspection; `asked` counts requests by URL."""

    def __init__(self) -> None:
        self.keys = {
            "RS256": RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}),
            "ES256": ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"}),
            "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"}),
        }
        self.keys["PS256"] = self.keys["RS256"]
        self.keys["Ed25519"] = self.keys["EdDSA"]
        self.asked: dict[str, int] = {}
        self.opaque: dict[str, Mapping[str, Any]] = {}
        self.away = False

    def settings(self, **changes: Any) -> IssuerSettings:
        """How a server trusts this mint."""
        return IssuerSettings(**{"issuer": ISSUER, "audience": (AUDIENCE,), "jwks_url": JWKS_URL, **changes})

    def verifier(self, **changes: Any) -> Verifier:
        """A verifier that trusts this mint alone."""
        options = {name: changes.pop(name) for name in ("find_patient", "clock") if name in changes}
        return Verifier([self.settings(**changes)], ORGANISATIONS, fetch=self.fetch, **options)

    def claims(self, organisation: str = "default", *roles: str, **changes: Any) -> dict[str, Any]:
        """Those of an ordinary token; None takes one away."""
        now = int(time.time())
        told = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": "wang", "client_id": "viewer", "iat": now, "exp": now + 600,
            "jti": "1", "scope": "openid user/*.cruds", "extensions": iua(organisation, *(roles or ("radiologist",))),
            **changes,
        }  # fmt: skip
        return {name: value for name, value in told.items() if value is not None}

    def token(self, organisation: str = "default", *roles: str, **changes: Any) -> str:
        """An ordinary token, with other claims."""
        return self.signed(self.claims(organisation, *roles, **changes))

    def signed(self, claims: Mapping[str, Any], algorithm: str = "RS256", **header: Any) -> str:
        """Claims as a token, with other members of its header."""
        key = self.keys[algorithm]
        told = {"alg": algorithm, "typ": "at+jwt", "kid": key.kid, **header}
        return jwt.encode(told, dict(claims), key, algorithms=[algorithm])

    def fetch(self, url: str, *, form: Mapping[str, str] | None = None, user: str = "", secret: str = "") -> bytes:
        """The port of the verifier."""
        self.asked[url] = self.asked.get(url, 0) + 1
        if self.away:
            raise PacsdError(Fault.UNAVAILABLE, "away")
        if form is not None:
            return json.dumps(self.opaque.get(form["token"], {"active": False})).encode()
        keys = {key.kid: key.as_dict(private=False) for key in self.keys.values()}
        return json.dumps({"keys": list(keys.values())}).encode()
