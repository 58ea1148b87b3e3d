"""Objects made to smuggle an identifier out: wrong VRs, text in numbers, well-known UIDs that are none, bulk values."""

from io import BytesIO

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from pacsd.deidentify.standing import fits, standing
from pacsd.faults import PacsdError
from tests.deidentify.objects import PROJECT, ROOT, SECRETS, deidentified, image, outcome, part10
from tests.deidentify.original import present
from tests.deidentify.test_deidentified import ALL_TEXT

SECRET = b"Nobody Knows"
LONG = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
VRS = ("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OD", "OF", "OL", "OV", "OW",
       "SH", "SL", "SS", "ST", "SV", "TM", "UC", "UI", "UL", "UN", "UR", "US", "UT", "UV")  # fmt: skip
# attributes of every VR that no row of Table E.1-1 names
TAGS = ("00080060", "00280010", "00180088", "00280106", "00189073", "00181310", "00280009", "0018605A", "00080103",
        "00080201", "00181271", "00282000", "00281201", "00081140", "00540081", "00200013", "00189004",
        "00080068", "00280051", "00181063", "00189005", "00180020")  # fmt: skip


def element(tag: str, vr: str, value: bytes) -> bytes:
    """An explicit VR little endian element."""
    head = bytes.fromhex(tag[2:4] + tag[:2] + tag[6:] + tag[4:6]) + vr.encode()
    value += b" " * (len(value) % 2)
    return head + (b"\0\0" + len(value).to_bytes(4, "little") if vr in LONG else len(value).to_bytes(2, "little")) + (
        value)  # fmt: skip


def with_element(tag: str, vr: str, value: bytes) -> bytes:
    """The image with an element as those bytes; what stood there is gone."""
    given = image()
    if int(tag, 16) in given:
        del given[int(tag, 16)]
    data = part10(given)
    keyword = next((f"{one.tag:08X}" for one in given if one.tag > int(tag, 16)), None)
    assert keyword is not None
    marker = bytes.fromhex(keyword[2:4] + keyword[:2] + keyword[6:] + keyword[4:6])
    at = data.index(marker, 300)
    return data[:at] + element(tag, vr, value) + data[at:]


def whole(data: bytes, *options: str) -> bytes:
    return b"".join(outcome(data, *options).part10())


@pytest.mark.parametrize("tag", TAGS)
def test_no_vr_carries_a_secret_through(tag: str) -> None:
    number = pydicom.datadict.dictionary_VR(int(tag, 16)) in ("DS", "IS", "US", "FD", "SQ")
    secret = SECRET if number else b"Zhangsan   000777123"       # other values may say what nobody is called
    for vr in VRS:
        try:
            made = whole(with_element(tag, vr, secret), *ALL_TEXT)
        except PacsdError:
            continue
        assert secret[:8] not in made, vr


@pytest.mark.parametrize(
    ("tag", "vr", "value", "stays"),
    [
        ("00180020", "CS", b"SE\\GR", True), ("00180020", "CS", b"Zhangsan", False), ("00180020", "LO", b"SE", True),
        ("00180088", "DS", b"1.50\\2.5e-1", True), ("00180088", "DS", b"1.5 Nobody", False),
        ("00280010", "US", b"\4\0", True), ("00280010", "US", b"\4\0No", False), ("00280010", "US", b"Nobody", False),
        ("00280106", "SS", b"\4\0", True), ("00280106", "UN", b"\4\0", True), ("00280106", "LO", b"No", False),
        ("00189073", "FD", bytes(8), True), ("00189073", "FD", bytes(16), False), ("00189073", "DS", bytes(8), False),
        ("00281201", "OW", bytes(6), True), ("00281201", "LT", b"Nobody", False), ("00281201", "OB", bytes(6), True),
        ("00282000", "OB", b"profile", True), ("00282000", "OB", b"of 000777123", False),
        ("00080005", "CS", b"ISO_IR 192", True), ("00080005", "CS", b"ISO 2022 IR 6\\ISO 2022 IR 58", True),
        ("00080005", "CS", b"Nobody", False),
    ],
)  # fmt: skip
def test_a_value_stays_where_it_is_one_of_its_vr(tag: str, vr: str, value: bytes, stays: bool) -> None:
    made = whole(with_element(tag, vr, value))
    read = pydicom.dcmread(BytesIO(made))
    kept = value in made and int(tag, 16) in read
    assert kept == stays


def test_the_dictionary_decides_what_an_attribute_is() -> None:
    assert standing(0x00100010, "UT") == ("PN", False) and standing(0x00100010, "OB") == ("PN", True)
    assert standing(0x00280106, "SS") == ("SS", False) and standing(0x00280106, "UN") == ("UN", False)
    assert standing(0x00081140, "LO") == ("SQ", True) and standing(0x00091001, "LO") == ("LO", False)
    assert fits(0x00200032, "DS", b"1\\2\\3") and not fits(0x00200032, "FL", bytes(13))


