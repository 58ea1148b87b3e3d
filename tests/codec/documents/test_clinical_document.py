import pytest
from lxml import html as parser

from pacsd.codec.documents import clinical_document
from pacsd.faults import Fault, PacsdError

CDA = """<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet type="text/xsl" href="http://evil.test/x.xsl"?>
<ClinicalDocument xmlns="urn:hl7-org:v3">
  <title>Radiology report</title><effectiveTime value="20260102101112+0800"/>
  <languageCode code="en-US"/>
  <recordTarget><patientRole><id extension="4711" root="1.2"/><patient>
    <name><given>Jane</given><family>Doe</family></name>
    <administrativeGenderCode code="F"/><birthTime value="19800102"/></patient></patientRole></recordTarget>
  <custodian><assignedCustodian><representedCustodianOrganization><name>General</name>
  </representedCustodianOrganization></assignedCustodian></custodian>
  <component><structuredBody>{}</structuredBody></component>
</ClinicalDocument>"""


def document(narrative: str, title: str = "Findings") -> bytes:
    section = f"<component><section><title>{title}</title><text>{narrative}</text></section></component>"
    return CDA.replace("{}", section).encode()


def tree(content: bytes):
    return parser.document_fromstring(clinical_document.html(content).decode())


def test_header_and_sections():
    found = tree(document("<paragraph>Clear lungs.</paragraph>"))
    assert found.get("lang") == "en-US"
    assert found.xpath("//h1/text()") == ["Radiology report"] and found.xpath("//section/h2/text()") == ["Findings"]
    facts = dict(zip(found.xpath("//dt/text()"), found.xpath("//dd/text()"), strict=True))
    assert facts == {"Patient": "Jane Doe", "Patient ID": "4711", "Date of birth": "1980-01-02", "Sex": "female",
                     "Document date": "2026-01-02 10:11:12 +0800", "Institution": "General"}  # fmt: skip


def test_the_narrative_keeps_its_form():
    found = tree(document(
        '<list listType="ordered"><item>one</item><item>two</item></list>'
        '<table><thead><tr><th>a</th></tr></thead><tbody><tr><td colspan="2">b</td></tr></tbody></table>'
        'x<br/>y <content styleCode="Bold">bold</content> <linkHtml href="https://h.test/">link</linkHtml>'
    ))  # fmt: skip
    assert found.xpath("//ol/li/text()") == ["one", "two"]
    assert found.xpath("//table//th/text()|//table//td/text()") == ["a", "b"] and found.xpath("//td/@colspan") == ["2"]
    assert found.xpath("//strong/text()") == ["bold"] and found.xpath("//a/@href") == ["https://h.test/"]


def test_several_styles_and_the_caption_of_a_table():
    found = tree(document(
        '<content styleCode="Bold Italics xSpecial">urgent</content>'
        '<table><caption>Values</caption><tbody><tr><td>1</td></tr></tbody></table>'
    ))  # fmt: skip
    assert found.xpath("//main//em/strong/text()|//main//strong/em/text()") == ["urgent"]
    assert found.xpath("//table/caption/text()") == ["Values"]


@pytest.mark.parametrize(
    "nasty",
    [
        "<script>alert(1)</script>",
        '<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>',
        '<paragraph onclick="alert(1)" style="position:fixed">x</paragraph>',
        '<linkHtml href="javascript:alert(1)">x</linkHtml>',
        '<linkHtml href=" javascript:alert(1)">x</linkHtml>',
        '<linkHtml href="data:text/html,x">x</linkHtml>',
        '<iframe xmlns="http://www.w3.org/1999/xhtml" src="http://evil.test"/>',
        '<content styleCode="Bold" onmouseover="x">x</content>',
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        '<td colspan="&quot;&gt;&lt;script&gt;">x</td>',
    ],
)
def test_nothing_in_a_document_runs(nasty):
    found = tree(document(nasty, title="&lt;img src=x onerror=alert(1)&gt;"))
    assert not found.xpath("//script|//iframe|//img|//main//@style|//main//a|//*/@*[starts-with(name(), 'on')]")


LAUGHS = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>
<ClinicalDocument xmlns="urn:hl7-org:v3"><title>&d;</title></ClinicalDocument>"""
FILE = """<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]><ClinicalDocument><title>&f;</title></ClinicalDocument>"""


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (LAUGHS.encode(), Fault.MALFORMED),
        (LAUGHS.encode("utf-16"), Fault.MALFORMED),
        (FILE.encode(), Fault.MALFORMED),
        (b"", Fault.MALFORMED),
        (b"no xml", Fault.MALFORMED),
        (b"<other/>", Fault.MALFORMED),
        (b'<?xml version="1.0" encoding="nonsense"?><ClinicalDocument/>', Fault.MALFORMED),
        (document("x")[:-40], Fault.MALFORMED),
        (b"<a>" * 10_000, Fault.MALFORMED),
        (b" " * (clinical_document.MAX_DOCUMENT_BYTES + 1), Fault.TOO_MUCH),
    ],
)
@pytest.mark.parametrize("form", [clinical_document.html, clinical_document.plain])
def test_what_is_no_clinical_document_is_refused(content, fault, form):
    with pytest.raises(PacsdError) as refused:
        form(content)
    assert refused.value.fault is fault


def test_deep_narrative_is_refused():
    with pytest.raises(PacsdError) as refused:
        clinical_document.html(document("<content>" * 200 + "x" + "</content>" * 200))
    assert refused.value.fault is Fault.TOO_MUCH


def test_as_text():
    content = document("<paragraph>Clear\n  lungs.</paragraph><list><item>one</item><item>two</item></list>"
                       "<table><tr><th>a</th><td>b</td></tr></table>")  # fmt: skip
    text = clinical_document.plain(content).decode()
    assert text.startswith("Radiology report\n================\n\nPatient: Jane Doe\n")
    assert text.endswith("\nFindings\n  Clear lungs.\n  - one\n  - two\n  a | b\n")


def test_an_unstructured_body_is_shown_or_named():
    def body(inner: str) -> bytes:
        whole = f"<component><nonXMLBody>{inner}</nonXMLBody></component>"
        return f"<ClinicalDocument xmlns='urn:hl7-org:v3'>{whole}</ClinicalDocument>".encode()

    assert "free text" in tree(body("<text>free text</text>")).text_content()
    assert "free text" in clinical_document.plain(body("<text>free text</text>")).decode()
    found = tree(body('<text mediaType="application/pdf" representation="B64">JVBERi0=</text>')).text_content()
    assert "[application/pdf]" in found and "JVBERi0" not in found


def test_a_chinese_document_has_chinese_labels():
    text = clinical_document.plain(document("双肺清晰", "所见").replace(b'<languageCode code="en-US"/>', b"")).decode()
    assert "患者: Jane Doe" in text and "所见\n  双肺清晰" in text
