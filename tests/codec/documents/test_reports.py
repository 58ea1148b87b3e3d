"""Structured reports as HTML, XML, text and PDF."""

import contextlib
import re
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree, html
from pydicom import dcmread

from pacsd.codec.documents import json_model, report_html, report_text
from pacsd.codec.documents.json_model import Attributes
from pacsd.codec.documents.report_pdf import printed
from pacsd.codec.documents.waveform import groups
from pacsd.faults import Fault, PacsdError
from tests.codec.documents.reports import (
    BASE,
    attributes_of,
    code_item,
    coded,
    evidence,
    image,
    node,
    report,
    value,
    words,
)

NASTY = '<script>alert(1)</script><img src=x onerror="alert(2)">&\x00\x08\ufffe]]>'
SR_FILES = (
    "modality/sr/reportsi.dcm", "modality/sr/sr_document.dcm", "modality/sr/test-SR.dcm",
    "modality/sr_tid1500_seg_rwvm/sr.dcm", "malformed/reportsi_with_empty_number_tags.dcm",
    "study_mr_jpeg_lossless_with_ko/kos/kos.dcm", "study_mr_2series_with_ko/kos/kos.dcm",
    "study_us_multiframe_with_ko/kos/kos.dcm", "study_xa_multiframe_with_ko/kos/kos.dcm",
)  # fmt: skip


def tree(document: Attributes) -> html.HtmlElement:
    return html.document_fromstring(report_html.html(document, base_url=BASE).decode())


def streams(document: bytes) -> str:
    """The content streams of a PDF, texts as their hexadecimal strings."""
    found = re.findall(rb"/FlateDecode>>stream\n(.*?)\nendstream", document, re.DOTALL)
    return "\n".join(zlib.decompress(one).decode() for one in found)


@pytest.mark.parametrize("name", SR_FILES)
def test_every_report_of_the_data_folder_in_every_form(data_folder, name):
    document = attributes_of(data_folder / "dicom" / name)
    marked_up = report_html.html(document, base_url=BASE)
    assert marked_up.startswith(b"<!DOCTYPE html>")
    parsed = etree.fromstring(report_html.xml(document, base_url=BASE))
    assert parsed.findtext(".//{*}h1") == report_text.lines(document)[0].label != ""
    assert report_text.plain(document).decode().count("\n") > 5
    assert printed(report_text.lines(document)).endswith(b"%%EOF\n")


def test_all_that_a_report_says_is_in_every_form(data_folder):
    document = attributes_of(data_folder / "dicom/modality/sr/sr_document.dcm")
    said = ["Imaging Measurement Report", "CompressedSamples, CT1", "Area of defined region", "1.7 cm²", "Spinal cord",
            "Topographical Modifier: Vertebral foramen", "Level of Significance"]  # fmt: skip
    text = report_text.plain(document).decode()
    marked_up = tree(document).text_content()
    pages = streams(printed(report_text.lines(document)))
    for one in said:
        assert one in text and one in marked_up and one.encode("cp1252").hex() in pages, one


def test_text_is_escaped_everywhere():
    hostile = report(
        words(NASTY, NASTY, code_item(NASTY, coded(NASTY), relationship="HAS CONCEPT MOD")), title=NASTY
    ) | {"00100010": value("PN", {"Alphabetic": NASTY}), "00081030": value("LO", NASTY)}
    found = tree(hostile)
    assert not found.xpath("//script|//img|//@onerror")
    assert "<script>alert(1)</script>" in found.text_content()
    etree.fromstring(report_html.xml(hostile, base_url=BASE))
    assert printed(report_text.lines(hostile)).startswith(b"%PDF")


def test_a_bulk_address_that_is_a_script_is_no_link():
    long = node("TEXT", "Long") | {"0040A160": {"vr": "UT", "BulkDataURI": "javascript:alert(1)"}}
    assert tree(report(long)).xpath("//a/@href") == []
    long["0040A160"]["BulkDataURI"] = BASE + "/studies/1/bulkdata/0040A160"
    assert tree(report(long)).xpath("//a/@href") == [BASE + "/studies/1/bulkdata/0040A160"]


