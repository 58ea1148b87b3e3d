"""Log records on standard error, one a line, without patient data.

Messages of exceptions are left out, because drivers put values into them; the words of our own PacsdError are
written to be shown. What a reader needs beyond that is where it happened.
"""

import json
import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

from config.settings import LogSettings
from pacsd.faults import PacsdError

STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
# Libraries that write contents of data sets or addresses of every request below these levels.
QUIET = {
    "pynetdicom": logging.CRITICAL,
    "pydicom": logging.CRITICAL,
    "uvicorn": logging.WARNING,
    "uvicorn.access": logging.CRITICAL,
    "alembic": logging.WARNING,
    "sqlalchemy": logging.ERROR,
    "psycopg": logging.CRITICAL,
    "botocore": logging.WARNING,
    "asyncio": logging.ERROR,
}


def configure(settings: LogSettings, *, role: str) -> None:
    """Send every record of this process to standard error, in the configured form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(role) if settings.form == "json" else TextFormatter(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
    logging.raiseExceptions = False  # a closed standard error stops no association
    warnings.simplefilter("ignore")  # libraries warn with the values of the object at hand
    sys.unraisablehook = _note_unraisable


def _note_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """An error that nobody can catch, in a destructor or in a compiled codec: one line instead of a trace."""
    name = type(unraisable.exc_value).__qualname__
    logging.getLogger("pacsd").warning("error in a library", extra={"error": name, "where": str(unraisable.object)})


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(dict(_fields(record, self._role)), ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """name=value pairs, quoted where needed."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{name}={_word(value)}" for name, value in _fields(record, self._role))


def _word(value: object) -> str:
    text = str(value)
    plain = text.isprintable() and not set(text) & set(' "=') and text
    return text if plain else json.dumps(text, ensure_ascii=False)


def _fields(record: logging.LogRecord, role: str) -> Iterator[tuple[str, object]]:
    yield "time", datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    yield "level", record.levelname.lower()
    yield "logger", record.name
    yield "role", role
    yield "pid", record.process
    yield "event", record.getMessage()
    for name, value in record.__dict__.items():
        if name not in STANDARD:
            yield name, value
    if record.exc_info and record.exc_info[1] is not None:
        yield "error", _chain(record.exc_info[1])


def _chain(error: BaseException) -> list[dict[str, object]]:
    """The error and what caused it: type, place, and the message only where it is ours."""
    chain: list[dict[str, object]] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 8:
        frames = traceback.extract_tb(cause.__traceback__)
        entry: dict[str, object] = {"type": type(cause).__qualname__}
        if isinstance(cause, PacsdError):
            entry |= {"fault": cause.fault.value, "message": cause.message}
        if isinstance(cause, OSError) and cause.errno is not None:
            entry["errno"] = cause.errno
        entry["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]]
        chain.append(entry)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return chain
