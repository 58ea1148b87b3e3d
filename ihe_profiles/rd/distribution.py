"""Sending reports to those who want them: behind the events, through each destination's durable queue.

A message is built of the report as it read when the event was written, held against the structures of its version, and
queued once. What cannot be said in the destination's version or character set is set aside, listed, and never dropped.
"""

import logging
from collections.abc import Mapping

from config.settings import Hl7DestinationSettings
from hl7.character_sets import character_set
from hl7.conditions import Hl7Error
from hl7.message import parse
from hl7.validation import validate
from ihe_profiles.rd.result_message import MESSAGE_TYPE, Addressed, Known, ResultMessage, control_id, message_of
from pacsd.access.scope import Scope
from pacsd.events.outbox import Consumer
from pacsd.index.connect import Pool
from pacsd.index.outbox import Event
from pacsd.index.reports import current_patient
from pacsd.messages.outbox import Outbox
from pacsd.reports.contents import Contents
from pacsd.reports.report import Patient
from pacsd.reports.reports import Report, Reports

log = logging.getLogger("pacsd.hl7")

_BATCH = 50


class Distribution:
    """One destination's share of what happens to reports."""

    def __init__(
        self, destination: Hl7DestinationSettings, organisation: tuple[int, str], pool: Pool, reports: Reports,
        contents: Contents, outbox: Outbox,
    ) -> None:  # fmt: skip
        self._destination = destination
        self._organisation, code = organisation
        self._pool = pool
        self._reports = reports
        self._contents = contents
        self._outbox = outbox
        self._to = Addressed(
            destination.application, destination.facility, code, destination.version,
            character_set(destination.character_set),
        )  # fmt: skip
        self._consumer = Consumer(
            pool, f"hl7 reports {destination.name}", self.handle, topics=destination.reports,
            scope=Scope((self._organisation,), self._organisation), begin_now=True,
        )  # fmt: skip

    def register(self) -> None:
        """From now on events are kept for this destination."""
        self._consumer.register()

    def run(self) -> bool:
        """Queue what is due; whether there was any."""
        return self._consumer.run(limit=_BATCH) > 0

    def handle(self, event: Event) -> None:
        """Queue the message of an event, if it was not queued before. Raises PacsdError: then later."""
        report = self._reports.of_version(event.organisation, event.body["version_uid"]).upto(event.body["version"])
        state = report.counting
        if state is None:
            return
        message = message_of(state, self._patient(report), self._to, at=event.created_at)
        problem = _problem(message)
        if problem:
            log.error(
                "a report was not sent", extra={"destination": self._destination.name, "cause": problem}
            )
        body = message.whole(lambda one: self._contents.chunks(one.key))
        self._outbox.put_once(
            self._destination.name, event.organisation, control_id=control_id(state), message_type=MESSAGE_TYPE,
            body=body, problem=problem,
        )  # fmt: skip

    def _patient(self, report: Report) -> Known:
        row, content = report.row, report.versions[-1].content
        found = current_patient(self._pool, row.patient_ids, row.authorities)
        if found is None:
            return Known(row.patient_ids[0], row.authorities[0], content.patient)
        patient_id, authority, stated = found
        return Known(patient_id, authority, _corrected(content.patient, stated))


def _corrected(said: Patient, stated: Mapping[str, Mapping[str, object]]) -> Patient:
    """What feeds state of the patient counts over what the report's message said; what they deleted is empty."""
    names = _first(stated, "00100010", {"Alphabetic": said.name, "Ideographic": said.ideographic})
    return Patient(
        str(names.get("Alphabetic", "")), str(names.get("Ideographic", "")),
        str(_first(stated, "00100030", {"": said.birth_date}).get("", "")),
        str(_first(stated, "00100040", {"": said.sex}).get("", "")),
    )  # fmt: skip


def _first(
    stated: Mapping[str, Mapping[str, object]], tag: str, otherwise: Mapping[str, object]
) -> Mapping[str, object]:
    if tag not in stated:
        return otherwise
    values = stated[tag].get("Value")
    value = values[0] if isinstance(values, list) and values else {}
    return value if isinstance(value, dict) else {"": value}


def _problem(message: ResultMessage) -> str:
    """Why a message cannot be sent; empty where it can."""
    try:
        validate(parse(message.example()))
    except Hl7Error as error:
        return f"{error.condition.code} {error.location or ''} {error.text}"
    except UnicodeEncodeError as error:
        return f"{message.character_set.name} has no {error.object[error.start : error.start + 1]!r}"
    return ""
