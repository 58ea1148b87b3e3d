"""Taking in what is said of a report, and reading what it amounts to.

A statement becomes a version within the caller's unit of work: its fact is journalled before the commit, and the events
that tell of what it changed stand in the same transaction. No version is ever changed or taken away.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from pacsd.access.scope import Scope
from pacsd.archive.journal import Fact, FactKind
from pacsd.faults import Fault, PacsdError
from pacsd.index import outbox
from pacsd.index import reports as rows
from pacsd.index.connect import Connection, Pool, retried
from pacsd.index.work import Work
from pacsd.reports.contents import INLINE_BYTES, Contents
from pacsd.reports.counting import Counting, counting, told
from pacsd.reports.report import Content, Statement, Status, Version, read, written

log = logging.getLogger("pacsd.reports")

MAX_CONTENT_BYTES = 4 << 20              # of text and codes, without documents
MAX_NAME_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Report:
    """A report with everything that was said of it."""

    row: rows.ReportRow
    versions: tuple[Version, ...]

    @property
    def counting(self) -> Counting | None:
        """What counts of it."""
        return counting(self.versions)

    def upto(self, number: int) -> "Report":
        """As it was when that version had come."""
        return Report(self.row, tuple(one for one in self.versions if one.number <= number))


class Reports:
    """All reports; for many threads and processes at once."""

    def __init__(self, pool: Pool, contents: Contents, codes: Mapping[int, str]) -> None:
        self._pool = pool
        self._contents = contents
        self._codes = codes

    def receive(self, work: Work, statement: Statement) -> list[str]:
        """Take a statement in as the next version of its report; what that did, in words.

        A statement that is known changes nothing. Raises PacsdError NOT_FOUND for the cancellation of a report that is
        not there, TOO_MUCH, MALFORMED.
        """
        text = _checked(statement)
        rows.locked(work.connection, work.organisation, statement.names)
        if rows.knows(work.connection, statement.uid):
            return ["knows this version"]
        known = rows.found(work.connection, work.organisation, statement.names)
        if known is None and statement.status is Status.CANCELLED and not statement.content.observations:
            raise PacsdError(Fault.NOT_FOUND, "a report that is not known here")
        fact = _fact(statement, self._codes[work.organisation])
        content_key = None
        if len(text) <= INLINE_BYTES:
            fact["content"] = orjson.Fragment(text)
        else:
            content_key = fact["content_key"] = self._contents.key("application/json")
            if not work.trial:
                self._contents.keep(content_key, (text,))
        at = work.say(fact)
        return _take(work.connection, work.organisation, statement, text.decode(), at, content_key, tell=True)

    def of_study(self, scope: Scope, study_instance_uid: str) -> list[Report]:
        """The reports about a study that the scope sees."""
        return [_report(*found) for found in rows.of_study(self._pool, scope, study_instance_uid)]

    def of_another(self, scope: Scope, study_instance_uid: str) -> list[Report]:
        """Those that name a study which is of another patient, and of which objects were made somewhere."""
        return [_report(*found) for found in rows.of_another(self._pool, scope, study_instance_uid)]

    def of_version(self, organisation: int, uid: str) -> Report:
        """The report that has this version. Raises PacsdError NOT_FOUND."""
        found = rows.of_version(self._pool, organisation, uid)
        if found is None:
            raise PacsdError(Fault.NOT_FOUND, "there is no such version of a report")
        return _report(*found)

    def listed(self, scope: Scope, *, limit: int = 50) -> list[rows.ReportRow]:
        """The reports that changed last."""
        return rows.listed(self._pool, scope, limit=limit)

    def studies_of(self, report: Report) -> list[rows.StudyRow]:
        """The studies of a report that are here, of its own organisation."""
        organisation = report.row.organisation
        return rows.studies_of(self._pool, Scope((organisation,), organisation), report.row.pk)


def appliers(
    pool: Pool, contents: Contents, keys: Mapping[str, int], *, tell: bool
) -> dict[FactKind, Callable[[Fact], None]]:
    """How facts of this room take effect again: in a rebuild, or with `tell` after a crash, which nobody heard of."""

    def stated(fact: Fact) -> None:
        body: Mapping[str, Any] = fact.body
        organisation = keys.get(body["organisation"])
        if organisation is None:
            raise PacsdError(Fault.INTERNAL, f"organisation {body['organisation']} is not configured")
        key = body.get("content_key")
        text = orjson.dumps(body["content"]) if key is None else _content(contents, key)
        statement = _statement(body, read(text))

        def work(connection: Connection) -> None:
            with connection.transaction():
                rows.locked(connection, organisation, statement.names)
                if not rows.knows(connection, statement.uid):
                    _take(connection, organisation, statement, text.decode(), fact.at, key, tell=tell)

        retried(pool, work)

    return {FactKind.REPORT: stated}


def _content(contents: Contents, key: str) -> bytes:
    """A content beside its fact. Raises PacsdError NOT_FOUND: who applies facts goes on then, so it is said here."""
    try:
        return contents.read(key)
    except PacsdError as error:
        log.error("the content of a report cannot be read", extra={"key": key, "fault": error.fault.value})
        raise


def _take(
    connection: Connection, organisation: int, statement: Statement, text: str, at: datetime, content_key: str | None,
    *, tell: bool,
) -> list[str]:  # fmt: skip
    """Make a statement a version, count anew, and tell of what that changed."""
    pk = rows.found(connection, organisation, statement.names)
    if pk is None:
        pk = rows.made(connection, organisation, statement.names[:1], at=at)
    before = [version_of(row) for row in rows.versions(connection, pk)]
    version = rows.VersionRow(
        0, statement.uid, at, statement.issued_at, statement.status.value, statement.addendum, statement.critical,
        statement.sender, text,
    )  # fmt: skip
    documents = [(one.key, one.size_bytes) for one in statement.content.documents]
    number = rows.add(
        connection, pk, organisation, version, _about(statement), content_key=content_key, documents=documents
    )
    after = [*before, version_of(replace(version, number=number))]
    counts = counting(after)
    if counts is not None:
        rows.count(connection, pk, counts.version.number, counts.status.value, critical=counts.critical)
    topics = told(before, after)
    if tell:
        _tell(connection, organisation, statement, number, topics)
    return [f"keeps version {number} of report {statement.names[0]}, {statement.status.value}", *topics]


def _tell(
    connection: Connection, organisation: int, statement: Statement, number: int, topics: Sequence[str]
) -> None:
    about = _about(statement)
    body = {
        "report": statement.names[0], "version": number, "version_uid": statement.uid,
        "study_instance_uids": list(about.studies), "accession_numbers": list(about.accessions),
    }  # fmt: skip
    for topic in topics:
        outbox.append(connection, organisation=organisation, topic=topic, subject=statement.names[0], body=body)


def _checked(statement: Statement) -> bytes:
    """The content as it is kept. Raises PacsdError for what cannot be."""
    if not statement.names or any(len(name) > MAX_NAME_CHARACTERS for name in statement.names):
        raise PacsdError(Fault.TOO_MUCH, f"a report's identifier has at most {MAX_NAME_CHARACTERS} characters")
    text = written(statement.content)
    if len(text) > MAX_CONTENT_BYTES:
        raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_CONTENT_BYTES} bytes of text")
    if b"\\u0000" in text:
        raise PacsdError(Fault.MALFORMED, "a NUL in a text")
    return text


def _about(statement: Statement) -> rows.About:
    orders = statement.content.orders
    return rows.About(
        statement.names,
        statement.patients,
        _each(one.study_instance_uid for one in orders),
        _each(one.accession_number for one in orders),
        _each(one.placer_order_number for one in orders),
        _each(one.filler_order_number for one in orders),
    )


def _each(values: Any) -> list[str]:
    return list(dict.fromkeys(one for one in values if one))


def _fact(statement: Statement, organisation: str) -> dict[str, Any]:
    return {
        "fact": FactKind.REPORT.value, "organisation": organisation, "uid": statement.uid,
        "names": list(statement.names), "patients": [list(one) for one in statement.patients],
        "status": statement.status.value, "addendum": statement.addendum, "critical": statement.critical,
        "sender": statement.sender,
        "issued_at": statement.issued_at.isoformat() if statement.issued_at else None,
    }  # fmt: skip


def _statement(body: Mapping[str, Any], content: Content) -> Statement:
    issued = body["issued_at"]
    return Statement(
        body["uid"], tuple(body["names"]), tuple((one[0], one[1]) for one in body["patients"]), Status(body["status"]),
        body["sender"], content, body["addendum"], body["critical"], datetime.fromisoformat(issued) if issued else None,
    )  # fmt: skip


def _report(row: rows.ReportRow, versions: Sequence[rows.VersionRow]) -> Report:
    return Report(row, tuple(map(version_of, versions)))


def version_of(row: rows.VersionRow) -> Version:
    """A row as the version it keeps."""
    return Version(
        row.number, row.uid, row.said_at, row.issued_at, Status(row.status), row.addendum, row.critical, row.sender,
        read(row.content), row.objects,
    )  # fmt: skip
