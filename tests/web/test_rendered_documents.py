"""Reports, encapsulated documents and waveforms from the whole server: negotiated, guarded, and linked."""

import re
import subprocess
from collections.abc import Iterator
from io import BytesIO
from urllib.parse import urljoin

import httpx
import numpy
import pytest
from lxml import etree, html
from pydicom import Dataset, dcmread

from tests.clients import require
from tests.codec.documents.test_clinical_document import LAUGHS, document
from tests.codec.documents.test_reports import SR_FILES
from tests.codec.documents.test_waveform_pages import points_of_svg
from tests.web.documents import CDA, PDF, STL, deep_report, encapsulated, part10, recording, report

DICOM = {"Content-Type": "application/dicom"}


@pytest.fixture
def http(running_server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running_server.base_url, timeout=60) as client:
        yield client


def url_of(found: Dataset) -> str:
    return f"/studies/{found.StudyInstanceUID}/series/{found.SeriesInstanceUID}/instances/{found.SOPInstanceUID}"


def keep(http: httpx.Client, content: bytes | Dataset) -> str:
    """Store it, or have it already: the path of its rendering."""
    found = content if isinstance(content, Dataset) else dcmread_bytes(content)
    file = part10(content) if isinstance(content, Dataset) else content
    answer = http.post("/studies", content=file, headers=DICOM)
    assert answer.status_code in (200, 409), answer.text
    return url_of(found) + "/rendered"


def dcmread_bytes(content: bytes) -> Dataset:
    wanted = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    return dcmread(BytesIO(content), specific_tags=wanted, force=True)


def get(http: httpx.Client, path: str, accept: str = "*/*") -> httpx.Response:
    return http.get(path, headers={"Accept": accept})


@pytest.mark.parametrize("name", SR_FILES)
def test_every_report_is_html_unless_text_xml_or_pdf_is_wanted(http, data_folder, name):
    path = keep(http, (data_folder / "dicom" / name).read_bytes())
    shown = get(http, path)
    assert shown.status_code == 200 and shown.headers["content-type"] == "text/html; charset=utf-8"
    title = html.document_fromstring(shown.text).findtext(".//h1")
    assert title and title in get(http, path, "text/plain").text
    assert etree.fromstring(get(http, path, "text/xml").content).findtext(".//{*}h1") == title
    assert get(http, path, "application/pdf").content.startswith(b"%PDF-1.7")
    refused = get(http, path, "image/jpeg")
    assert refused.status_code == 406 and "text/html" in refused.json()["acceptable"]


def test_documents_cannot_run_in_a_browser(http):
    path = keep(http, report("<script>alert(1)</script>"))
    for accept in ("text/html", "text/xml"):
        answer = get(http, path, accept)
        assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert b"<script" not in answer.content


def test_links_of_a_key_object_document_lead_to_its_images(http, data_folder):
    folder = data_folder / "dicom/study_us_multiframe_with_ko"
    for file in sorted(folder.rglob("*.dcm")):
        path = keep(http, file.read_bytes())
        if file.parent.name == "kos":
            document_url = str(http.base_url) + path.lstrip("/")
    links = html.document_fromstring(http.get(document_url).text).xpath("//a/@href")
    assert links
    for link in links:
        answer = http.get(urljoin(document_url, link))
        assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("character_set", ["ISO_IR 192", "GB18030", "GBK"])
def test_chinese_reports_in_every_character_set(http, character_set):
    path = keep(http, report("双肺清晰，未见实变。", title="胸部CT报告", character_set=character_set))
    assert "双肺清晰，未见实变。" in get(http, path, "text/plain").text
    shown = html.document_fromstring(get(http, path).text)
    assert shown.findtext(".//h1") == "胸部CT报告" and shown.get("lang") == "zh"


def test_a_pdf_without_the_letters_of_a_report_is_refused_and_its_text_is_there(http):
    path = keep(http, report("הריאות תקינות"))
    refused = get(http, path, "application/pdf")
    assert refused.status_code == 501 and "font" in refused.json()["detail"]
    assert "הריאות תקינות" in get(http, path, "text/plain").text


