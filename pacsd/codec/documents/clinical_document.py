"""HL7 CDA documents as HTML and text: their narrative, rebuilt element by element (CDA R2 4.3.5).

Nothing of the source's markup is handed on; what the table does not know is text. A document type declaration is
refused, so there are no entities to expand and no files to fetch.
"""

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from pacsd.codec.documents.json_model import clean, date_time
from pacsd.codec.documents.markup import DOCTYPE, element, lines, page, text
from pacsd.codec.documents.report_text import Line, plain_text
from pacsd.codec.documents.words import word
from pacsd.codec.text import has_han
from pacsd.faults import Fault, PacsdError

MAX_DOCUMENT_BYTES = 16 << 20
_MAX_DEPTH = 100
_DECLARES_TYPE = re.compile(rb"<!\s*DOCTYPE|<!\s*ENTITY", re.IGNORECASE)
_CUSTODIAN = "{*}custodian/{*}assignedCustodian/{*}representedCustodianOrganization/{*}name"
_LINK = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")

_NARRATIVE = {                           # CDA narrative block: what each element becomes
    "paragraph": "p", "list": "ul", "item": "li", "table": "table", "thead": "thead", "tbody": "tbody",
    "tfoot": "tfoot", "tr": "tr", "th": "th", "td": "td", "sub": "sub", "sup": "sup", "caption": "strong",
    "content": "span", "footnote": "small", "linkHtml": "a", "renderMultiMedia": "span",
}  # fmt: skip
_STYLES = {"Bold": "strong", "Italics": "em", "Underline": "u", "Emphasis": "em"}
_BLOCKS = frozenset(("paragraph", "list", "item", "table", "tr", "caption", "section"))
_IN_TABLE = frozenset(("table", "thead", "tbody", "tfoot", "tr"))


def html(document: bytes) -> bytes:
    """text/html in UTF-8. Raises PacsdError MALFORMED for what is no CDA document, TOO_MUCH."""
    root = parse(document)
    lang = language(root)
    title = _title(root, lang)
    header = element("header", element("h1", text(title), dir="auto"), lines(_facts(root, lang)))
    sections = "".join(_section(one, 2) for one in _sections(root))
    body = element("article", header, element("main", sections or _unstructured(root)))
    return (DOCTYPE + page(title, body, language=lang)).encode()


def plain(document: bytes) -> bytes:
    """text/plain in UTF-8."""
    return plain_text(paragraphs(document))


def paragraphs(document: bytes) -> list[Line]:
    """The document line by line. Raises PacsdError as `html` does."""
    root = parse(document)
    lang = language(root)
    found = [Line("title", 0, _title(root, lang)), *(Line("fact", 0, *fact) for fact in _facts(root, lang))]
    for one in _sections(root):
        found += _section_lines(one, 0)
    if not any(line.kind != "fact" for line in found[1:]):
        found += [Line("field", 0, text=one) for one in _unstructured_text(root).split("\n") if one]
    return found


def parse(document: bytes) -> Any:
    """The root element. Raises PacsdError MALFORMED, or TOO_MUCH above MAX_DOCUMENT_BYTES."""
    if len(document) > MAX_DOCUMENT_BYTES:
        raise PacsdError(Fault.TOO_MUCH, f"a CDA document of more than {MAX_DOCUMENT_BYTES} bytes")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise PacsdError(Fault.MALFORMED, "the document is no well-formed XML") from error
    if root.getroottree().docinfo.doctype or _DECLARES_TYPE.search(document[:4096]):
        raise PacsdError(Fault.MALFORMED, "the document declares a document type, which CDA does not have")
    if etree.QName(root).localname != "ClinicalDocument":
        raise PacsdError(Fault.MALFORMED, "the document is no CDA document")
    return root


def language(root: Any) -> str:
    """What the document says, else Chinese where its title is."""
    code = _attribute(root, "{*}languageCode", "code")
    if _LANGUAGE.fullmatch(code):
        return code
    return "zh" if has_han("".join(root.itertext())[:4096]) else ""


def _title(root: Any, lang: str) -> str:
    return _said(root.find("{*}title")) or _attribute(root, "{*}code", "displayName") or word("document", lang)


def _facts(root: Any, lang: str) -> list[tuple[str, str]]:
    """The header: patient, date, custodian (CDA R2 4.2)."""
    role = root.find("{*}recordTarget/{*}patientRole")
    patient = role.find("{*}patient") if role is not None else None
    sex = {"M": "M", "F": "F"}.get(_attribute(patient, "{*}administrativeGenderCode", "code"), "")
    pairs = (
        ("patient", _said(patient.find("{*}name")) if patient is not None else ""),
        ("patient_id", _attribute(role, "{*}id", "extension")),
        ("birth_date", date_time(_attribute(patient, "{*}birthTime", "value"))),
        ("sex", word(sex, lang) if sex else ""),
        ("content_date", date_time(_attribute(root, "{*}effectiveTime", "value"))),
        ("institution", _said(root.find(_CUSTODIAN))),
    )
    return [(word(key, lang), value) for key, value in pairs if value]


