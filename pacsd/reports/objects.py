"""Reports as DICOM objects in their studies, made behind the events that tell of them.

An object comes with the first of the report's studies that is here, whichever of them comes first, and once: its UID
follows from the version. What is amended stays, and is named by what amends it; what is withdrawn is rejected, and so
is what stands in a study of another patient after a merge was taken back; merged once more, that is shown again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from config.settings import ReportsSettings
from pacsd.access.directory import Directory, Peer
from pacsd.archive.ingest import Ingest
from pacsd.archive.reject import Rejections
from pacsd.codec.from_json import BulkValue, dataset_pieces, written
from pacsd.faults import Fault, PacsdError
from pacsd.index import reports as rows
from pacsd.index.connect import Pool
from pacsd.index.outbox import Event
from pacsd.index.placement import STUDY_RECEIVED
from pacsd.index.rejections import hidden_because
from pacsd.reports import basic_text, encapsulated_pdf
from pacsd.reports.contents import Contents
from pacsd.reports.counting import AMENDED, CANCELLED, FINAL, PRELIMINARY, Counting
from pacsd.reports.document import Attributes, Subject, instance_uid, uid_of
from pacsd.reports.report import Status, Version
from pacsd.reports.reports import Report, Reports

PATIENT_MERGED, PATIENT_UNMERGED = "patient.merged", "patient.unmerged"              # pacsd.identity.patients
TOPICS = (PRELIMINARY, FINAL, AMENDED, CANCELLED, STUDY_RECEIVED, PATIENT_MERGED, PATIENT_UNMERGED)
REJECTED = "113037"                                      # DCM: Rejected for Patient Safety Reasons
TAKEN_BACK = "the study is no longer of the patient whom the report names"
MERGED_AGAIN = "the study is of the patient whom the report names again"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_KEPT_ALREADY = (Fault.CONFLICT, Fault.REFUSED)          # made before, with other corrections; or rejected since


@dataclass(frozen=True, slots=True)
class _Blob:
    """A document that is kept, as a bulk value."""

    contents: Contents
    key: str
    size_bytes: int

    def chunks(self) -> Iterator[bytes]:
        """Its bytes."""
        return self.contents.chunks(self.key)


class Objects:
    """Handles the events of reports, and of the studies and patients that they were waiting for."""

    def __init__(
        self, pool: Pool, reports: Reports, contents: Contents, ingest: Ingest, rejections: Rejections,
        directory: Directory, settings: ReportsSettings, *, organisations: Mapping[int, tuple[str, str]], ae_title: str,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._reports = reports
        self._contents = contents
        self._ingest = ingest
        self._rejections = rejections
        self._directory = directory
        self._settings = settings
        self._organisations = organisations                  # by key: code and name
        self._ae_title = ae_title

    def handle(self, event: Event) -> None:
        """Do what follows from an event; may be done twice. Raises PacsdError: then later."""
        if event.topic == STUDY_RECEIVED:
            self._came(event.organisation, event.subject)
        elif event.topic == PATIENT_MERGED:
            for organisation, uid in self._studies(event.body["assigning_authority"], event.body["patient_id"]):
                self._came(organisation, uid)
        elif event.topic == PATIENT_UNMERGED:
            self._parted(event.body["assigning_authority"], event.body["patient_id"], event.body["prior"])
        else:
            report = self._reports.of_version(event.organisation, event.body["version_uid"])
            self._made(report.upto(event.body["version"]))

    def _studies(self, authority: str, *patient_ids: str) -> list[tuple[int, str]]:
        """The studies of patients, each with its organisation."""
        return [
            (organisation, uid) for organisation in self._organisations for one in patient_ids
            for uid in rows.of_patient(self._pool, organisation, authority, one)
        ]  # fmt: skip

    def _parted(self, authority: str, *patient_ids: str) -> None:
        """Patients who were taken for one: what was made in the other's studies is made in their own instead."""
        found = self._studies(authority, *patient_ids)
        for organisation, uid in found:
            scope = self._directory.member(self._organisations[organisation][0]).scope
            for report in self._reports.of_another(scope, uid):
                if report.row.organisation == organisation:
                    self._taken_back(report, uid)
        for organisation, uid in found:
            self._came(organisation, uid)

    def _taken_back(self, report: Report, study_instance_uid: str) -> None:
        """Hide what was made of a report in a study, if anything was."""
        here = _made_in(report, study_instance_uid) & {uid for one in report.versions for uid in one.objects}
        if here:
            self._hide(report, study_instance_uid, TAKEN_BACK)
            rows.has_objects_no_more(self._pool, report.row.pk, sorted(here))

    def _came(self, organisation: int, study_instance_uid: str) -> None:
        """A study is here now, or is now of the patient that reports name."""
        scope = self._directory.member(self._organisations[organisation][0]).scope
        for report in self._reports.of_study(scope, study_instance_uid):
            if report.row.organisation == organisation:
                self._made(report)

    def _made(self, report: Report) -> None:
        state = report.counting
        if state is None:
            return
        studies = self._reports.studies_of(report)
        if state.status is Status.CANCELLED:
            self._withdrawn(report)
        elif studies and state.status.value in self._settings.object_statuses:
            self._make(report, state, studies[0])

    def _make(self, report: Report, state: Counting, study: rows.StudyRow) -> None:
        code, institution = self._organisations[report.row.organisation]
        subject = Subject(study, state, report.row.names[0], institution or code)
        made = {_uid(attributes): attributes for attributes in self._attributes(subject, report)}
        known = state.newest.objects
        if known and made.keys().isdisjoint(known):              # they are in another study of the report
            return
        again = self._shown_again(report, study.study_instance_uid)
        for uid in [uid for uid in made if uid not in known and uid not in again]:
            self._store(self._directory.member(code), made[uid])
            rows.has_object(self._pool, report.row.organisation, state.newest.uid, uid)

    def _shown_again(self, report: Report, study_instance_uid: str) -> set[str]:
        """Show what was made of a report in a study and hidden because they had been parted; what that is.

        What people rejected stays rejected.
        """
        code, _ = self._organisations[report.row.organisation]
        found = hidden_because(
            self._pool, report.row.organisation, sorted(_made_in(report, study_instance_uid)), reason=TAKEN_BACK
        )
        if found:
            self._rejections.restore(code, study_instance_uid, None, sorted(found), reason=MERGED_AGAIN)
        for version in report.versions:
            for uid in sorted(found & _made_of(version, study_instance_uid)):
                rows.has_object(self._pool, report.row.organisation, version.uid, uid)
        return found

    def _attributes(self, subject: Subject, report: Report) -> Iterator[Attributes]:
        if "sr" in self._settings.objects and basic_text.has_text(subject):
            former = [uid for uid in self._former(subject, report, basic_text.KIND) if uid]
            named = Subject(subject.study, subject.state, subject.report, subject.institution, former)
            yield basic_text.attributes(named)
        if "pdf" in self._settings.objects:
            for number, one in enumerate(subject.state.content.documents, 1):
                yield encapsulated_pdf.attributes(subject, one, number)

    def _former(self, subject: Subject, report: Report, kind: str) -> Sequence[str]:
        """The objects of a kind that former versions came to be in this study."""
        found = []
        for version in report.versions:
            uid = instance_uid(Subject(subject.study, Counting((version,), version.status), "", ""), kind)
            if version.uid != subject.state.newest.uid and uid in version.objects:
                found.append(uid)
        return found

    def _store(self, peer: Peer, attributes: Attributes) -> None:
        """Through the archive's own ingest."""
        sop_class_uid, study = (str(attributes[tag]["Value"][0]) for tag in ("00080016", "0020000D"))
        reception = self._ingest.reception(peer)
        reception.expect(
            sop_class_uid, _uid(attributes), _EXPLICIT_LITTLE_ENDIAN, source_ae=self._ae_title, study_instance_uid=study
        )
        size = attributes.get("00420015", {}).get("Value", [0])[0]
        bulk: Callable[[str], Sequence[BulkValue]] = lambda key: [_Blob(self._contents, key, size)]  # noqa: E731
        try:
            for piece in written(dataset_pieces(attributes, bulk, encapsulated=False)):
                reception.write(piece)
            reception.commit()
        except PacsdError as error:
            if error.fault not in _KEPT_ALREADY:
                raise
        finally:
            reception.abort()

    def _withdrawn(self, report: Report) -> None:
        """Hide what was made of it, in whichever study."""
        made = any(version.objects for version in report.versions)
        for study in self._reports.studies_of(report) if made else ():
            self._hide(report, study.study_instance_uid)

    def _hide(self, report: Report, study_instance_uid: str, reason: str = "") -> None:
        code, _ = self._organisations[report.row.organisation]
        for kind in (basic_text.KIND, encapsulated_pdf.KIND):
            series = uid_of(kind, study_instance_uid, report.row.names[0])
            self._reject(code, study_instance_uid, series, reason)

    def _reject(self, code: str, study: str, series: str, reason: str) -> None:
        try:
            self._rejections.reject(code, study, series, None, code=REJECTED, reason=reason)
        except PacsdError as error:
            if error.fault is not Fault.NOT_FOUND:           # nothing was made of this kind, or it is hidden already
                raise


def _made_in(report: Report, study_instance_uid: str) -> set[str]:
    """The objects that its versions would be in a study."""
    return {uid for version in report.versions for uid in _made_of(version, study_instance_uid)}


def _made_of(version: Version, study_instance_uid: str) -> set[str]:
    documents = len(version.content.documents)
    return {
        uid_of(kind, study_instance_uid, version.uid, str(number))
        for kind in (basic_text.KIND, encapsulated_pdf.KIND) for number in range(documents + 1)
    }  # fmt: skip


def _uid(attributes: Attributes) -> str:
    return str(attributes["00080018"]["Value"][0])
