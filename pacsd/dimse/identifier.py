"""The identifier of a query or retrieval (PS3.4 C.4): bytes to keys, and whether the keys suffice for their level."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pacsd.codec.charset import TEXT_VRS, decode_text
from pacsd.codec.header import inflate_front
from pacsd.codec.structure import (
    ITEM,
    ITEM_DELIMITATION,
    SEQUENCE_DELIMITATION,
    UNDEFINED,
    NeedMoreData,
    element_head,
    show,
    skip_undefined,
)
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.dimse.sop_classes import Model
from pacsd.dimse.statuses import IdentifierError
from pacsd.faults import Fault, PacsdError

SPECIFIC_CHARACTER_SET = 0x00080005
QUERY_RETRIEVE_LEVEL = 0x00080052
PATIENT_ID = 0x00100020
STUDY_INSTANCE_UID = 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E
SOP_INSTANCE_UID = 0x00080018

UNIQUE_KEYS = {                          # PS3.4 C.6.1.1
    "PATIENT": PATIENT_ID,
    "STUDY": STUDY_INSTANCE_UID,
    "SERIES": SERIES_INSTANCE_UID,
    "IMAGE": SOP_INSTANCE_UID,
}
_SINGLE = frozenset(("LT", "ST", "UT", "UR"))        # a backslash in them is text (PS3.5 6.2)
_MAX_DEPTH = 8
_MAX_INFLATED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Key:
    """One attribute asked for. No values and no items: universal matching, only to be returned (PS3.4 C.2.2.2.3)."""

    tag: int
    vr: str
    values: tuple[str, ...] = ()
    items: tuple[Mapping[int, "Key"], ...] = ()


@dataclass(frozen=True, slots=True)
class Identifier:
    """A request's keys by tag, without Query/Retrieve Level and Specific Character Set."""

    level: str                           # PATIENT, STUDY, SERIES or IMAGE; "" where a model has no levels
    keys: Mapping[int, Key] = field(default_factory=dict)
    character_sets: tuple[str, ...] = () # as declared

    def uids(self, tag: int) -> tuple[str, ...]:
        """The values of a unique key; none where it is absent or universal."""
        key = self.keys.get(tag)
        return tuple(value for value in key.values if value != "*") if key else ()


def read_identifier(
    data: bytes, transfer_syntax_uid: str, *, character_set: str | None = None, has_levels: bool = True
) -> Identifier:
    """Decode a request identifier; `character_set` overrides what it declares.

    Without `has_levels` the information model is a single entity: the level is "", whatever is said of one.

    Raises IdentifierError: MALFORMED, or MISMATCH when there is no Query/Retrieve Level.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    if syntax.deflated:
        data = inflate_front(data, _MAX_INFLATED_BYTES)[0]
    try:
        reading = _Reading(data, syntax.implicit, syntax.big_endian, character_set)
        keys = reading.keys(0, len(data), 0, ())
    except NeedMoreData as error:
        raise IdentifierError(Fault.MALFORMED, "the identifier ends inside an element") from error
    declared = keys.pop(SPECIFIC_CHARACTER_SET, None)
    level = keys.pop(QUERY_RETRIEVE_LEVEL, None)
    character_sets = declared.values if declared else ()
    if not has_levels:
        return Identifier("", keys, character_sets)
    if level is None or len(level.values) != 1:
        raise IdentifierError(Fault.MISMATCH, "Query/Retrieve Level is missing", QUERY_RETRIEVE_LEVEL)
    return Identifier(level.values[0], keys, character_sets)


def check_find(identifier: Identifier, model: Model) -> None:
    """Whether a query makes sense: a level of its model, and at IMAGE level one UID to begin with.

    A hierarchical query has to name one unique key of every level above its own (PS3.4 C.4.1.2.1). One that does not
    is answered as the relational query it is, negotiated or not: Orthanc and dcm4chee answer it too, and SCUs depend
    on that (Patient Root at STUDY level without Patient ID above all). Raises IdentifierError, naming the elements:
    MISMATCH for the level, TOO_BROAD for instances of which nothing is known.
    """
    levels = model.value
    if identifier.level not in levels:
        raise IdentifierError(Fault.MISMATCH, f"level is none of {', '.join(levels)}", QUERY_RETRIEVE_LEVEL)
    uids = (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID, SOP_INSTANCE_UID)
    if identifier.level == "IMAGE" and not any(is_uid(value) for tag in uids for value in identifier.uids(tag)):
        raise IdentifierError(Fault.TOO_BROAD, "IMAGE level needs a Study, Series or SOP Instance UID", *uids)


def is_uid(value: str) -> bool:
    """Whether a value of a unique key names one entity, and is no wildcard."""
    return "*" not in value and "?" not in value


def check_retrieve(identifier: Identifier, model: Model) -> None:
    """What a retrieval needs: its own level's unique key too, values only, no wildcards (PS3.4 C.4.2.1.4.1)."""
    if identifier.level not in model.value:
        raise IdentifierError(Fault.MISMATCH, f"level is none of {', '.join(model.value)}", QUERY_RETRIEVE_LEVEL)
    tag = UNIQUE_KEYS[identifier.level]
    if not identifier.uids(tag):
        raise IdentifierError(Fault.MISMATCH, f"{show(tag)} is missing", tag)
    for level in model.value:
        for value in identifier.uids(UNIQUE_KEYS[level]):
            if level != "PATIENT" and not is_uid(value):
                raise IdentifierError(Fault.MISMATCH, f"{show(UNIQUE_KEYS[level])} is not a UID", UNIQUE_KEYS[level])


