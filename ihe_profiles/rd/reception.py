"""From what a group of segments says to a statement about a report, its documents kept."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from hl7.conditions import Hl7Error, Location
from hl7.ports import Sender
from hl7.reading import Reading
from hl7.times import moment
from ihe_profiles.exchange.conditions import located
from ihe_profiles.pir.demographics import PATIENT_BIRTH_DATE, PATIENT_NAME, PATIENT_SEX, demographics
from ihe_profiles.rd.encapsulated import PDF
from ihe_profiles.rd.observations import Observed
from pacsd.index.work import Work
from pacsd.reports.contents import Contents
from pacsd.reports.report import Content, Document, Observation, Patient, Statement, Status
from pacsd.reports.reports import Reports


@dataclass(frozen=True, slots=True)
class Told:
    """A report as one group of segments tells of it. `number`: of the group; `place`: of what identifies the report."""

    number: int
    place: Location
    names: tuple[str, ...]
    status: Status
    content: Content
    observed: Observed | None = None
    addendum: bool = False


class Taking:
    """Takes reports in."""

    def __init__(self, reports: Reports, contents: Contents) -> None:
        self._reports = reports
        self._contents = contents

    def take(
        self, work: Work, reading: Reading, sender: Sender, patients: Sequence[tuple[str, str]], told: Sequence[Told]
    ) -> list[str]:
        """Every report of a message; what that did. Raises Hl7Error: then the caller's transaction undoes all."""
        statements = [(one, self._statement(work, reading, sender, tuple(patients), one)) for one in told]
        done: list[str] = []
        for one, statement in statements:
            with located(one.place):
                done += self._reports.receive(work, statement)
        return done

    def _statement(
        self, work: Work, reading: Reading, sender: Sender, patients: tuple[tuple[str, str], ...], told: Told
    ) -> Statement:
        observations = self._kept(work, told.observed) if told.observed else ()
        issued = told.content.issued or reading.message.value("MSH-7")
        return Statement(
            uid=_uid(reading, sender, told.number),
            names=told.names,
            patients=patients,
            status=told.status,
            sender=sender.name or reading.message.value("MSH-3"),
            content=replace(told.content, observations=observations, patient=_patient(reading), issued=issued),
            addendum=told.addendum,
            critical=told.observed is not None and told.observed.critical,
            issued_at=moment(issued),
        )

    def _kept(self, work: Work, observed: Observed) -> tuple[Observation, ...]:
        """The observations with their documents as blobs; of a trial they are only read."""
        kept = list(observed.observations)
        for at, one in observed.documents.items():
            key = self._contents.key(PDF)
            with located(None):
                size = sum(map(len, one.chunks())) if work.trial else self._contents.keep(key, one.chunks())
            kept[at] = replace(kept[at], document=Document(key, PDF, size, one.title))
        return tuple(kept)


def _uid(reading: Reading, sender: Sender, number: int) -> str:
    """Follows from the message, so that it is known whenever it comes again."""
    digest = hashlib.blake2b(reading.message.raw, digest_size=16, key=f"{sender.organisation} {number}".encode()[:64])
    return digest.hexdigest()


def _patient(reading: Reading) -> Patient:
    """As the message has it; what cannot be read of it holds up no report."""
    with suppress(Hl7Error):
        stated = {tag: value["Value"][0] for tag, value in demographics(reading).items() if value}
        name = stated.get(PATIENT_NAME, {})
        return Patient(
            name.get("Alphabetic", ""), name.get("Ideographic", ""), stated.get(PATIENT_BIRTH_DATE, ""),
            stated.get(PATIENT_SEX, ""),
        )  # fmt: skip
    return Patient()
