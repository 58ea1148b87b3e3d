"""Public keys of an issuer (RFC 7517): fetched when they are needed, and no more often than that."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

from pacsd.faults import Fault, PacsdError

Document = Mapping[str, object]

# kinds of key by how an algorithm begins
_KEYS_OF: dict[str, type[Any]] = {"RS": RSAKey, "PS": RSAKey, "ES": ECKey, "Ed": OKPKey}
_MAX_KEYS = 64
_MIN_RSA_BITS = 2048                     # RFC 7518 3.3

log = logging.getLogger("pacsd.access")


class KeySet:
    """An issuer's keys by id.

    `load` gives the document and may fail. What was loaded counts for `fresh_s`; an unknown key makes it load again,
    but not within `pause_s`; where loading fails, what there was counts for `stale_s`. `of`: whose they are, for logs.
    """

    def __init__(
        self, load: Callable[[], Document], *, of: str = "", fresh_s: float = 600.0, pause_s: float = 30.0,
        stale_s: float = 86_400.0, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._load = load
        self._of = of
        self._fresh_s, self._pause_s, self._stale_s = fresh_s, pause_s, stale_s
        self._clock = clock
        self._lock = Lock()
        self._keys: tuple[tuple[str, Key], ...] = ()
        self._loaded = self._tried = float("-inf")

    def find(self, algorithm: str, key_id: str) -> list[Key]:
        """The keys that may have made a signature: that of the id, or without one all that fit the algorithm.

        Raises PacsdError UNAVAILABLE when the keys cannot be had.
        """
        found = self._fitting(algorithm, key_id, older_than_s=self._fresh_s)
        return found or self._fitting(algorithm, key_id, older_than_s=self._pause_s)

    def _fitting(self, algorithm: str, key_id: str, *, older_than_s: float) -> list[Key]:
        kind = _KEYS_OF.get(algorithm[:2], RSAKey)
        keys = self._current(older_than_s)
        return [key for name, key in keys if isinstance(key, kind) and (not key_id or name == key_id)]

    def _current(self, older_than_s: float) -> tuple[tuple[str, Key], ...]:
        with self._lock:                 # others wait for the one that loads, instead of loading too
            now = self._clock()
            if now - self._loaded >= older_than_s and now - self._tried >= min(self._pause_s, older_than_s):
                self._tried = now
                self._renew(now)
            if now - self._loaded > self._stale_s:
                raise PacsdError(Fault.UNAVAILABLE, "the keys of the token's issuer cannot be had")
            return self._keys

    def _renew(self, now: float) -> None:
        try:
            self._keys, self._loaded = read_keys(self._load()), now
        except PacsdError as error:      # what there is counts on, for a while
            told = {"of": self._of, "fault": error.fault.value, "reason": error.message}
            log.warning("keys cannot be had", extra=told)


def read_keys(document: Document) -> tuple[tuple[str, Key], ...]:
    """The public keys of a JWK Set with their ids; those that cannot sign tokens are passed over (RFC 7517 5).

    Symmetric keys are among them: whoever can read the set could sign with those.
    """
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise PacsdError(Fault.MALFORMED, "a JWK Set has a list of keys")
    found = []
    for told in listed[:_MAX_KEYS]:
        key = _key(told)
        if key is not None:
            found.append((str(told.get("kid", "")), key))
    return tuple(found)


def document_of(text: bytes) -> Document:
    """A JSON object. Raises PacsdError MALFORMED."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PacsdError(Fault.MALFORMED, "not JSON") from error
    if not isinstance(told, dict):
        raise PacsdError(Fault.MALFORMED, "not a JSON object")
    return told


def _key(told: object) -> Key | None:
    if not isinstance(told, dict) or told.get("kty") not in ("RSA", "EC", "OKP") or told.get("use", "sig") != "sig":
        return None
    public = {name: value for name, value in told.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
    try:
        key = JWKRegistry.import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, RSAKey) and key.public_key.key_size < _MIN_RSA_BITS:
        return None
    return key