class _Reading:
    """One pass over an identifier's bytes."""

    def __init__(self, data: bytes, implicit: bool, big_endian: bool, override: str | None) -> None:
        self._data = data
        self._implicit = implicit
        self._big_endian = big_endian
        self._override = override

    def keys(self, at: int, end: int, depth: int, character_sets: tuple[str, ...]) -> dict[int, Key]:
        found: dict[int, Key] = {}
        for tag, vr, start, stop in self._elements(at, end):
            if vr == "SQ":
                if depth == _MAX_DEPTH:
                    raise PacsdError(Fault.TOO_MUCH, "identifier nested too deep")
                items = (self.keys(first, last, depth + 1, character_sets) for first, last in self._items(start, stop))
                found[tag] = Key(tag, vr, items=tuple(item for item in items if item))
            else:
                found[tag] = Key(tag, vr, self._values(vr, self._data[start:stop], character_sets))
            if tag == SPECIFIC_CHARACTER_SET:
                character_sets = found[tag].values
        return found

    def _elements(self, at: int, end: int) -> Iterator[tuple[int, str, int, int]]:
        while at < end:
            tag, vr, length, at = element_head(
                self._data, at, end, implicit=self._implicit, big_endian=self._big_endian
            )
            if tag in (ITEM_DELIMITATION, SEQUENCE_DELIMITATION):
                continue
            start = at
            if length == UNDEFINED:
                vr = "SQ"
                at = skip_undefined(self._data, at, end, implicit=self._implicit, big_endian=self._big_endian)
            else:
                at += length
            if at > end:
                raise NeedMoreData(at)
            if tag & 0xFFFF and tag >> 16 > 2:       # neither group lengths nor group 2
                yield tag, vr, start, at

    def _items(self, at: int, end: int) -> Iterator[tuple[int, int]]:
        """Where the items' elements begin and end; an item of undefined length ends with its delimitation."""
        while at < end:
            head = element_head(self._data, at, end, implicit=self._implicit, big_endian=self._big_endian)
            if head.tag != ITEM:
                return
            start = head.value_at
            at = self._item_end(start, end) if head.length == UNDEFINED else start + head.length
            if at > end:
                raise NeedMoreData(at)
            yield start, at

    def _item_end(self, at: int, end: int) -> int:
        while True:
            head = element_head(self._data, at, end, implicit=self._implicit, big_endian=self._big_endian)
            at = head.value_at
            if head.tag == ITEM_DELIMITATION:
                return at
            if head.length == UNDEFINED:
                at = skip_undefined(self._data, at, end, implicit=self._implicit, big_endian=self._big_endian)
            else:
                at += head.length

    def _values(self, vr: str, raw: bytes, character_sets: tuple[str, ...]) -> tuple[str, ...]:
        if vr in ("US", "UL"):
            size = 2 if vr == "US" else 4
            big = self._big_endian
            numbers = (raw[n : n + size] for n in range(0, len(raw) - size + 1, size))
            return tuple(str(int.from_bytes(one, "big" if big else "little")) for one in numbers)
        if vr in TEXT_VRS:
            text = decode_text(raw, vr, character_sets, override=self._override)
        else:
            text = raw.decode("latin-1")
        text = text.rstrip("\0 ")
        if not text:
            return ()
        return (text,) if vr in _SINGLE else tuple(value.strip(" \0") for value in text.split("\\"))
