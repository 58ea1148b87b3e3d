"""A structured report as lines of text: text/plain, and what its PDF is set from (PS3.18 Table 8.7.4-1)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from pacsd.codec.documents.heading import language, of_patient, of_report
from pacsd.codec.documents.json_model import Attributes
from pacsd.codec.documents.report_words import contains, modifiers, qualified_name, reference_label, shown_value, title
from pacsd.codec.documents.structured_report import ContentItem, content
from pacsd.codec.documents.words import word

INDENT = "  "


@dataclass(frozen=True, slots=True)
class Line:
    """One paragraph: what it is, how deep it stands, its label and its text (which may have line feeds)."""

    kind: Literal["title", "fact", "heading", "field", "note"]
    depth: int
    label: str = ""
    text: str = ""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.label, self.text)))


def lines(attributes: Attributes) -> list[Line]:
    """The report's paragraphs in reading order. Raises PacsdError TOO_MUCH."""
    root = content(attributes)
    lang = language(attributes, root)
    facts = (*of_patient(attributes, lang), *modifiers(root), *of_report(attributes, lang))
    return [
        Line("title", 0, title(root, attributes, lang)),
        *(Line("fact", 0, label, text) for label, text in facts),
        *_below(root, 0, lang),
    ]


def plain(attributes: Attributes) -> bytes:
    """text/plain in UTF-8."""
    return plain_text(lines(attributes))


def plain_text(paragraphs: list[Line]) -> bytes:
    """Paragraphs as text: headings stand alone, depth is indented by two blanks."""
    out: list[str] = []
    before = ""
    for one in paragraphs:
        if one.kind == "heading" or (one.kind != "fact" and before == "fact"):
            out.append("")
        indent = INDENT * one.depth
        out += [indent + part if part else "" for part in str(one).split("\n")]
        if one.kind == "title":
            out += ["=" * max(3, min(72, len(one.label))), ""]
        before = one.kind
    return ("\n".join(out) + "\n").encode()


def _below(item: ContentItem, depth: int, lang: str) -> Iterator[Line]:
    for relationship, related in groupby(contains(item), key=lambda child: child.relationship):
        told = relationship not in ("", "CONTAINS")
        if told:
            yield Line("note", depth, word(relationship, lang))
        for child in related:
            yield from _item(child, depth + told, lang)


def _item(item: ContentItem, depth: int, lang: str) -> Iterator[Line]:
    name = qualified_name(item)
    if item.value_type == "CONTAINER":
        if name:
            yield Line("heading", depth, name)
        yield from _below(item, depth + bool(name), lang)
        return
    yield Line("field", depth, name, _value(item, lang))
    yield from _below(item, depth + 1, lang)


def _value(item: ContentItem, lang: str) -> str:
    if item.same_as:
        return f"{word('see', lang)} {item.same_as}"
    pieces = [shown_value(item), *(reference_label(one, lang) for one in item.references)]
    if item.bulk_uri:
        pieces.append(word("too_long", lang))
    return " ".join(filter(None, pieces))
