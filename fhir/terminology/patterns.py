"""Regular expressions of value sets (valueset.html, filter operator `regex`), of which none may take for ever."""

import re
from functools import lru_cache

from fhir.path import regular
from pacsd.faults import Fault, PacsdError

_LONGEST = 256                           # characters, of an expression and of what it is held against
_UNBOUNDED = re.compile(r"(?<!\\)(?:\\\\)*(?:[*+]|\{\d*,\d*\}|\{\d{3,}\})")
_REPEATED_GROUP = re.compile(r"(?<!\\)\)\s*(?:[*+{])")
_MOST_UNBOUNDED = 2
_BACKWARDS = re.compile(r"\\[1-9]|\(\?(?!:)")


@lru_cache(maxsize=256)
def compiled(text: str) -> re.Pattern[str]:
    """An expression that is decided in little time whatever it is held against.

    That is one without repeated groups and with two open repetitions at most, which is then decided without going
    back (fhir.path.regular). Raises PacsdError UNSUPPORTED for others, MALFORMED for what is no expression.
    """
    if (len(text) > _LONGEST or _REPEATED_GROUP.search(text) or _BACKWARDS.search(text)
            or len(_UNBOUNDED.findall(text)) > _MOST_UNBOUNDED):  # fmt: skip
        raise PacsdError(Fault.UNSUPPORTED, "a regular expression that repeats groups or has more than two open "
                         "repetitions is not looked for")  # fmt: skip
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise PacsdError(Fault.MALFORMED, f"not a regular expression: {error}") from error


def matches(text: str, value: str) -> bool:
    """Whether an expression matches a value as a whole."""
    compiled(text)                       # refuses what is not looked for
    return regular.found(f"^(?:{text})$", value[:_LONGEST])