def test_a_name_that_is_called_text_is_looked_for_as_a_name() -> None:
    given = with_element("00081070", "LO", b"Wayne^Bruce").replace(b"Abdomen 5.0", b"by B. Wayne")
    read = deidentified(given, "descriptors")
    assert "Wayne" not in str(read)


def test_a_sequence_in_place_of_a_value_is_gone_and_a_value_in_place_of_a_sequence() -> None:
    inner = element("00080104", "LO", SECRET)
    item = b"\xfe\xff\x00\xe0" + len(inner).to_bytes(4, "little") + inner
    for tag in ("00180015", "00280051"):
        assert SECRET not in whole(with_element(tag, "SQ", item), *ALL_TEXT)
    assert SECRET not in whole(with_element("00081140", "UT", SECRET), *ALL_TEXT)


def test_a_uid_that_only_looks_well_known_is_mapped() -> None:
    read = deidentified(part10(image(FrameOfReferenceUID="1.2.840.10008.13800138000")))
    assert read.FrameOfReferenceUID == PROJECT.uid("1.2.840.10008.13800138000") != "1.2.840.10008.13800138000"
    assert deidentified(part10(image(FrameOfReferenceUID="1.2.840.10008.1.4.1.1"))).FrameOfReferenceUID == (
        "1.2.840.10008.1.4.1.1")  # fmt: skip


def test_groups_of_files_and_commands_are_of_no_data_set() -> None:
    data = part10(image())
    at = data.index(b"\x08\0\x05\0CS")
    smuggled = element("00020102", "OB", SECRET) + element("00041130", "CS", b"NOBODY KNOWS")
    made = whole(data[:at] + smuggled + data[at:], *ALL_TEXT)
    assert SECRET not in made and b"NOBODY KNOWS" not in made


def test_documents_within_sequences_say_nothing() -> None:
    item = Dataset()
    item.add_new(0x00420011, "OB", SECRET)
    item.add_new(0x60003000, "OW", SECRET)
    item.add_new(0x50003000, "OW", SECRET)
    item.add_new(0x00091001, "LO", "Nobody Knows")
    item.add_new(0x00090010, "LO", "Nobody Knows")
    icon = Dataset()
    icon.PixelData = SECRET
    icon["PixelData"].VR = "OB"
    item.IconImageSequence = Sequence([icon])
    assert SECRET not in whole(part10(image(ReferencedImageSequence=Sequence([item]))), *ALL_TEXT)


@pytest.mark.parametrize("declared", ["ISO_IR 100", "", "GB18030", "ISO_IR 192"])
def test_chinese_names_are_found_whatever_the_character_set_is_said_to_be(declared: str) -> None:
    written = "ISO_IR 192" if declared == "ISO_IR 192" else "GB18030"
    given = image(SpecificCharacterSet=written, SeriesDescription="check of 张三丰, done", PatientName="=张^三丰")
    told = element("00080005", "CS", declared.encode())
    data = part10(given).replace(element("00080005", "CS", written.encode()), told, 1)
    assert "张三丰".encode("utf-8" if declared == written == "ISO_IR 192" else "gb18030") in data and told in data
    made = whole(data, *ALL_TEXT)
    assert present(made, {"张三丰", "三丰"}) == set()
    assert present(made, set(SECRETS)) == set()


def test_two_projects_share_no_identifier_uid_or_date_in_their_bytes() -> None:
    """Whatever of one project's bytes stands in another's is the image, a defined term or a dummy."""
    from tests.deidentify.objects import OTHER

    data = part10(image(), ExplicitVRLittleEndian)
    one, same, other = (
        pydicom.dcmread(BytesIO(b"".join(outcome(data, "modified_dates", project=of).part10())))
        for of in (PROJECT, PROJECT, OTHER)
    )
    assert one == same
    told = [{str(e.value) for e in read.iterall() if e.VR in ("UI", "DA", "DT", "PN", "LO", "SH") and e.value}
            for read in (one, other)]  # fmt: skip
    shared = {value for value in told[0] & told[1] if not value.startswith("1.2.840.10008.")}
    assert shared == {"ACME", "Scanner 5", "ANONYMIZED", "seen by ***", str(one.DeidentificationMethod), "113100",
                      "DCM", "113107", "Basic Application Confidentiality Profile",
                      "Retain Longitudinal Temporal Information Modified Dates Option"}  # fmt: skip
    assert ROOT not in str(one) + str(other)
