"""Narrative: the XHTML a resource carries for people (http://hl7.org/fhir/R4/narrative.html)."""

import copy
import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

NAMESPACE = "http://www.w3.org/1999/xhtml"
_IN = f"{{{NAMESPACE}}}"

# HTML 4.0 chapters 7 to 11 (without 9.4) and 15, with <a> and images
ELEMENTS = frozenset(re.findall(r"\w+",
    "div span p br pre h1 h2 h3 h4 h5 h6 address bdo em strong dfn code samp kbd var cite abbr acronym blockquote q "
    "sub sup ul ol li dl dt dd dir menu table caption thead tfoot tbody colgroup col tr th td tt i b big small strike "
    "s u font basefont hr center a img map area"))
ATTRIBUTES = frozenset(re.findall(r"\w+",
    "id class lang dir title style align valign char charoff abbr axis headers scope rowspan colspan nowrap bgcolor "
    "width height span summary border frame rules cellspacing cellpadding type start value compact clear size color "
    "face noshade cite name href hreflang rel rev charset tabindex accesskey shape coords src alt longdesc usemap "
    "ismap hspace vspace idref datetime")) | {"{http://www.w3.org/XML/1998/namespace}lang"}
ADDRESSES = frozenset({"href", "src", "cite", "longdesc", "usemap"})
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SCHEMES = frozenset({"http", "https", "mailto", "tel", "ftp", "urn", "cid"})
_IMAGE = re.compile(r"data:image/(png|jpeg|gif|bmp|webp|svg\+xml)[;,]", re.IGNORECASE)
_UNSAFE_STYLE = re.compile(r"expression|javascript|behaviou?r|@import|url\s*\(|-moz-binding|\\", re.IGNORECASE)
_UNNAMED = re.compile(r"<div(?=[\s>/])(?![^>]*\sxmlns\s*=)")
_SPACES = re.compile(r"[\s\x00-\x20]+")


def parsed(div: str) -> Any:
    """The element of a narrative, without comments and processing instructions.

    One without its namespace, as some write it, is taken for one with it (`unnamed` tells which those are).
    Raises ValueError for what is no well-formed <div> of XHTML: entities of HTML are not declared in it.
    """
    if unnamed(div):
        div = f'<div xmlns="{NAMESPACE}"{div[4:]}'
    if "<!DOCTYPE" in div or "<!ENTITY" in div:
        raise ValueError("a narrative declares no document type")
    try:
        root = etree.fromstring(div.encode(), _parser())
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        raise ValueError(f"not well-formed: {error}") from error
    if root.tag != f"{_IN}div":
        raise ValueError(f"a narrative is a <div> of {NAMESPACE}")
    return root


def unnamed(div: str) -> bool:
    """Whether a narrative leaves out the namespace of XHTML, which it should tell."""
    return _UNNAMED.match(div) is not None


def told(div: Any) -> str:
    """An element as the string that JSON carries, with the namespaces it uses and no others."""
    alone = copy.deepcopy(div)
    alone.tail = None
    etree.cleanup_namespaces(alone)
    return str(etree.tostring(alone, encoding="unicode"))


def problems(div: Any) -> Iterator[str]:
    """What of a narrative is more than formatted text: scripts, handlers, forms, addresses that run (rule txt-1)."""
    for element in div.iter():
        name = element.tag.removeprefix(_IN)
        if name not in ELEMENTS:
            yield f"<{name.rpartition('}')[2]}> has no place in a narrative"
            continue
        for attribute, value in element.attrib.items():
            if attribute not in ATTRIBUTES:
                yield f"the attribute {attribute!r} of <{name}> has no place in a narrative"
            elif attribute in ADDRESSES and not _safe_address(name, value):
                yield f"the {attribute} of <{name}> leads to something that runs"
            elif attribute == "style" and _UNSAFE_STYLE.search(value):
                yield f"the style of <{name}> loads or runs something"


def empty(div: Any) -> bool:
    """Whether it says nothing: no text but spaces, and no image (rule txt-2)."""
    return not "".join(div.itertext()).strip() and div.find(f".//{_IN}img") is None


def _safe_address(name: str, value: str) -> bool:
    address = _SPACES.sub("", value)
    scheme = _SCHEME.match(address)
    return scheme is None or scheme[1].lower() in _SCHEMES or (name == "img" and _IMAGE.match(address) is not None)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
                           remove_comments=True, remove_pis=True)
