"""Objects of reports: what stands in them, that there is one of each, and when they are made."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from config.settings import ReportsSettings, Settings
from pacsd.access.directory import Directory
from pacsd.archive.reject import Rejections
from pacsd.archive.truth import Truth
from pacsd.faults import Fault, PacsdError
from pacsd.identity.patients import PatientKey, Patients
from pacsd.identity.work import working
from pacsd.index.outbox import Event
from pacsd.index.overlays import set_patient_overlay
from pacsd.reports.contents import Contents
from pacsd.reports.objects import TOPICS, Objects
from tests.hl7.peer import adt
from tests.hl7.results import mdm, oru, study_uid, text
from tests.ihe_profiles.test_results import PDF, TWO, Ward, exchange, opened
from tests.synthetic import small_object, study

ONE, OTHER = study(911, patient_id="42", accession_number="A1"), study(912, patient_id="42", accession_number="A2")
UID = ONE.study_instance_uid
ED = f"ED|PDF^Report||^application^pdf^Base64^{base64.b64encode(PDF).decode()}||||||F"


class Making(Ward):
    """A ward that makes objects when it is told to look at what happened."""

    seen = 0

    def objects(self, **settings: object) -> Objects:
        reports = ReportsSettings(**{"objects": ("sr", "pdf"), **settings})  # type: ignore[arg-type]
        house = self.house
        truth = Truth(house.pool, house.writing, house.sidecars, house.keys, grace_s=0.0)
        made = Settings(organisations=TWO)
        return Objects(
            house.pool, self.reports, Contents(house.blobs), house.ingest,
            Rejections(house.journal, truth, house.sidecars), Directory(made, house.keys), reports,
            organisations={key: (code, code.title()) for code, key in house.keys.items()}, ae_title="PACSD",
        )  # fmt: skip

    def look(self, **settings: object) -> None:
        """Handle every event that was not handled yet."""
        for event in self.events()[self.seen :]:
            if event.topic in TOPICS:
                self.objects(**settings).handle(event)
            self.seen += 1

    def events(self) -> list[Event]:
        with self.house.pool.connection() as connection:
            fields = "pk, organisation, topic, subject, body, created_at"
            return [Event(*row) for row in connection.execute(f"select {fields} from event order by pk").fetchall()]

    def made(self, uid: str = UID) -> list[pydicom.Dataset]:
        """The study's reports, as readers get them."""
        sets = self.house.data_sets(uid).values()
        read = [pydicom.dcmread(BytesIO(data), force=True) for data in sets]
        return sorted((one for one in read if one.Modality in ("SR", "DOC")), key=lambda one: int(one.InstanceNumber))


@pytest.fixture
def ward(database: str, tmp_path: Path) -> Iterator[Making]:
    with opened(database, tmp_path / "blobs") as house:
        yield Making(house, exchange(house, organisations=TWO))


def texts(dataset: pydicom.Dataset) -> list[tuple[str, str]]:
    """Heading and text of every item of a report."""
    return [
        (
            section.ConceptNameCodeSequence[0].CodeMeaning,
            item.get("TextValue") or item.ConceptCodeSequence[0].CodeMeaning,
        )
        for section in dataset.ContentSequence
        if section.ValueType == "CONTAINER"
        for item in section.ContentSequence
    ]


def test_a_report_becomes_a_structured_report_of_its_study(ward: Making) -> None:
    ward.house.receive(small_object(ONE))
    assert ward.ask(oru(
        "1", study_uid(UID), text("\u53cc\u80ba\\E\\\u6e05\u6670"), text("Normal.", code="19005-8^I^LN"),
        "CWE|121071^F^DCM||27268008^Salmonella^SCT||||||F", "CWE|L1^Local^L||9^Nine^L|||AA|||F",
        "NM|8867-4^Heart rate^LN||72|/min|||||F", verifier="9&LI&SI^20260101113000",
        author="8&WANG&WU", time="20260101120000+0800",
    ))[0] == "AA"  # fmt: skip
    ward.look()
    (made,) = ward.made()
    assert (made.SOPClassUID, made.Modality, made.SeriesNumber) == ("1.2.840.10008.5.1.4.1.1.88.11", "SR", 9001)
    assert (made.PatientID, made.StudyInstanceUID, made.AccessionNumber) == ("42", UID, "A1")
    assert (made.CompletionFlag, made.VerificationFlag, made.PreliminaryFlag) == ("COMPLETE", "VERIFIED", "FINAL")
    assert (made.ContentDate, made.ContentTime, made.TimezoneOffsetFromUTC) == ("20260101", "120000", "+0800")
    assert made.ContentTemplateSequence[0].TemplateIdentifier == "2000" and made.SpecificCharacterSet == "ISO_IR 192"
    observer = made.VerifyingObserverSequence[0]
    assert (observer.VerifyingObserverName, observer.VerificationDateTime) == ("LI^SI", "20260101113000")
    assert observer.VerifyingOrganization == "East"
    assert made.AuthorObserverSequence[0].PersonName == "WANG^WU"
    assert made.ReferencedRequestSequence[0].FillerOrderNumberImagingServiceRequest == "F1"
    assert texts(made) == [
        ("Findings", "\u53cc\u80ba\\\u6e05\u6670"), ("Findings", "Salmonella"),
        ("Findings", "Local: Nine (9, L) <AA>"), ("Findings", "Heart rate: 72 /min"), ("Impressions", "Normal."),
    ]  # fmt: skip
    language = made.ContentSequence[0]
    assert (language.RelationshipType, language.ConceptCodeSequence[0].CodeValue) == ("HAS CONCEPT MOD", "zh")
    assert made.SOPInstanceUID.startswith("2.25.") and len(made.SOPInstanceUID) <= 64


