"""A structured report as HTML 5, which is well-formed XML too (PS3.18 Table 8.7.4-1: text/html, text/xml)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from pacsd.codec.documents.heading import language, of_patient, of_report
from pacsd.codec.documents.json_model import Attributes
from pacsd.codec.documents.markup import DOCTYPE, XML_DECLARATION, element, lines, page, text
from pacsd.codec.documents.report_words import (
    MAX_FRAMES,
    contains,
    modifiers,
    qualified_name,
    reference_label,
    shown_value,
    title,
)
from pacsd.codec.documents.structured_report import ContentItem, Reference, content
from pacsd.codec.documents.words import word


def html(attributes: Attributes, *, base_url: str) -> bytes:
    """text/html in UTF-8; `base_url` is the DICOMweb base that references lead to. Raises PacsdError TOO_MUCH."""
    return (DOCTYPE + _document(attributes, base_url)).encode()


def xml(attributes: Attributes, *, base_url: str) -> bytes:
    """text/xml: the same document in the XML syntax of HTML."""
    return (XML_DECLARATION + _document(attributes, base_url)).encode()


def _document(attributes: Attributes, base_url: str) -> str:
    root = content(attributes)
    lang = language(attributes, root)
    referenced = frozenset(one.same_as for one in root.walk() if one.same_as)
    writer = _Writer(base_url.rstrip("/"), lang, referenced)
    name = title(root, attributes, lang)
    header = element(
        "header",
        element("h1", text(name), dir="auto"),
        lines((*of_patient(attributes, lang), *modifiers(root), *of_report(attributes, lang))),
    )
    body = element("article", header, element("main", writer.below(root, level=2)))
    return page(name, body, language=lang)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes content items; `referenced` are the places that get an anchor."""

    base_url: str
    language: str
    referenced: frozenset[str]

    def below(self, item: ContentItem, *, level: int) -> str:
        """What hangs on an item: context first, then what it contains, then how it came about."""
        pieces = []
        for relationship, related in groupby(contains(item), key=lambda child: child.relationship):
            children = list(related)
            if relationship == "CONTAINS":
                pieces.append(self._contained(children, item.continuous, level))
            else:
                label = element("p", text(word(relationship, self.language)), class_="note")
                pieces.append((label if relationship else "") + self._fields(children, level))
        return "".join(pieces)

    def _contained(self, children: Sequence[ContentItem], continuous: bool, level: int) -> str:
        pieces = []
        for is_section, group in groupby(children, key=lambda child: child.value_type == "CONTAINER"):
            if is_section:
                pieces += [self._section(child, level) for child in group]
                continue
            for flows, run in groupby(group, key=lambda child: continuous and child.concept is None):
                members = list(run)
                pieces.append(self._flow(members) if flows else self._fields(members, level))
        return "".join(pieces)

    def _section(self, item: ContentItem, level: int) -> str:
        name = qualified_name(item)
        heading = element(f"h{min(level, 6)}", text(name), dir="auto") if name else ""
        return element("section", heading, self.below(item, level=level + 1), id=self._anchor(item))

    def _flow(self, items: Sequence[ContentItem]) -> str:
        """A narrative whose pieces have no names (PS3.3 C.17.3.1, CONTINUOUS)."""
        return element("p", " ".join(self._value(item) for item in items), dir="auto")

    def _fields(self, items: Sequence[ContentItem], level: int) -> str:
        rows = [
            element(
                "div",
                element("dt", text(qualified_name(item)), dir="auto"),
                element("dd", self._value(item)),
                element("dd", below, class_="more") if (below := self.below(item, level=level + 1)) else "",
                id=self._anchor(item),
            )
            for item in items
        ]
        return element("dl", *rows) if rows else ""

    def _value(self, item: ContentItem) -> str:
        if item.same_as:
            see = f"{word('see', self.language)} {item.same_as}"
            return element("a", text(see), href="#i" + item.same_as.replace(".", "-"))
        pieces = [self._link(reference) for reference in item.references]
        if shown := shown_value(item):
            pieces.insert(0, element("span", text(shown), dir="auto", class_="value"))
        if item.bulk_uri:
            pieces.append(element("a", text(word("too_long", self.language)), href=_web_address(item.bulk_uri)))
        return " ".join(pieces)

    def _link(self, reference: Reference) -> str:
        label = reference_label(reference, self.language, uid=_short(reference.sop_instance_uid))
        if not reference.place:
            return element("span", text(label), title=reference.sop_instance_uid)
        few = 0 < len(reference.frames) <= MAX_FRAMES
        frames = f"/frames/{','.join(map(str, reference.frames))}" if few else ""
        href = f"{self.base_url}/{reference.place}{frames}/rendered"
        return element("a", text(label), href=href, title=reference.sop_instance_uid)

    def _anchor(self, item: ContentItem) -> str:
        return "i" + item.place.replace(".", "-") if item.place in self.referenced else ""


def _web_address(uri: str) -> str:
    return uri if uri.startswith(("http://", "https://", "/", "../")) else ""


def _short(uid: str) -> str:
    """The end of a UID, where UIDs differ; the whole is in the title."""
    return uid if len(uid) <= 24 else "…" + uid[-12:]
