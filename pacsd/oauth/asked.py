"""A request as the endpoints see it: read whole, bounded, each parameter once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from pacsd.oauth.refusal import OAuthError

TICKED = "granted"                       # the one field of our forms that comes several times
MAX_BODY_BYTES = 65_536
MAX_QUERY_BYTES = 16_384
_MAX_FIELDS = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `headers` by lower-case name; `certificate`: of the TLS client, in DER."""

    method: str
    path: str
    query: str = ""
    form: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    certificate: bytes | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """Of the query, each once. Raises OAuthError."""
        return once(pairs_of(self.query))

    @property
    def fields(self) -> dict[str, str]:
        """Of the form, each once but what is ticked. Raises OAuthError."""
        return once(one for one in self.form if one[0] != TICKED)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field that may come several times."""
        return tuple(value for key, value in self.form if key == name)


def pairs_of(text: str) -> tuple[tuple[str, str], ...]:
    """Names and values of a query or form. Raises OAuthError."""
    try:
        found = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except (ValueError, UnicodeDecodeError) as error:
        raise OAuthError("invalid_request", "the parameters cannot be read") from error
    return tuple(found)


def once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Parameters by name; empty ones count as absent, and none may come twice (RFC 6749 3.1). Raises OAuthError."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise OAuthError("invalid_request", "a parameter stands there twice")
        found[name] = value
    return {name: value for name, value in found.items() if value}


def with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """A URL with more in its query; of what it has there nothing is lost (RFC 6749 3.1.2)."""
    joint = "&" if "?" in url else "?"
    return f"{url}{joint}{urlencode(parameters)}"
