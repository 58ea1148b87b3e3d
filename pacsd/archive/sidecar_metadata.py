"""The metadata of all instances of a pack, kept so that it is put together without parsing JSON.

Text of the section, for N instances:

    header      one line of JSON: {"instances": N, "layout": [["00080005", 41], ["00080005", null], ...],
                "outliers": {"7": [["00080005", 41], ...]}}
    shared      the attribute texts of the shared members, concatenated in the layout's order, and a line feed
    fields      a line for each instance and slot: instance 0 slot 0, instance 0 slot 1, ..., instance 1 slot 0, ..
    outliers    the attribute texts of the outliers' members, concatenated in the header's order

The layout is in tag order, as PS3.18 F.2.2 asks of the members of an object. `[tag, length]` is a member that
every instance has with the same text, of so many bytes; `[tag, null]` is a slot for what is above that tag and
differs. A slot's lines hold whole members: `"TAG":{...},` below Study Instance UID, `,"TAG":{...}` above it (Study
Instance UID itself is always shared). No slot reaches across an attribute of patient or study, and none holds one:
an instance that disagrees with most about such an attribute is an outlier, whose lines are empty and whose members
are listed one by one. So an overlay only touches shared members and outliers. The byte 0x00 in a text stands for
the URL of the instance.
"""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import orjson

from pacsd.codec.keys import KEYS
from pacsd.faults import Fault, PacsdError

Member = tuple[str, bytes]               # 8-hex tag, text of the DICOM JSON attribute
Layout = tuple[tuple[str, bytes | None], ...]     # None: a slot for what differs above that tag
Overlay = Mapping[str, bytes | None]     # 8-hex tag -> text of the attribute; None takes the member away

PIVOT = "0020000D"                       # Study Instance UID: every stored object has one
ORIGINAL_ATTRIBUTES_SEQUENCE = "04000561"
STUDY_TAGS = frozenset(
    [ORIGINAL_ATTRIBUTES_SEQUENCE, *(key.hex for key in KEYS if key.level in ("patient", "study"))]
)
URL = b"\0"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}]')
_NO_OVERLAY: Overlay = {}


@dataclass(frozen=True, slots=True)
class SidecarMetadata:
    """The metadata section, ready to be put together. Positions are those of the sidecar's entries."""

    instances: int
    layout: Layout
    fields: list[bytes]
    outliers: Mapping[int, tuple[Member, ...]]
    urls_in_fields: bool

    @property
    def shared(self) -> dict[str, bytes]:
        """The members that all instances (but outliers) share, by tag."""
        return {tag: text for tag, text in self.layout if text is not None}

    @property
    def study(self) -> dict[str, bytes]:
        """The patient's and study's members of all instances (but outliers): what an overlay may replace."""
        return {tag: text for tag, text in self.shared.items() if tag in STUDY_TAGS}

    def members(self, position: int) -> list[Member]:
        """What one instance has, taken apart again (for a merge); texts as they were encoded."""
        if position in self.outliers:
            return list(self.outliers[position])
        members = [(tag, text) for tag, text in self.layout if text is not None]
        slots = len(self.layout) - len(members)
        for line in self.fields[position * slots : (position + 1) * slots]:
            members += split_members(line.strip(b","))
        return sorted(members)

    def documents(
        self, urls: Sequence[bytes], *, positions: Sequence[int] | None = None, overlay: Overlay = _NO_OVERLAY
    ) -> bytes:
        """The DICOM JSON objects of the chosen instances, joined by commas, without the array's brackets.

        `urls` are the instances' own URLs, one for each of `positions` (default: all, in pack order).
        An overlay applies to patient and study attributes only; other tags in it are a defect of the caller.
        """
        chosen = range(self.instances) if positions is None else positions
        if not chosen:
            return b""
        if not self.outliers:
            return self._joined(urls, chosen, overlay)
        parts = []
        for outlying, run in groupby(zip(chosen, urls, strict=True), lambda one: one[0] in self.outliers):
            if outlying:
                parts += [document(self.outliers[position], url, overlay=overlay) for position, url in run]
            else:
                some, theirs = zip(*run, strict=True)
                parts.append(self._joined(theirs, some, overlay))
        return b",".join(parts)

    def _joined(self, urls: Sequence[bytes], chosen: Sequence[int], overlay: Overlay) -> bytes:
        """Column by column into one list, and one join."""
        columns = _columns(overlaid(self.layout, overlay))
        slots = sum(text is None for _, text in self.layout)
        pieces: list[bytes] = [b""] * (len(columns) * len(chosen))
        slot = 0
        for number, column in enumerate(columns):
            if column is None:
                pieces[number :: len(columns)] = self._column(slot, slots, urls, chosen)
                slot += 1
            else:
                pieces[number :: len(columns)] = urls if column == URL else [column] * len(chosen)
        pieces[0] = pieces[0][1:]        # the first column begins with the comma between documents
        return b"".join(pieces)

    def _column(self, slot: int, slots: int, urls: Sequence[bytes], chosen: Sequence[int]) -> list[bytes]:
        if chosen == range(self.instances):
            values = self.fields[slot::slots]
        else:
            values = [self.fields[position * slots + slot] for position in chosen]
        if self.urls_in_fields:
            return [value.replace(URL, url) for value, url in zip(values, urls, strict=True)]
        return values


