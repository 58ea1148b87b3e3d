"""A report as its resources are made of it: what counts of all that was said, and what it is about."""

from dataclasses import dataclass

from fhir.projection.projected import House, Known, Resource, feed
from pacsd.index.reports import ReportRow
from pacsd.index.sources import Patient
from pacsd.reports.counting import Counting
from pacsd.reports.report import Document, Version


@dataclass(frozen=True, slots=True)
class ReportSource:
    """A report. `studies`: UIDs of those that are here; `documents`: by key, as far as they are small enough."""

    row: ReportRow
    versions: tuple[Version, ...]
    counting: Counting
    studies: tuple[str, ...]
    documents: dict[str, bytes]

    @property
    def name(self) -> str:
        """By what it was known first."""
        return self.row.names[0]

    @property
    def organisation(self) -> int:
        """Whose it is."""
        return self.row.organisation

    @property
    def patients(self) -> list[Patient]:
        """Whom it is about, (assigning authority, id)."""
        return list(zip(self.row.authorities, self.row.patient_ids, strict=True))

    @property
    def listed(self) -> list[Document]:
        """Its documents, each once."""
        return list({one.key: one for one in self.counting.content.documents}.values())

    def feed(self, house: House) -> str:
        """Whose word it is."""
        return feed("reports", house.code, self.counting.newest.sender)


def report_id(house: House, source: ReportSource) -> str:
    """The id of what a report becomes."""
    return house.id_of("report", source.name)


def subject(house: House, source: ReportSource, known: Known) -> Resource:
    """Whom a report is about: a patient that is here, if one is."""
    here = [one for one in source.patients if (source.organisation, *one) in known.patients]
    return known.subject(house, (here or source.patients)[0]) if source.patients else {}