def test_a_report_ten_thousand_deep_is_refused(http):
    content = deep_report(10_000)
    answer = http.post("/studies", content=content, headers=DICOM)
    if answer.status_code == 200:
        refused = get(http, url_of(dcmread_bytes(content)) + "/rendered")
        assert refused.status_code == 413
    else:
        assert answer.status_code == 409
    assert get(http, keep(http, part10(report("still here")))).status_code == 200


@pytest.mark.parametrize("length", [None, 19, 20])
@pytest.mark.parametrize("size", [19, 20, 5000, 3_000_001])
def test_a_pdf_comes_back_byte_for_byte(http, size, length):
    content = b"%PDF-1.7\n" + b"x" * (size - 15) + b"%%EOF\n"
    path = keep(http, encapsulated(PDF, content, length=None if length is None else size))
    answer = get(http, path)
    assert answer.content == content and answer.headers["content-type"] == "application/pdf"
    assert get(http, path, "text/html").status_code == 406


def test_a_pdf_that_dcmtk_encapsulated(http, tmp_path):
    require("pdf2dcm")
    source, made = tmp_path / "a.pdf", tmp_path / "a.dcm"
    source.write_bytes(b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF")
    subprocess.run(["pdf2dcm", "+pn", "Doe^Jane", str(source), str(made)], check=True, capture_output=True)
    assert get(http, keep(http, made.read_bytes())).content == source.read_bytes()


def test_a_clinical_document_is_html_text_pdf_or_itself(http):
    content = document("<paragraph>Clear lungs.</paragraph>")
    path = keep(http, encapsulated(CDA, content))
    assert html.document_fromstring(get(http, path).text).xpath("//section/div/p/text()") == ["Clear lungs."]
    assert "  Clear lungs." in get(http, path, "text/plain").text
    assert get(http, path, "application/pdf").content.startswith(b"%PDF")
    itself = get(http, path, "text/xml")
    assert itself.content == content and "sandbox" in itself.headers["content-security-policy"]


def test_a_clinical_document_that_laughs_is_refused(http):
    path = keep(http, encapsulated(CDA, LAUGHS.encode()))
    for accept in ("text/html", "text/plain", "application/pdf"):
        refused = get(http, path, accept)
        assert refused.status_code == 400 and "document type" in refused.json()["detail"]


def test_a_model_is_what_its_class_says(http):
    answer = get(http, keep(http, encapsulated(STL, b"solid x\nendsolid x\n")))
    assert answer.content == b"solid x\nendsolid x\n" and answer.headers["content-type"] == "model/stl"


def test_an_encapsulated_class_without_its_document(http):
    found = encapsulated(PDF, b"%PDF")
    del found.EncapsulatedDocument
    assert get(http, keep(http, found)).status_code == 404


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("seconds", [2, 30])             # the short one stands in the metadata itself
def test_a_waveform_is_drawn_to_scale(http, big_endian, seconds):
    samples = numpy.zeros(200 * seconds, "<i2")
    samples[200:300] = 1000
    path = keep(http, part10(recording(samples, frequency_hz=200, big_endian=big_endian), big_endian=big_endian))
    answer = get(http, path)
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in answer.headers["content-security-policy"]
    heights = [y for _, y in points_of_svg(answer.content)[0]]
    assert max(heights) - min(heights) == pytest.approx(10.0, abs=0.011)
    assert get(http, path, "application/pdf").content.startswith(b"%PDF")


def test_the_real_ecg(http, data_folder):
    path = keep(http, (data_folder / "dicom/modality/ecg/waveform_ecg.dcm").read_bytes())
    assert len(points_of_svg(get(http, path, "image/*").content)) == 25
    assert re.search(rb"/Count 2>>", get(http, path, "application/pdf").content)


def test_a_waveform_that_is_cut_off_is_refused(http):
    found = recording(numpy.zeros(4000, "<i2"), frequency_hz=200)
    found.WaveformSequence[0].NumberOfWaveformSamples = 4001
    refused = get(http, keep(http, found))
    assert refused.status_code == 400 and "shorter than its counts" in refused.json()["detail"]