def test_corrections_of_now_stand_in_it(ward: Making) -> None:
    ward.house.receive(small_object(ONE))
    renamed = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "ZHANG^SAN", "Ideographic": "\u5f20^\u4e09"}]}}
    set_patient_overlay(ward.house.pool, "east", "42", renamed, at=datetime.now(UTC))
    assert ward.ask(oru("1", text("x")))[0] == "AA"
    ward.look()
    (made,) = ward.made()
    assert str(made.PatientName) == "ZHANG^SAN=\u5f20^\u4e09"
    assert ward.ask(adt("A40", "2", "43", name="NEW^ID", more="MRG|42"))[0] == "AA"
    (made,) = ward.made()
    assert made.PatientID == "43"


def test_what_is_said_twice_is_made_once_and_a_crash_in_between_does_not_matter(ward: Making) -> None:
    ward.house.receive(small_object(ONE))
    assert ward.ask(oru("1", text("x"), ED))[0] == "AA"
    ward.look()
    first = [one.SOPInstanceUID for one in ward.made()]
    with ward.house.pool.connection() as connection:                 # stored, and its mark lost
        connection.execute("update diagnostic_report_version set objects = '{}'")
    renamed = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "OTHER^SINCE"}]}}
    set_patient_overlay(ward.house.pool, "east", "42", renamed, at=datetime.now(UTC))
    for _ in range(2):
        ward.seen = 0
        ward.look()
    assert [one.SOPInstanceUID for one in ward.made()] == first and len(first) == 2


def test_a_pdf_is_in_its_object_byte_for_byte(ward: Making) -> None:
    ward.house.receive(small_object(ONE))
    assert ward.ask(oru("1", ED))[0] == "AA"
    ward.look()
    (made,) = ward.made()
    assert (made.SOPClassUID, made.Modality) == ("1.2.840.10008.5.1.4.1.1.104.1", "DOC")
    assert made.EncapsulatedDocument[: made.EncapsulatedDocumentLength] == PDF
    assert (made.DocumentTitle, made.BurnedInAnnotation) == ("Report", "YES")


def test_amendments_name_what_they_amend_and_addenda_read_with_it(ward: Making) -> None:
    ward.house.receive(small_object(ONE))
    assert ward.ask(mdm("T02", "1", text("First."), signer="9^LI^SI"))[0] == "AA"
    ward.look()
    assert ward.ask(mdm("T06", "2", text("Added."), number="D2", parent="D1", time="20260101130000"))[0] == "AA"
    assert ward.ask(mdm("T10", "3", text("Anew."), number="D3", parent="D1", time="20260101140000"))[0] == "AA"
    ward.look()
    first, second, third = ward.made()
    assert "PredecessorDocumentsSequence" not in first
    assert texts(second) == [("Findings", "First."), ("Addendum", "Added.")] and texts(third) == [("Findings", "Anew.")]
    named = third.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert [one.ReferencedSOPInstanceUID for one in named] == [first.SOPInstanceUID, second.SOPInstanceUID]
    assert len({one.SeriesInstanceUID for one in (first, second, third)}) == 1
    assert ward.ask(mdm("T11", "4", number="D3", time="20260101150000"))[0] == "AA"
    ward.look()
    assert ward.made() == []
    assert ward.ask(mdm("T08", "5", text("After all."), number="D3", time="20260101160000"))[0] == "AA"
    ward.look()
    assert [texts(one) for one in ward.made()] == [[("Findings", "After all.")]]


def test_preliminary_reports_become_objects_only_where_that_is_wanted(ward: Making) -> None:
    ward.house.receive(small_object(ONE))
    assert ward.ask(oru("1", text("x"), status="P"))[0] == "AA"
    ward.look()
    assert ward.made() == []
    ward.seen = 0
    ward.look(object_statuses=("preliminary",))
    (made,) = ward.made()
    assert (made.CompletionFlag, made.VerificationFlag, made.PreliminaryFlag) == (
        "PARTIAL", "UNVERIFIED", "PRELIMINARY",
    )  # fmt: skip


