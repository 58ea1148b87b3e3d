"""What goes wrong in OAuth, in its own words."""

from collections.abc import Mapping

STATUS = {                               # RFC 6749 5.2, RFC 6750 3.1; 400 for all others
    "invalid_client": 401,
    "invalid_token": 401,
    "insufficient_scope": 403,
    "temporarily_unavailable": 503,
    "server_error": 500,
}


class OAuthError(Exception):
    """A refusal: `code` of RFC 6749 5.2 or 4.1.2.1, and why, in ASCII and without quotes (RFC 6749 5.2)."""

    def __init__(self, code: str, description: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """Of HTTP."""
        return STATUS.get(self.code, 400)


class Untrusted(Exception):
    """A request whose client or redirect URI is not known: the person is told, nobody is redirected (RFC 6749
    4.1.2.1). `word`: which of the pages' words says so."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word