def document(members: Iterable[Member], url: bytes, *, overlay: Overlay = _NO_OVERLAY) -> bytes:
    """One DICOM JSON object from its members (a loose instance, an outlier), as `documents` makes them."""
    layout = overlaid(tuple(sorted(members)), overlay)
    named = b",".join(_named(tag, text) for tag, text in layout if text is not None)
    return b"{" + named.replace(URL, url) + b"}"


def split_members(text: bytes) -> list[Member]:
    """`"TAG":{...},"TAG":{...}` taken apart; every text stays as it is, to the digit."""
    members, at = [], 0
    while at < len(text):
        end = _end_of_object(text, at + 11)
        members.append((text[at + 1 : at + 9].decode(), text[at + 11 : end]))
        at = end + 1
    return members


def _end_of_object(text: bytes, start: int) -> int:
    """Behind the brace that closes the object at `start`."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token[0] == b"{":
            depth += 1
        elif token[0] == b"}":
            depth -= 1
            if depth == 0:
                return token.end()
    raise PacsdError(Fault.UNAVAILABLE, "the metadata of a pack's sidecar cannot be read")


def overlaid(layout: Layout, overlay: Overlay) -> Layout:
    """The layout with the overlay's attributes put in, replaced or taken away, in tag order."""
    if not overlay:
        return layout
    kept = [(tag, text) for tag, text in layout if text is None or tag not in overlay]
    kept += [(tag, text) for tag, text in overlay.items() if text is not None]
    return tuple(sorted(kept, key=lambda member: (member[0], member[1] is None)))


def encode(instances: Sequence[Sequence[Member]]) -> bytes:
    """The text of the section.

    Raises PacsdError INTERNAL if a text holds a line feed or an instance lacks Study Instance UID.
    """
    tables = [dict(members) for members in instances]
    _check(tables)
    outliers = _outliers(tables)
    regular = [table for number, table in enumerate(tables) if number not in outliers]
    shared = _shared(regular)
    layout = _layout(shared, regular)
    header = {
        "instances": len(tables),
        "layout": [[tag, None if slot else len(shared[tag])] for tag, slot in layout],
        "outliers": {str(number): [[tag, len(text)] for tag, text in sorted(tables[number].items())]
                     for number in sorted(outliers)},
    }
    slots = [tag for tag, slot in layout if slot]
    lines = [line for number, table in enumerate(tables)
             for line in ([b""] * len(slots) if number in outliers else _lines_of(table, shared, slots))]
    return b"".join((
        orjson.dumps(header), b"\n",
        *(shared[tag] for tag, slot in layout if not slot), b"\n",
        *(line + b"\n" for line in lines),
        *(text for number in sorted(outliers) for _, text in sorted(tables[number].items())),
    ))


