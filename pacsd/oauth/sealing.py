"""What may leave this server or rest in the index only sealed or signed, under keys of one secret."""

import base64
import hashlib
import hmac
import secrets
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pacsd.codec.base64url import encoded
from pacsd.faults import Fault, PacsdError

SECRET_BYTES = 32
_NONCE_BYTES = 12


class Sealer:
    """Seals (AES-256-GCM) and signs (HMAC-SHA-256), each for a purpose that is part of it."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_BYTES:
            raise PacsdError(Fault.INVALID, f"the secret of oauth has at least {SECRET_BYTES} bytes")
        self._secret = secret

    def seal(self, purpose: str, content: bytes) -> bytes:
        """Bytes that only `open` understands."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._key("seal", purpose)).encrypt(nonce, content, purpose.encode())

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """What was sealed. Raises PacsdError INVALID for what was not, with this secret."""
        try:
            key = AESGCM(self._key("seal", purpose))
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise PacsdError(Fault.INVALID, f"{purpose}: sealed with another secret") from error

    def sign(self, purpose: str, text: str) -> str:
        """A text that proves another."""
        return encoded(hmac.new(self._key("sign", purpose), text.encode(), hashlib.sha256).digest())

    def is_signed(self, purpose: str, text: str, signature: str) -> bool:
        """Whether the signature is that of the text; takes as long whatever it is."""
        return hmac.compare_digest(self.sign(purpose, text).encode(), signature.encode("utf-8", "replace"))

    def stamped(self, purpose: str, text: str, *, lasts_s: float) -> str:
        """A signature that counts for a while."""
        until = str(int(time.time() + lasts_s))
        return f"{until}.{self.sign(purpose, f'{until}.{text}')}"

    def is_stamped(self, purpose: str, text: str, stamp: str) -> bool:
        """Whether a stamp is right, and still counts."""
        until, _, signature = stamp.partition(".")
        signed = self.is_signed(purpose, f"{until}.{text}", signature)
        return signed and until.isdigit() and len(until) < 15 and int(until) >= time.time()

    def _key(self, kind: str, purpose: str) -> bytes:
        info = f"pacsd oauth {kind} {purpose}".encode()
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self._secret)


def decoded_secret(text: str) -> bytes:
    """The secret of a file: base64 of 32 bytes or more. Raises PacsdError INVALID."""
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except ValueError as error:
        raise PacsdError(Fault.INVALID, "the secret file of oauth is not base64") from error
    if len(secret) < SECRET_BYTES:
        raise PacsdError(Fault.INVALID, f"the secret file of oauth holds fewer than {SECRET_BYTES} bytes")
    return secret


def new_secret() -> str:
    """The text of a new secret file."""
    return base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode() + "\n"


def new_token() -> str:
    """256 random bits: a code, a refresh token, a cookie, a client's secret."""
    return encoded(secrets.token_bytes(32))


def hashed(token: str) -> bytes:
    """As the index knows a token: what is random enough needs no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