def test_references_are_links_to_what_shows_them():
    known = evidence("1", "2", "1.2.3", "1.2.4")
    document = report(image("1.2.3"), image("1.2.4", 2, 5), image("7.7"), t0040A375=known)
    found = tree(document)
    assert found.xpath("//a/@href") == [
        BASE + "/studies/1/series/2/instances/1.2.3/rendered",
        BASE + "/studies/1/series/2/instances/1.2.4/frames/2,5/rendered",
    ]
    assert "CT Image 7.7" in found.text_content()


def test_nested_containers_are_sections_with_their_headings():
    inner = node("CONTAINER", "Lungs", words("Finding", "clear"))
    found = tree(report(node("CONTAINER", "Findings", inner), words("Impression", "normal")))
    assert [one.text for one in found.xpath("//main//h2")] == ["Findings"]
    assert [one.text for one in found.xpath("//main/section/section/h3")] == ["Lungs"]
    assert found.xpath("//section/section//dt/text()") == ["Finding"]
    assert found.xpath("//main/dl//dd//text()") == ["normal"]


def test_heading_levels_end_at_six():
    inner = words("Leaf", "x")
    for number in range(12):
        inner = node("CONTAINER", f"Level {number}", inner)
    found = tree(report(inner))
    assert len(found.xpath("//h6")) == 8 and not found.xpath("//h7")


def test_a_continuous_text_flows_in_one_paragraph():
    pieces = [words("", "A mass of"), words("", "3 cm"), words("", "was seen.")]
    found = tree(report(node("CONTAINER", "Findings", *pieces, t0040A050=value("CS", "CONTINUOUS"))))
    assert [one.text_content() for one in found.xpath("//section/p")] == ["A mass of 3 cm was seen."]


def test_items_by_reference_lead_to_their_place():
    there = node("", "", relationship="INFERRED FROM", t0040DB73=value("UL", 1, 1))
    found = tree(report(words("Mass", "seen"), words("Impression", "tumour", there)))
    (target,) = found.xpath("//a[starts-with(@href, '#')]/@href")
    assert found.xpath(f"//*[@id='{target[1:]}']/dt/text()") == ["Mass"]


def test_relationships_are_named():
    document = report(words(
        "Impression", "tumour",
        words("Mass", "3 cm", relationship="INFERRED FROM"), words("Sharp", "no", relationship="HAS PROPERTIES"),
    ))  # fmt: skip
    text = report_text.plain(document).decode()
    assert "\nImpression: tumour\n  Properties\n    Sharp: no\n  Inferred from\n    Mass: 3 cm\n" in text


