"""References asked for: `id`, `Type/id`, or a URL (http://hl7.org/fhir/R4/search.html#reference)."""

import re
from collections.abc import Iterator, Sequence

from fhir.definitions.search_parameters import parameters
from pacsd.faults import Fault, PacsdError

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_RELATIVE = re.compile(rf"([A-Za-z]+)/({ID.pattern})(/_history/{ID.pattern})?", re.ASCII)


def link(text: str, types: Sequence[str], base: str) -> Iterator[str]:
    """What the rows call the resource that a value names: `Patient/1` and its URL here, or the URL it has elsewhere.

    A bare id is one of these types. Raises PacsdError MISMATCH for what is no reference.
    """
    relative = _RELATIVE.fullmatch(text.removeprefix(base).lstrip("/") if text.startswith(base) else text)
    if relative is not None and relative[1] in parameters():
        yield from _local(f"{relative[1]}/{relative[2]}", base)
    elif ID.fullmatch(text):
        for one in types:
            yield from _local(f"{one}/{text}", base)
    elif ":" in text or text.startswith("#"):
        yield text
    else:
        raise PacsdError(Fault.MISMATCH, "a reference is id, Type/id or a URL")


def _local(name: str, base: str) -> Iterator[str]:
    yield name
    yield f"{base}/{name}"