def _sections(root: Any) -> list[Any]:
    return list(root.iterfind("{*}component/{*}structuredBody/{*}component/{*}section"))


def _section(section: Any, level: int) -> str:
    if level > _MAX_DEPTH:
        raise PacsdError(Fault.TOO_MUCH, "sections nested too deeply")
    title = _said(section.find("{*}title"))
    heading = element(f"h{min(level, 6)}", text(title), dir="auto") if title else ""
    narrative = section.find("{*}text")
    body = _content(narrative) if narrative is not None else ""
    inner = "".join(_section(one, level + 1) for one in section.iterfind("{*}component/{*}section"))
    return element("section", heading, element("div", body, dir="auto") if body.strip() else "", inner)


def _content(node: Any, depth: int = 0) -> str:
    """The markup of what is inside a node: text escaped, known elements as their HTML, others as their content."""
    if depth > _MAX_DEPTH:
        raise PacsdError(Fault.TOO_MUCH, "narrative nested too deeply")
    in_table = _name(node) in _IN_TABLE              # where white space between elements means nothing
    pieces = [] if in_table else [text(clean(node.text or ""))]
    for child in node:
        pieces.append(_element(child, depth + 1))
        if not in_table:
            pieces.append(text(clean(child.tail or "")))
    return "".join(pieces)


def _element(node: Any, depth: int) -> str:
    name = _name(node)
    if name == "br":
        return "<br/>"
    inner = _content(node, depth)
    if name == "linkHtml" and not _LINK.match(node.get("href", "")):
        return inner
    if name == "list" and node.get("listType") == "ordered":
        return element("ol", inner)
    if name == "content":
        return _styled(inner, node.get("styleCode", "").split())
    if name == "caption" and _name(node.getparent()) == "table":
        return element("caption", inner)
    if name in ("td", "th"):
        return element(name, inner, colspan=_span(node, "colspan"), rowspan=_span(node, "rowspan"))
    if name == "linkHtml":
        return element("a", inner, href=clean(node.get("href")), rel="noopener noreferrer")
    return element(_NARRATIVE[name], inner) if name in _NARRATIVE else inner


def _styled(inner: str, codes: list[str]) -> str:
    """In an element for each style that is known, a plain span without any (CDA R2 4.3.5.11)."""
    for name in dict.fromkeys(_STYLES.get(code, "span") for code in codes or [""]):
        inner = element(name, inner)
    return inner


def _span(node: Any, name: str) -> str:
    value = node.get(name, "")
    return value if value.isascii() and value.isdigit() and 1 < int(value[:5]) < 1000 and len(value) < 4 else ""


def _unstructured(root: Any) -> str:
    """A non-XML body: text is shown, something else is named (CDA R2 4.3.1.1)."""
    return element("p", text(_unstructured_text(root)), dir="auto")


def _unstructured_text(root: Any) -> str:
    body = root.find("{*}component/{*}nonXMLBody/{*}text")
    if body is None:
        return ""
    kind = body.get("mediaType", "text/plain")
    if kind.startswith("text/plain") and body.get("representation", "TXT") == "TXT":
        return clean("".join(body.itertext())).strip()
    return clean(f"[{kind}]")


def _section_lines(section: Any, depth: int) -> Iterator[Line]:
    if depth > _MAX_DEPTH:
        raise PacsdError(Fault.TOO_MUCH, "sections nested too deeply")
    title = _said(section.find("{*}title"))
    if title:
        yield Line("heading", depth, title)
    narrative = section.find("{*}text")
    if narrative is not None:
        for one in _lines_of(narrative):
            yield Line("field", depth + 1, text=one)
    for inner in section.iterfind("{*}component/{*}section"):
        yield from _section_lines(inner, depth + 1)


def _lines_of(narrative: Any) -> list[str]:
    """Narrative as lines: blocks end a line, cells are divided by bars."""
    pieces: list[str] = []
    for event, node in etree.iterwalk(narrative, events=("start", "end")):
        name = _name(node)
        if event == "start":
            if name in _BLOCKS or name == "br":
                pieces.append("\n")
            elif name in ("td", "th") and node.getprevious() is not None:
                pieces.append(" | ")
            pieces.append("- " if name == "item" else "")
            pieces.append(_spaced(node.text))
        else:
            if name in _BLOCKS:
                pieces.append("\n")
            if node is not narrative:
                pieces.append(_spaced(node.tail))
    return [line for line in (" ".join(one.split()) for one in "".join(pieces).split("\n")) if line]


def _spaced(value: str | None) -> str:
    return re.sub(r"\s+", " ", clean(value or ""))


def _name(node: Any) -> str:
    return str(etree.QName(node).localname)


def _said(node: Any) -> str:
    return " ".join(clean(" ".join(node.itertext())).split()) if node is not None else ""


def _attribute(node: Any, path: str, name: str) -> str:
    found = node.find(path) if node is not None else None
    return clean(found.get(name, "")) if found is not None else ""
