"""Objects de-identified: what pydicom finds in them, and what stands nowhere in their bytes."""

from collections.abc import Iterator
from io import BytesIO

import numpy
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from config.deidentification import Override, PrivateElement
from pacsd.faults import Fault, PacsdError
from tests.deidentify.objects import CT, OTHER, PROJECT, ROOT, SECRETS, deidentified, image, outcome, part10
from tests.deidentify.original import present

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
ALL_TEXT = ("structured", "descriptors", "graphics", "modified_dates", "characteristics", "safe_private")


def whole(data: bytes, *options: str, **more: object) -> bytes:
    return b"".join(outcome(data, *options, **more).part10())  # type: ignore[arg-type]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("options", [(), ALL_TEXT])
def test_no_secret_is_left_in_any_transfer_syntax(syntax: str, options: tuple[str, ...]) -> None:
    given = image()
    if syntax == ExplicitVRBigEndian:
        given.PixelData = numpy.arange(16, dtype=">u2").tobytes()
    made = whole(part10(given, syntax), *options)
    read = pydicom.dcmread(BytesIO(made))
    assert read.file_meta.TransferSyntaxUID == syntax
    flat = BytesIO()
    read.save_as(flat)
    inflated = made + str(read).encode() + "".join(str(element.value) for element in read.iterall()).encode()
    assert present(inflated, set(SECRETS) | {"CTSCAN7", "S-4711-Z", "Gregory"}) == set()
    assert (read.pixel_array == numpy.arange(16).reshape(4, 4)).all()


def test_the_basic_profile_leaves_the_image_and_nothing_that_describes_it() -> None:
    read = deidentified(part10(image()))
    assert read.PatientIdentityRemoved == "YES"
    assert [code.CodeValue for code in read.DeidentificationMethodCodeSequence] == ["113100"]
    assert read.LongitudinalTemporalInformationModified == "REMOVED"
    assert read.PatientName == PROJECT.patient("", "000777123").patient_id
    assert read.PatientID == PROJECT.patient("", "000777123").patient_id
    assert read.StudyInstanceUID == PROJECT.uid(ROOT + "1")
    assert read.file_meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID == PROJECT.uid(ROOT + "1.1.1")
    (referenced,) = read.ReferencedImageSequence
    assert referenced.ReferencedSOPInstanceUID == PROJECT.uid(ROOT + "1.1.2")
    assert referenced.ReferencedSOPClassUID == CT
    assert read.StudyDate == "" and read.PatientBirthDate == "" and read.PatientSex == ""
    assert read.InstitutionName == "ANONYMIZED"                # X/Z/D: right for every type
    for keyword in ("PatientAge", "StudyDescription", "SeriesDescription", "PatientComments"):
        assert keyword not in read
    assert (read.Manufacturer, read.Modality, read.Rows) == ("ACME", "CT", 4)
    assert not [element for element in read.iterall() if element.tag.is_private]
    assert read.preamble == bytes(128)
    assert "SourceApplicationEntityTitle" not in read.file_meta


def test_options_keep_what_they_name() -> None:
    read = deidentified(part10(image()), *ALL_TEXT, "device", "institution")
    assert read.StudyDescription == "CT of ***, ***, ***"
    assert read.SeriesDescription == "Abdomen 5.0 for ***"
    assert read.AdmittingDiagnosesDescription == "Appendicitis" and "PatientComments" not in read
    assert read.PatientAge == "054Y" and read.PatientSex == "M"
    assert read.InstitutionName == "Springfield General" and read.StationName == "CTSCAN7"
    assert read.StudyDate == PROJECT.patient("", "000777123").shifted("20240215")
    assert read.StudyTime == "101112"
    assert read.AcquisitionDateTime == read.StudyDate + "101112.5"
    assert read.PatientBirthDate == ""
    assert read[0x0043, 0x1039].value == "1000" or int(read[0x0043, 0x1039].value) == 1000
    assert [element.tag for element in read.iterall() if element.tag.is_private] == [0x00430010, 0x00431039]
    assert read.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = {code.CodeValue for code in read.DeidentificationMethodCodeSequence}
    assert codes == {"113100", "113103", "113104", "113105", "113107", "113108", "113109", "113111", "113112"}


def test_full_dates_and_uids_are_kept_when_the_policy_says_so() -> None:
    read = deidentified(part10(image()), "full_dates", "uids")
    assert read.StudyDate == "20240215" and read.AcquisitionDateTime == "20240215101112.5"
    assert read.SOPInstanceUID == ROOT + "1.1.1"
    assert read.PatientBirthDate == ""
    assert read.LongitudinalTemporalInformationModified == "UNMODIFIED"


