"""The query string of a search (PS3.18 8.3.4, 10.6.1), understood."""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl

from pydicom.datadict import dictionary_VR, tag_for_keyword

from pacsd.archive.non_patient.models import InformationModel
from pacsd.archive.non_patient.search import NonPatientQuery
from pacsd.archive.search import Criterion, Query, uids_of
from pacsd.web.problem import HttpError, bad_request
from pacsd.workflow.search import WorklistQuery

Level = Literal["study", "series", "instance"]

STUDY_INSTANCE_UID = "0020000D"
SERIES_INSTANCE_UID = "0020000E"
RECORD_KEY = "0008041B"
PRIOR_RECORD_KEY = "0008041C"

_LEVELS_ABOVE = {"study": 0, "series": 1, "instance": 2}
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_NEGOTIATION = frozenset(("accept", "charset"))
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]")
_MAX_FIELDS = 200
_MAX_DEPTH = 16                          # sequences in sequences, as in data sets
_SHOWN_NAMES = 10                        # in a warning
_MAX_COUNT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class SearchParameters:
    """What a client asks for, and what it must be told will not be done.

    Values stand in the query as sent: wild cards, ranges and lists are the archive's to read. `upper`: the levels
    above belong into the answer, as the path does not name all of them (PS3.18 10.6.3.3), or some were asked for.
    """

    query: Query
    upper: bool = True
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """Parameters while they are read."""

    keys: dict[str, str] = field(default_factory=dict)
    include: set[str] = field(default_factory=set)
    include_all: bool = False
    fuzzy: bool = False
    empty_value_matching: bool = False
    multiple_value_matching: bool = False
    limit: int | None = None
    offset: int = 0
    prior_record_key: bytes | None = None
    unknown: list[str] = field(default_factory=list)


def parse(query_string: bytes, level: Level, ancestors: Mapping[str, str]) -> SearchParameters:
    """Raises HttpError 400 for a value that the standard does not allow, or an attribute to include that is none.

    Parameters that nobody knows are passed over (PS3.18 8.3), and the client is told.
    """
    reading = _read(query_string)
    for path, uid in ancestors.items():
        if reading.keys.get(path, uid) != uid:
            raise bad_request(f"the {path} of the query contradicts the path")
        reading.keys[path] = uid
    by_record_key = level != "instance" and _wants_record_keys(reading)
    ignored = _ignored(reading) if level == "instance" else reading.unknown
    query = Query(
        level,
        tuple(Criterion(path, value) for path, value in reading.keys.items()),
        fuzzy=reading.fuzzy,
        empty_value_matching=reading.empty_value_matching,
        multiple_value_matching=reading.multiple_value_matching,
        include=frozenset(reading.include),
        include_all=reading.include_all,
        limit=reading.limit,
        offset=reading.offset,
        by_record_key=by_record_key,
        after=_after(reading.prior_record_key, level) if by_record_key else (),
    )
    all_named = len(ancestors) == _LEVELS_ABOVE[level]
    upper = not all_named or bool(reading.include) or reading.include_all
    return SearchParameters(query, upper, _unknown(ignored))


@dataclass(frozen=True, slots=True)
class WorklistParameters:
    """The same of a search of the worklist."""

    query: WorklistQuery
    warnings: tuple[str, ...] = ()


def parse_worklist(query_string: bytes) -> WorklistParameters:
    """The query string of PS3.18 11.9, read like any other. Raises HttpError 400."""
    reading = _read(query_string)
    query = WorklistQuery(
        tuple(Criterion(path, value) for path, value in reading.keys.items()),
        fuzzy=reading.fuzzy,
        empty_value_matching=reading.empty_value_matching,
        include=frozenset(reading.include),
        include_all=reading.include_all,
        limit=reading.limit,
        offset=reading.offset,
    )
    return WorklistParameters(query, _unknown(_ignored(reading)))


def parse_non_patient(
    query_string: bytes, models: tuple[InformationModel, ...]
) -> tuple[NonPatientQuery, tuple[str, ...]]:
    """The query string of PS3.18 12.6, read like any other, and warnings. Raises HttpError 400."""
    reading = _read(query_string)
    query = NonPatientQuery(
        models,
        tuple(Criterion(path, value) for path, value in reading.keys.items()),
        fuzzy=reading.fuzzy,
        empty_value_matching=reading.empty_value_matching,
        multiple_value_matching=reading.multiple_value_matching,
        include=frozenset(reading.include),
        include_all=reading.include_all,
        limit=reading.limit,
        offset=reading.offset,
    )
    return query, _unknown(_ignored(reading))


def _read(query_string: bytes) -> _Reading:
    reading = _Reading()
    for name, value in pairs(query_string):
        read = OPTIONS.get(name)
        if read is not None:
            read(reading, value)
        elif name not in _NEGOTIATION and (path := _known_path(reading, name)):
            _match(reading, path, name, value)
    return reading


