"""XHTML of narratives (http://hl7.org/fhir/R4/narrative.html#rules, invariants txt-1 and txt-2)."""

from lxml import etree

MAX_LENGTH = 5_000_000                   # characters

_XHTML = "{http://www.w3.org/1999/xhtml}"
_ELEMENTS = frozenset((
    "a", "abbr", "acronym", "b", "big", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd",
    "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li", "ol", "p", "pre",
    "q", "samp", "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
    "tt", "ul", "var"))
_ATTRIBUTES = frozenset((
    "abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellhalign", "cellpadding", "cellspacing",
    "cellvalign", "char", "charoff", "charset", "cite", "class", "colspan", "compact", "coords", "dir", "frame",
    "headers", "height", "href", "hreflang", "hspace", "id", "lang", "longdesc", "name", "nowrap", "rel", "rev",
    "rowspan", "rules", "scope", "shape", "span", "src", "start", "style", "summary", "tabindex", "title", "type",
    "valign", "value", "vspace", "width"))
_LINKS = ("http:", "https:", "mailto:", "tel:", "#", "data:image/", "cid:", "/", "./", "../")
_ANYWHERE = frozenset(("{http://www.w3.org/XML/1998/namespace}lang", "{http://www.w3.org/XML/1998/namespace}space"))


def is_narrative(text: str) -> bool:
    """Whether it is one div with the elements and attributes that narratives may have, and no active content."""
    if len(text) > MAX_LENGTH or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return False
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError):
        return False
    return root.tag == f"{_XHTML}div" and all(_allowed(element) for element in root.iter())


def _allowed(element: etree._Element) -> bool:
    if element.tag is etree.Comment:
        return True
    if not isinstance(element.tag, str) or not element.tag.startswith(_XHTML):
        return False
    name = element.tag.removeprefix(_XHTML)
    return name in _ELEMENTS and all(_attribute(name, str(key), str(value)) for key, value in element.attrib.items())


def _attribute(element: str, key: str, value: str) -> bool:
    if key in _ANYWHERE:
        return True
    if key not in _ATTRIBUTES or (key == "src" and element != "img"):
        return False
    if key in ("href", "src", "cite", "longdesc"):
        link = "".join(value.split()).lower()
        return ":" not in link.split("/")[0] or link.startswith(_LINKS)
    return "javascript:" not in value.lower() and "expression(" not in value.lower()