def test_two_exports_of_one_patient_are_linkable_in_a_project_and_nowhere_else() -> None:
    first = deidentified(part10(image()), "modified_dates")
    second = deidentified(
        part10(image(StudyInstanceUID=ROOT + "2", SOPInstanceUID=ROOT + "2.1.1", StudyDate="20240315")),
        "modified_dates",
    )
    foreign = deidentified(part10(image()), "modified_dates", project=OTHER)
    assert first.PatientID == second.PatientID and first.PatientName == second.PatientName
    assert first.FrameOfReferenceUID == second.FrameOfReferenceUID
    assert first.StudyInstanceUID != second.StudyInstanceUID
    kept = {"Manufacturer", "ManufacturerModelName", "Modality", "ImageType", "SOPClassUID"}
    told = ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyDate",
            "FrameOfReferenceUID", "AccessionNumber", "StudyID")  # fmt: skip
    assert not kept & set(told)
    assert all(first[keyword].value != foreign[keyword].value for keyword in told)


def test_the_same_number_of_two_hospitals_is_two_patients() -> None:
    data = part10(image())
    east, west = (outcome(data, issuer=issuer).part10() for issuer in ("EAST", "WEST"))
    read = [pydicom.dcmread(BytesIO(b"".join(one))).PatientID for one in (east, west)]
    assert read[0] != read[1]
    stated = part10(image(IssuerOfPatientID="EAST"))
    assert pydicom.dcmread(BytesIO(whole(stated, issuer="WEST"))).PatientID == read[0]


def test_an_object_without_patient_id_is_linkable_within_its_study() -> None:
    one = deidentified(part10(image(PatientID="")))
    same = deidentified(part10(image(PatientID="", SOPInstanceUID=ROOT + "1.1.2")))
    assert one.PatientID == same.PatientID != ""


