"""A security key in software: what a browser would hand to the page, right in all, or wrong in one thing."""

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40           # WebAuthn 6.1


@dataclass
class Key:
    """One credential (WebAuthn 6.4); `counter` goes up by `step` each time."""

    rp: str = "localhost"
    origin: str = "http://localhost:8080"
    counter: int = 0
    step: int = 1
    flags: int = PRESENT | VERIFIED
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: dict[str, Any], **wrong: Any) -> dict[str, Any]:
        """A new credential's answer."""
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + wrong.pop("cose", self._cose())
        client, data = self._said("webauthn.create", options, ATTESTED, attested, wrong)
        statement = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59" + struct.pack(">H", len(data)) + data
        return self._answer(clientDataJSON=client, attestationObject=statement)

    def get(self, options: dict[str, Any], **wrong: Any) -> dict[str, Any]:
        """A signature of the challenge."""
        handle = wrong.pop("handle", None)
        client, data = self._said("webauthn.get", options, 0, b"", wrong)
        signed = self.private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        more = {} if handle is None else {"userHandle": handle}
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signed, **more)

    def _said(
        self, kind: str, options: dict[str, Any], flag: int, attested: bytes, wrong: dict[str, Any]
    ) -> tuple[bytes, bytes]:
        self.counter += self.step
        told = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False,
                **wrong}  # fmt: skip
        scope = hashlib.sha256(self.rp.encode()).digest()
        return json.dumps(told).encode(), scope + struct.pack(">BI", self.flags | flag, self.counter) + attested

    def _cose(self) -> bytes:
        """COSE_Key of ES256 (RFC 9053 7.1.1)."""
        point = self.private.public_key().public_numbers()
        x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
        return b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + x + b"\x22\x58\x20" + y

    def _answer(self, **response: bytes) -> dict[str, Any]:
        identifier = text(self.id)
        return {"id": identifier, "rawId": identifier, "type": "public-key", "clientExtensionResults": {},
                "response": {name: text(value) for name, value in response.items()}}  # fmt: skip


def text(data: bytes) -> str:
    """As it goes over the wire."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
