r"""Values of search parameters, cut where no backslash stands before (http://hl7.org/fhir/R4/search.html#escaping)."""

import re

from pacsd.faults import Fault, PacsdError

MAX_VALUES = 1000                        # alternatives of one parameter


def split(text: str, mark: str) -> list[str]:
    r"""The parts between marks (`,` `|` `$`) that no backslash escapes, as they stand: `a\,b,c` has two."""
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == mark:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def plain(text: str) -> str:
    r"""A part with `\,` `\|` `\$` `\\` as what they stand for; other backslashes are themselves."""
    return re.sub(r"\\([,|$\\])", r"\1", text)


def alternatives(text: str) -> list[str]:
    """Values joined by commas, escapes left in them; empty ones say nothing.

    Raises PacsdError: MISMATCH where there is none, TOO_BROAD for more than MAX_VALUES.
    """
    values = [one for one in split(text, ",") if one.strip()]
    if not values:
        raise PacsdError(Fault.MISMATCH, "a search parameter without a value")
    if len(values) > MAX_VALUES:
        raise PacsdError(Fault.TOO_BROAD, f"more than {MAX_VALUES} values for one search parameter")
    return values