def test_structured_reports_lose_persons_and_text_and_keep_their_structure() -> None:
    report = image(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR")
    del report.PixelData
    name, text, measured = Dataset(), Dataset(), Dataset()
    for item, kind in ((name, "PNAME"), (text, "TEXT"), (measured, "NUM")):
        item.RelationshipType, item.ValueType = "CONTAINS", kind
    name.PersonName = "House^Gregory"
    text.TextValue = "Mr Feng (000777123) of 2024-02-15 has a nodule of 5 mm"
    value = Dataset()
    value.NumericValue = "5"
    measured.MeasuredValueSequence = Sequence([value])
    observer = Dataset()
    observer.VerifyingObserverName = "House^Gregory"
    observer.VerifyingOrganization = "Springfield General"
    report.VerifyingObserverSequence = Sequence([observer])
    report.ContentSequence = Sequence([name, text, measured])
    basic = deidentified(part10(report))
    assert [item.ValueType for item in basic.ContentSequence] == ["PNAME", "TEXT", "NUM"]
    assert basic.ContentSequence[1].TextValue == "ANONYMIZED"
    assert basic.ContentSequence[2].MeasuredValueSequence[0].NumericValue == 5
    assert "Gregory" not in str(basic) and "Springfield" not in str(basic)
    cleaned = deidentified(part10(report), "structured", "descriptors", prose="clean")
    assert cleaned.ContentSequence[1].TextValue == "Mr *** (***) of *** has a nodule of 5 mm"


def test_codes_that_identify_a_person_say_nothing() -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "D-4711", "99STAFF", "Gregory House"
    person = Dataset()
    person.PersonIdentificationCodeSequence = Sequence([code])
    report = image()
    report.ContentSequence = Sequence([person])
    (item,) = deidentified(part10(report), "structured", "descriptors").ContentSequence
    (made,) = item.PersonIdentificationCodeSequence
    assert {made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning} == {"ANONYMIZED"}


def test_overlays_curves_icons_and_what_trails_are_gone() -> None:
    given = image()
    given.add_new(0x60000010, "US", 4)
    given.add_new(0x60003000, "OW", b"Nobody Knows")
    given.add_new(0x50003000, "OW", b"Nobody Knows")
    icon = Dataset()
    icon.Rows = icon.Columns = 1
    icon.PixelData = b"Nobody Knows"
    icon["PixelData"].VR = "OB"
    given.IconImageSequence = Sequence([icon])
    given.add_new(0xFFFCFFFC, "OB", b"Nobody Knows")
    made = whole(part10(given))
    assert b"Nobody Knows" not in made
    assert not [element for element in pydicom.dcmread(BytesIO(made)) if element.tag.group in (0x6000, 0x5000, 0x0088)]


@pytest.mark.parametrize(
    ("sop_class", "why"),
    [
        ("1.2.840.10008.5.1.4.1.1.104.1", "document"), ("1.2.840.10008.5.1.4.1.1.104.2", "document"),
        ("1.2.840.10008.5.1.4.1.1.104.3", "document"), ("1.2.840.10008.5.1.4.1.1.9.4.1", "voices"),
        ("1.2.840.10008.1.3.10", "directory"),
    ],
)  # fmt: skip
def test_what_nobody_can_clean_is_refused_with_a_reason(sop_class: str, why: str) -> None:
    with pytest.raises(PacsdError, match=why) as caught:
        outcome(part10(image(SOPClassUID=sop_class)))
    assert caught.value.fault is Fault.UNSUPPORTED


def test_a_document_in_an_object_of_another_kind_is_refused_too() -> None:
    with pytest.raises(PacsdError, match="document"):
        outcome(part10(image(EncapsulatedDocument=b"%PDF")))


def test_overrides_win_and_a_weaker_result_claims_no_conformance() -> None:
    read = deidentified(part10(image()), override=(Override("00080080", "K"), Override("00080060", "D")))
    assert read.InstitutionName == "Springfield General" and read.Modality == "ANONYMIZED"
    assert "DeidentificationMethodCodeSequence" not in read
    assert read.PatientIdentityRemoved == "YES"
    stronger = deidentified(part10(image()), override=(Override("00080070", "X"),))
    assert "Manufacturer" not in stronger
    assert stronger.DeidentificationMethodCodeSequence[0].CodeValue == "113100"


def test_private_elements_of_the_policy_are_kept_with_their_creator_and_cleaned() -> None:
    mine = (PrivateElement("SECRET VENDOR", "0009,xx01", "LO"),)
    read = deidentified(part10(image(), ImplicitVRLittleEndian), "safe_private", private=mine)
    assert read[0x0009, 0x0010].value == "SECRET VENDOR"
    value = read[0x0009, 0x1001].value
    assert value in ("Nobody Knows ***", b"Nobody Knows ***")


def test_the_report_tells_what_was_done_and_nothing_that_was_taken_out() -> None:
    done = outcome(part10(image()), "modified_dates")
    b"".join(done.part10())
    told = done.report.as_json()
    assert told["sop_instance_uid"] == PROJECT.uid(ROOT + "1.1.1")
    assert told["options"] == ["modified_dates"]
    actions = {(row["keyword"], row["action"]): row["count"] for row in told["attributes"]}
    assert actions["PatientID", "D"] == 2                    # one of them nested
    assert actions["StudyDate", "C"] == 1
    assert actions["PatientComments", "X"] == actions["InstitutionName", "D"] == 1
    text = done.report.as_text()
    assert "removed: " in text and "(0010,4000) PatientComments" in text
    assert present((str(told) + text).encode(), set(SECRETS)) == set()


def test_large_pixel_data_is_never_held() -> None:
    frames = 64
    given = image(NumberOfFrames=frames, Rows=512, Columns=512, PixelData=b"")
    header = part10(given)[: -12]
    size = frames * 512 * 512 * 2

    def chunks() -> Iterator[bytes]:
        yield header + b"\xe0\x7f\x10\x00OW\0\0" + size.to_bytes(4, "little")
        yield from (bytes(1 << 20) for _ in range(size >> 20))

    import tracemalloc

    from pacsd.deidentify import Deidentified
    from tests.deidentify.objects import policy

    making = Deidentified(policy(), PROJECT)
    tracemalloc.start()
    made = sum(map(len, making.of_part10(chunks()).part10()))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert made > size and most < 16 << 20


def test_pixel_data_that_ends_too_early_is_an_error_and_no_short_file() -> None:
    with pytest.raises(PacsdError) as caught:
        whole(part10(image())[:-4])
    assert caught.value.fault is Fault.MALFORMED


def test_sequences_nested_too_deep_are_refused() -> None:
    inner = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 3000
    data = part10(image())
    at = data.index(b"\x08\0\x50\0SH")
    with pytest.raises(PacsdError) as caught:
        whole(data[:at] + inner + data[at:])
    assert caught.value.fault in (Fault.TOO_MUCH, Fault.MALFORMED)


_DATA = part10(image())


@settings(max_examples=300, deadline=None)
@given(st.integers(132, len(_DATA)), st.binary(max_size=8), st.booleans())
def test_any_damage_is_an_error_or_leaves_a_readable_file_without_the_uids(
    at: int, noise: bytes, cut: bool
) -> None:
    damaged = _DATA[:at] + noise + (b"" if cut else _DATA[at + len(noise) :])
    try:
        made = whole(damaged, *ALL_TEXT)
    except PacsdError as error:
        if error.fault not in (Fault.MALFORMED, Fault.UNSUPPORTED, Fault.TOO_MUCH):
            raise
        return
    assert pydicom.dcmread(BytesIO(made)).PatientIdentityRemoved == "YES"
