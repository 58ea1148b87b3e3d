"""What a link is. Its token is the only secret that opens it, and is kept nowhere: a digest finds it again."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from pacsd.access.principal import PatientKey

TOKEN_BYTES = 24                         # 192 bits
TOKEN_CHARACTERS = 32                    # as base64url
PATH = "/l/"                             # of a link, before its token
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True, slots=True)
class Link:
    """What somebody may look at who knows its token, and for how long.

    About studies of one organisation or, where there is a `patient`, about what it has of that person, or those studies
    of it. `released`: a person's own link, which opens what is released to them, whoever has it. `pin`: an argon2 hash,
    empty where no PIN is asked for.
    """

    name: str                            # stable, and not to be guessed; opens nothing
    organisation: int
    studies: tuple[str, ...]
    patient: PatientKey | None
    made_by: str
    made_at: datetime
    expires_at: datetime
    digest: bytes = field(repr=False)
    pin: str = field(default="", repr=False)
    download: bool = False
    released: bool = False
    max_views: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A link as it stands now."""

    link: Link
    views: int = 0
    revoked_at: datetime | None = None

    def is_live(self, at: datetime) -> bool:
        """Whether it opens anything at a time; whether it may be viewed once more is seen when it is."""
        used_up = self.link.max_views is not None and self.views >= self.link.max_views
        return self.revoked_at is None and at < self.link.expires_at and not used_up


def new_token() -> str:
    """A token of a new link."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> bytes | None:
    """By what a link is found; None for what is no token."""
    if len(token) != TOKEN_CHARACTERS or not _ALPHABET.issuperset(token):
        return None
    return hashlib.sha256(token.encode("ascii")).digest()