def test_of_several_studies_the_first_that_is_here_gets_the_object(ward: Making) -> None:
    message = oru("1", text("Both.")) + "OBR|2|P2|F2|1^X^L||||||||||||||A2|||||||F\r"
    assert ward.ask(message)[0] == "AA"
    ward.look()
    ward.house.receive(small_object(OTHER))
    ward.look()
    ward.house.receive(small_object(ONE))
    ward.look()
    assert len(ward.made(OTHER.study_instance_uid)) == 1 and ward.made(UID) == []


def test_a_study_of_another_patient_waits_for_the_merge(ward: Making) -> None:
    ward.house.receive(small_object(study(911, patient_id="TEMP", accession_number="A1")))
    assert ward.ask(oru("1", text("x")))[0] == "AA"
    ward.look()
    assert ward.made() == []
    assert ward.ask(adt("A40", "2", "42", more="MRG|TEMP"))[0] == "AA"
    ward.look()
    assert len(ward.made()) == 1


def test_what_was_made_during_a_merge_leaves_the_other_patients_study_when_it_is_taken_back(ward: Making) -> None:
    other = study(913, patient_id="TEMP", accession_number="A1")
    ward.house.receive(small_object(other))
    assert ward.ask(oru("1", text("x"), ED))[0] == "AA"
    assert ward.ask(adt("A40", "2", "42", more="MRG|TEMP"))[0] == "AA"
    ward.look()
    assert len(ward.made(other.study_instance_uid)) == 2
    with working(ward.house.pool, ward.house.journal.append_all, ward.house.keys["east"]) as work:
        Patients().unmerge(work, PatientKey("east", "TEMP"))
    ward.look()
    assert ward.made(other.study_instance_uid) == []
    ward.house.receive(small_object(ONE))                    # of the patient whom the report names
    ward.look()
    assert [one.PatientID for one in ward.made()] == ["42", "42"]
    ward.seen = 0
    ward.look()                                              # all of it said twice
    assert len(ward.made()) == 2 and ward.made(other.study_instance_uid) == []


def merged(ward: Making, number: str) -> None:
    assert ward.ask(adt("A40", number, "42", more="MRG|TEMP"))[0] == "AA"
    ward.look()


def parted(ward: Making) -> None:
    with working(ward.house.pool, ward.house.journal.append_all, ward.house.keys["east"]) as work:
        Patients().unmerge(work, PatientKey("east", "TEMP"))
    ward.look()


def test_a_merge_that_was_taken_back_and_is_made_again_shows_what_the_first_showed(ward: Making) -> None:
    other = study(913, patient_id="TEMP", accession_number="A1")
    ward.house.receive(small_object(other))
    assert ward.ask(oru("1", text("x"), ED))[0] == "AA"
    merged(ward, "2")
    assert ward.ask(oru("3", text("better"), ED, status="C", time="20260102120000+0800"))[0] == "AA"
    ward.look()
    first = [one.SOPInstanceUID for one in ward.made(other.study_instance_uid)]
    assert len(first) == 4                                   # text and document, amended text and document
    for number in ("4", "5"):
        parted(ward)
        assert ward.made(other.study_instance_uid) == []
        merged(ward, number)
        assert [one.SOPInstanceUID for one in ward.made(other.study_instance_uid)] == first
    parted(ward)
    ward.seen = 0
    ward.look()                                              # all of it said twice
    assert ward.made(other.study_instance_uid) == []


def test_what_people_rejected_stays_rejected_when_patients_are_merged_again(ward: Making) -> None:
    other = study(913, patient_id="TEMP", accession_number="A1")
    ward.house.receive(small_object(other))
    assert ward.ask(oru("1", text("x"), ED))[0] == "AA"
    merged(ward, "2")
    sr, pdf = ward.made(other.study_instance_uid)
    truth = Truth(ward.house.pool, ward.house.writing, ward.house.sidecars, ward.house.keys, grace_s=0.0)
    Rejections(ward.house.journal, truth, ward.house.sidecars).reject(
        "east", other.study_instance_uid, sr.SeriesInstanceUID, code="113037", reason="of somebody else"
    )
    parted(ward)
    merged(ward, "3")
    assert [one.SOPInstanceUID for one in ward.made(other.study_instance_uid)] == [pdf.SOPInstanceUID]


def test_a_full_disk_is_told_so_that_it_is_tried_again(ward: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.house.receive(small_object(ONE))
    assert ward.ask(oru("1", text("x")))[0] == "AA"

    def full(*_: object) -> object:
        raise PacsdError(Fault.FULL, "no room left")

    with monkeypatch.context() as patched:
        patched.setattr(ward.house.spool, "create", full)
        with pytest.raises(PacsdError):
            ward.look()
    ward.look()
    assert len(ward.made()) == 1
