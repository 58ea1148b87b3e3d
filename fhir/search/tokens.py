"""Tokens asked for: `code`, `system|code`, `|code`, `system|` (http://hl7.org/fhir/R4/search.html#token)."""

from fhir.search.escapes import plain, split
from fhir.search.query import TokenIs
from pacsd.faults import Fault, PacsdError


def token(text: str) -> TokenIs:
    """One value. Raises PacsdError MISMATCH for one that has neither system nor code, or too many bars."""
    parts = [plain(one) for one in split(text, "|")]
    if len(parts) > 2 or not any(parts):
        raise PacsdError(Fault.MISMATCH, "a token is code, system|code, |code or system|")
    if len(parts) == 1:
        return TokenIs(None, parts[0])
    return TokenIs(parts[0], parts[1] or None)


def identifier_of_type(text: str) -> TokenIs:
    """The value of `:of-type`: `system|code|value`. Raises PacsdError MISMATCH for anything else."""
    parts = [plain(one) for one in split(text, "|")]
    if len(parts) != 3 or not all(parts[1:]):
        raise PacsdError(Fault.MISMATCH, "the value of :of-type is system|code|value")
    return TokenIs(parts[0] or None, f"{parts[1]}|{parts[2]}")