def _wants_record_keys(reading: _Reading) -> bool:
    """Whether answers are to stand in the order of their record keys (PS3.18 10.6.3.3, PS3.4 C.6.4.5)."""
    if RECORD_KEY in reading.keys:
        raise bad_request("a Record Key is asked for and not matched by; a search continues after a PriorRecordKey")
    return RECORD_KEY in reading.include or reading.prior_record_key is not None


def _after(key: bytes | None, level: Level) -> tuple[str, ...]:
    """What an answer is to begin after. Raises HttpError 400, which is PS3.4's A710 (C.6.4.1.1), for no such key."""
    if key is None:
        return ()
    uids = uids_of(level, key)
    if uids is None:
        raise bad_request("PriorRecordKey is not a Record Key (0008,041B) that an answer of this level held")
    return uids


def _ignored(reading: _Reading) -> list[str]:
    """What is passed over where there are no record keys."""
    return [*reading.unknown, *(["PriorRecordKey"] if reading.prior_record_key is not None else [])]


def _prior_record_key(reading: _Reading, value: str) -> None:
    if reading.prior_record_key is not None:
        raise bad_request("PriorRecordKey is given more than once")
    try:
        reading.prior_record_key = b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request("PriorRecordKey is a Record Key as answers hold it: InlineBinary, in base64") from error


def attribute_path(text: str) -> str:
    """An {attributeID} as dotted 8-hex tags: keywords, tags, or a mixture (PS3.18 8.3.4.1).

    Raises HttpError 400 if it is none.
    """
    segments = text.split(".")
    if len(segments) > _MAX_DEPTH:
        raise bad_request(f"sequences nested deeper than {_MAX_DEPTH}")
    return ".".join(map(_tag, segments))


def _tag(text: str) -> str:
    if _TAG.fullmatch(text):
        return text.upper()
    tag = tag_for_keyword(text) if text else None
    if tag is None:
        raise bad_request(f"unknown attribute or parameter: {_shown(text)}")
    return f"{tag:08X}"


def pairs(query_string: bytes) -> list[tuple[str, str]]:
    """Names and values, in order. Raises HttpError 400, 413."""
    if not query_string:
        return []
    try:
        return parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except UnicodeDecodeError as error:
        raise bad_request("the query string is not UTF-8, percent-encoded") from error
    except ValueError as error:
        raise HttpError(413, "Content Too Large", f"more than {_MAX_FIELDS} query parameters") from error


def _known_path(reading: _Reading, name: str) -> str | None:
    try:
        return attribute_path(name)
    except HttpError:
        reading.unknown.append(name)
        return None


def _unknown(names: Sequence[str]) -> tuple[str, ...]:
    """The warning that names the first of them, in characters that a header may hold."""
    if not names:
        return ()
    shown = [_NOT_IN_A_NAME.sub("?", name[:64]) for name in names[:_SHOWN_NAMES]]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return (f"Unknown parameters have been ignored: {' '.join(shown)}{more}",)


def _match(reading: _Reading, path: str, name: str, value: str) -> None:
    if "\0" in value:
        raise bad_request(f"the value of {_shown(name)} holds a NUL character")
    if path == PRIOR_RECORD_KEY and value:
        _prior_record_key(reading, value)
    elif value == "":                               # universal matching: only asks for the attribute
        reading.include.add(path)
    elif path not in reading.keys:
        reading.keys[path] = value
    elif _is_uid(path):                           # repeated UIDs are a list, however they are spelled
        reading.keys[path] += f",{value}"
    else:
        raise bad_request(f"{_shown(name)} is given more than once")


def _is_uid(path: str) -> bool:
    try:
        return dictionary_VR(int(path.rpartition(".")[2], 16)) == "UI"
    except KeyError:
        return False


def _include(reading: _Reading, value: str) -> None:
    for name in value.split(","):
        if name.strip().lower() == "all":
            reading.include_all = True
        elif name.strip():
            reading.include.add(attribute_path(name.strip()))


def _fuzzy(reading: _Reading, value: str) -> None:
    reading.fuzzy = _boolean("fuzzymatching", value)


def _empty_values(reading: _Reading, value: str) -> None:
    reading.empty_value_matching = _boolean("emptyvaluematching", value)


def _multiple_values(reading: _Reading, value: str) -> None:
    reading.multiple_value_matching = _boolean("multiplevaluematching", value)


def _limit(reading: _Reading, value: str) -> None:
    reading.limit = _count("limit", value)


def _offset(reading: _Reading, value: str) -> None:
    reading.offset = _count("offset", value)


OPTIONS = {
    "includefield": _include,
    "fuzzymatching": _fuzzy,
    "emptyvaluematching": _empty_values,
    "multiplevaluematching": _multiple_values,
    "limit": _limit,
    "offset": _offset,
}


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise bad_request(f"{name} is true or false")
    return value.lower() == "true"


def _count(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > 10 or int(value) > _MAX_COUNT:
        raise bad_request(f"{name} is an unsigned integer")
    return int(value)


def _shown(text: str) -> str:
    """A parameter's name as it may be shown: short and printable."""
    return "".join(one if one.isprintable() else "?" for one in text[:64])
