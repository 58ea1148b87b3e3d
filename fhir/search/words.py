"""Words of a text, for full text search (http://hl7.org/fhir/R4/search.html#content), in Latin scripts and Chinese.

Where words are written without spaces, each character and each two that follow each other count as words.
"""

import re
from collections.abc import Iterator

from pacsd.codec.text import normalise

MAX_WORD = 64                            # characters; what is longer is no word
MAX_TEXT = 200_000                       # characters of one resource that are looked at
_WIDE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
_RUNS = re.compile(rf"(?P<wide>[{_WIDE}]+)|(?P<plain>[^\W_{_WIDE}]+)")


def kept(text: str) -> set[str]:
    """The words that a text is found by."""
    found: set[str] = set()
    for run, wide in _runs(text[:MAX_TEXT]):
        if wide:
            found.update(run)
            found.update(run[at : at + 2] for at in range(len(run) - 1))
        else:
            found.add(run)
    return found


def asked(text: str) -> tuple[str, ...]:
    """The words that a text must have to be found by another: all of them, in any order."""
    found: dict[str, None] = {}
    for run, wide in _runs(text):
        if wide and len(run) > 1:
            found.update(dict.fromkeys(run[at : at + 2] for at in range(len(run) - 1)))
        else:
            found[run] = None
    return tuple(found)


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Runs of characters that belong together, and whether they are of a script without spaces."""
    for found in _RUNS.finditer(normalise(text)):
        if found["wide"]:
            yield found[0], True
        elif len(found[0]) <= MAX_WORD:
            yield found[0], False