def decode(text: bytes) -> SidecarMetadata:
    """Raises PacsdError UNAVAILABLE if the text is not such a section."""
    try:
        at = text.index(b"\n") + 1
        header = orjson.loads(text[:at])
        layout, at = _members(header["layout"], text, at)
        slots = sum(member is None for _, member in layout)
        start = at + 1
        fields, end = _lines(text, start, header["instances"] * slots)
        at = end
        outliers = {}
        for number, lengths in header["outliers"].items():
            members, at = _members(lengths, text, at)
            outliers[int(number)] = tuple((tag, member) for tag, member in members if member is not None)
        if at != len(text):
            raise ValueError("length")
        return SidecarMetadata(header["instances"], layout, fields, outliers, URL in text[start:end])
    except (ValueError, KeyError, TypeError) as error:
        raise PacsdError(Fault.UNAVAILABLE, "the metadata of a pack's sidecar cannot be read") from error


def _lines(text: bytes, start: int, count: int) -> tuple[list[bytes], int]:
    if count == 0:
        return [], start
    fields = text[start:].split(b"\n", count)
    if len(fields) != count + 1:
        raise ValueError("fields")
    return fields, len(text) - len(fields.pop())


def _members(lengths: Sequence[tuple[str, int | None]], text: bytes, at: int) -> tuple[Layout, int]:
    members: list[tuple[str, bytes | None]] = []
    for tag, length in lengths:
        members.append((tag, None if length is None else text[at : at + length]))
        at += length or 0
    return tuple(members), at


def _check(tables: Sequence[Mapping[str, bytes]]) -> None:
    for table in tables:
        if PIVOT not in table or any(b"\n" in text for text in table.values()):
            raise PacsdError(Fault.INTERNAL, "metadata without Study Instance UID, or with a line feed")


def _outliers(tables: Sequence[Mapping[str, bytes]]) -> frozenset[int]:
    """The instances that do not say about patient and study what most say."""
    said = [tuple(sorted(member for member in table.items() if member[0] in STUDY_TAGS)) for table in tables]
    if not said:
        return frozenset()
    usual, _ = Counter(said).most_common(1)[0]
    return frozenset(number for number, one in enumerate(said) if one != usual)


def _shared(tables: Sequence[Mapping[str, bytes]]) -> dict[str, bytes]:
    if not tables:
        return {}
    shared = dict(tables[0])
    for table in tables[1:]:
        for tag in [tag for tag, text in shared.items() if table.get(tag) != text]:
            del shared[tag]
    return shared


def _layout(shared: Mapping[str, bytes], tables: Sequence[Mapping[str, bytes]]) -> list[tuple[str, bool]]:
    """Shared tags in order, with a slot (True) wherever some instance has something above one of the fences.

    Every patient and study tag parts slots even if no instance has it, so that an overlay finds its place.
    """
    own = sorted({tag for table in tables for tag in table} - shared.keys())
    fences = ["", *sorted(shared.keys() | STUDY_TAGS)]
    slots = {fences[bisect(fences, tag) - 1] for tag in own}
    return sorted([(tag, False) for tag in shared] + [(tag, True) for tag in slots])


def _lines_of(table: Mapping[str, bytes], shared: Mapping[str, bytes], slots: Sequence[str]) -> list[bytes]:
    """What one instance has in each slot."""
    lines: list[list[bytes]] = [[] for _ in slots]
    for tag in sorted(table.keys() - shared.keys()):
        lines[bisect(slots, tag) - 1].append(_punctuated(tag, table[tag]))
    return [b"".join(line) for line in lines]


def _columns(layout: Layout) -> list[bytes | None]:
    """Runs of shared text, with slots (None) and instance URLs (0x00) between them; begins with a comma."""
    columns: list[bytes | None] = []
    run = b",{"
    for tag, text in layout:
        if text is None:
            columns += [*_parted(run), None]
            run = b""
        else:
            run += _punctuated(tag, text)
    return [*columns, *_parted(run + b"}")]


def _parted(run: bytes) -> list[bytes]:
    """A run of shared text with the URL's place as pieces of their own."""
    first, *rest = run.split(URL)
    return [first] + [piece for part in rest for piece in (URL, part)]


def _punctuated(tag: str, text: bytes) -> bytes:
    """A member with its comma: behind it below the pivot, before it above."""
    if tag < PIVOT:
        return _named(tag, text) + b","
    return b"," + _named(tag, text) if tag > PIVOT else _named(tag, text)


def _named(tag: str, text: bytes) -> bytes:
    return b'"%b":%b' % (tag.encode(), text)