def test_a_chinese_report_has_chinese_labels_and_its_language():
    document = report(words("所见", "双肺清晰。"), title="胸部CT报告") | {
        "00100010": value("PN", {"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}),
        "00100040": value("CS", "M"), "0040A493": value("CS", "VERIFIED"),
    }  # fmt: skip
    text = report_text.plain(document).decode()
    assert "患者: 王小东 · Wang, XiaoDong\n患者编号: 4711\n性别: 男\n状态: 已审核\n" in text
    assert tree(document).get("lang") == "zh"
    pages = streams(printed(report_text.lines(document)))
    assert "双肺清晰。".encode("utf-16-be").hex() in pages


def test_the_language_is_what_the_document_says():
    spoken = code_item(
        "Language", coded("Deutsch", "de-DE", "RFC5646"), relationship="HAS CONCEPT MOD"
    )
    spoken["0040A043"] = value("SQ", coded("Language of Content Item and Descendants", "121049", "DCM"))
    assert tree(report(spoken, words("Befund", "o. B."))).get("lang") == "de-DE"


def test_right_to_left_text_keeps_its_order_and_finds_its_direction():
    document = report(words("ממצא", "הריאות תקינות"), title="דוח")
    found = tree(document)
    assert found.xpath("//h1/@dir") == ["auto"] and found.xpath("//dd/span/@dir") == ["auto"]
    assert "ממצא: הריאות תקינות" in report_text.plain(document).decode()
    with pytest.raises(PacsdError) as refused:        # no font that every reader has
        printed(report_text.lines(document))
    assert refused.value.fault is Fault.UNSUPPORTED


def test_a_page_in_hebrew_runs_from_right_to_left():
    spoken = code_item("Language", coded("עברית", "he", "RFC5646"), relationship="HAS CONCEPT MOD")
    spoken["0040A043"] = value("SQ", coded("Language of Content Item and Descendants", "121049", "DCM"))
    assert tree(report(spoken, words("ממצא", "תקין"))).get("dir") == "rtl"


def test_many_frames_are_not_all_named():
    document = report(image("1.2.3", *range(1, 2001)), t0040A375=evidence("1", "2", "1.2.3"))
    found = tree(document)
    assert found.xpath("//a/@href") == [BASE + "/studies/1/series/2/instances/1.2.3/rendered"]
    assert "49, 50 …" in found.text_content() and "51" not in found.text_content()


_TAGS = ("0040A730", "0040A043", "0040A168", "0040A300", "00081199", "0040A375", "00081115", "0040A010", "0040A040",
         "0040A160", "0040A30A", "00081155", "00081160", "00700022", "0040DB73", "00100010", "0040A073", "0040A801",
         "54000100", "003A0200", "003A0005", "003A0010", "003A001A", "54001006", "54001010", "003A0210")  # fmt: skip
_WORDS = ("CONTAINER", "TEXT", "NUM", "IMAGE", "SCOORD", "TCOORD", "CODE", "HAS CONCEPT MOD", "CONTAINS", "SS", "1.2.3")
_LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(_WORDS))
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(_TAGS), st.builds(lambda found: {"vr": "SQ", "Value": found}, st.lists(inner, max_size=3)),
            max_size=6,
        ),
    ),
    max_leaves=30,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(_TAGS), st.builds(lambda found: {"vr": "SQ", "Value": found},
                                                         st.lists(_ANYTHING, max_size=4)), max_size=10))  # fmt: skip
def test_whatever_an_instance_says_it_is_rendered_or_refused(document):
    etree.fromstring(report_html.xml(document, base_url=BASE))
    report_text.plain(document)
    for refusable in (lambda: printed(report_text.lines(document)), lambda: groups(document)):
        with contextlib.suppress(PacsdError):
            refusable()


def test_the_forms_load_nothing_from_elsewhere(data_folder):
    found = tree(attributes_of(data_folder / "dicom" / SR_FILES[3]))
    assert not found.xpath("//@src|//link|//script|//iframe|//object|//form")
    assert all(one.startswith((BASE, "#")) for one in found.xpath("//@href"))


def test_a_long_report_is_printed_on_numbered_pages():
    document = report(*(words(f"Finding {number}", "clear " * 60) for number in range(60)))
    made = printed(report_text.lines(document), identity="Doe, Jane")
    count = int(re.search(rb"/Count (\d+)", made)[1])
    pages = streams(made)
    assert count > 5 and pages.count(b"Doe, Jane".hex()) == count + 1
    assert f"{count} / {count}".encode().hex() in pages


def test_a_report_beyond_all_pages_is_refused():
    line = words("Finding", "one\n" * 500)
    with pytest.raises(PacsdError) as refused:
        printed(report_text.lines(report(*[line] * 60)))
    assert refused.value.fault is Fault.TOO_MUCH


def test_kos_documents_list_their_images(data_folder: Path):
    path = data_folder / "dicom/study_mr_2series_with_ko/kos/kos.dcm"
    images = [one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
              for one in dcmread(path).ContentSequence if one.ValueType == "IMAGE"]  # fmt: skip
    links = tree(attributes_of(path)).xpath("//a/@href")
    assert len(images) > 30 and [link.split("/")[-2] for link in links] == images


def test_more_metadata_than_a_document_has_is_refused():
    with pytest.raises(PacsdError) as refused:
        json_model.parse(b'[{"0040A160":{"vr":"UT","Value":["' + b"x" * (33 << 20) + b'"]}}]')
    assert refused.value.fault is Fault.TOO_MUCH
