"""The keys that sign tokens: published a day before they sign, and for as long as a token of theirs may count.

All processes and machines share them through the index; whoever first finds that one is due makes it.
"""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from pacsd.index import oauth_keys
from pacsd.index.connect import Pool
from pacsd.oauth.sealing import Sealer

ALGORITHM = "RS256"                      # what every OpenID Connect client must know (OIDC Discovery 3)
BITS = 3072
_AHEAD = timedelta(days=1)               # so long before it signs a key is published
_AFTER = timedelta(days=2)               # and so long it stays after the last that it signed
_FRESH_S = 30.0
_PURPOSE = "signing key"


@dataclass(frozen=True, slots=True)
class _Loaded:
    signer: RSAKey
    public: tuple[Mapping[str, Any], ...]
    at: float


class SigningKeys:
    """Signs, and tells with what it is checked."""

    def __init__(
        self, pool: Pool, sealer: Sealer, *, every: timedelta, now: Callable[[], float] = time.time, bits: int = BITS
    ) -> None:
        self._pool, self._sealer, self._every, self._now, self._bits = pool, sealer, every, now, bits
        self._lock = Lock()
        self._loaded: _Loaded | None = None

    def sign(self, claims: Mapping[str, Any], *, kind: str) -> str:
        """A token; `kind` is its `typ`."""
        key = self._current().signer
        return jwt.encode({"alg": ALGORITHM, "typ": kind, "kid": key.kid}, dict(claims), key, algorithms=[ALGORITHM])

    def document(self) -> dict[str, object]:
        """The JWK Set (RFC 7517 5)."""
        return {"keys": [dict(one) for one in self._current().public]}

    def _current(self) -> _Loaded:
        with self._lock:
            if self._loaded is None or self._now() - self._loaded.at > _FRESH_S:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> _Loaded:
        now = datetime.fromtimestamp(self._now(), UTC)
        rows = oauth_keys.signing_keys(self._pool)
        newest = rows[0][3] if rows else None
        if newest is None or newest + self._every - _AHEAD <= now:
            starts = now if newest is None else max(newest + self._every, now + _AHEAD)
            self._make(starts, after=newest)
            oauth_keys.drop_signing_keys(self._pool, now - _AFTER)
            rows = oauth_keys.signing_keys(self._pool)
        key_id, _, sealed, _ = next((row for row in rows if row[3] <= now), rows[-1])
        opened = json.loads(self._sealer.open(f"{_PURPOSE} {key_id}", sealed))
        return _Loaded(RSAKey.import_key(opened), tuple(public for _, public, _, _ in rows), self._now())

    def _make(self, signs_from: datetime, *, after: datetime | None) -> None:
        key_id = secrets.token_hex(8)
        key = RSAKey.generate_key(self._bits, {"kid": key_id, "use": "sig", "alg": ALGORITHM})
        private = json.dumps(key.as_dict(private=True)).encode()
        sealed = self._sealer.seal(f"{_PURPOSE} {key_id}", private)
        oauth_keys.add_signing_key(self._pool, key_id, key.as_dict(private=False), sealed, signs_from, after=after)
