"""Texts as numbers, so that search rows stay narrow: the same in Python and in SQL, today and in ten years."""

from functools import lru_cache
from hashlib import sha256

KEY_SQL = "('x' || substr(encode(sha256(({text})::bytea), 'hex'), 1, 16))::bit(64)::bigint"
"""What `key` computes, as an expression of SQL on a text of ASCII without backslashes."""


@lru_cache(maxsize=1 << 16)
def key(text: str) -> int:
    """A code, system, unit or reference as a signed number of 64 bits: the first of its SHA-256."""
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)


@lru_cache(maxsize=1 << 14)
def number(name: str) -> int:
    """The name of a search parameter (`Patient.identifier`, `Patient.identifier:of-type`) as a number of 32 bits.

    A test holds that no two names of R4 have the same.
    """
    return int.from_bytes(sha256(name.encode("utf-8", "surrogatepass")).digest()[:4], "big", signed=True)


def token_key(name: str, code: str) -> int:
    """A code as it is compared under a parameter's name: case does not count, but of identifiers it does.

    search.html#token: servers SHOULD treat tokens in a case-insensitive manner when in doubt; of Identifier.value
    there is none (datatypes.html#Identifier).
    """
    return key(code) if "identifier" in name.rpartition(".")[2] or ":of-type" in name else key(code.casefold())
