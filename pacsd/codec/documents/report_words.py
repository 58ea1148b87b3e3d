"""Content items in words: names with their modifiers, values with their units (PS3.3 C.17.3, C.18)."""

from pydicom.uid import UID

from pacsd.codec.documents.json_model import Attributes, string
from pacsd.codec.documents.structured_report import Code, ContentItem, Reference
from pacsd.codec.documents.words import word

MAX_FRAMES = 50                          # of one reference that are named
# The order in which people want them: whose eyes and when, the finding, then what speaks for it.
_ORDER = ("HAS OBS CONTEXT", "HAS ACQ CONTEXT", "CONTAINS", "HAS PROPERTIES", "INFERRED FROM", "SELECTED FROM")


def contains(item: ContentItem) -> list[ContentItem]:
    """The children to be shown below an item, by relationship; modifiers of its name stand with the name."""
    known = [child for relationship in _ORDER for child in item.related(relationship)]
    others = [child for child in item.children if child.relationship not in (*_ORDER, "HAS CONCEPT MOD")]
    kept = [child for child in item.related("HAS CONCEPT MOD") if child.children or child.references]
    return [*known, *others, *kept]


def title(root: ContentItem, attributes: Attributes, language: str) -> str:
    """The document's title: the root's concept name (PS3.3 C.17.3.1)."""
    return str(root.concept or "") or string(attributes, "0008103E") or word("document", language)


def qualified_name(item: ContentItem) -> str:
    """The concept name, and in brackets what modifies it (HAS CONCEPT MOD)."""
    name = str(item.concept) if item.concept else ""
    told = "; ".join(": ".join(filter(None, pair)) for pair in modifiers(item))
    return f"{name} ({told})".strip() if told else name


def modifiers(item: ContentItem) -> list[tuple[str, str]]:
    """What modifies an item's name, as names and values; the language of the text is no modifier of its meaning."""
    children = (child for child in item.related("HAS CONCEPT MOD") if not child.language)
    return [(str(child.concept or ""), value) for child in children if (value := shown_value(child))]


def shown_value(item: ContentItem) -> str:
    """The value as text: a number with its unit, or with the reason why there is none."""
    if item.value_type == "NUM":
        number = " ".join(filter(None, (item.text, unit_symbol(item.unit) if item.text else "")))
        qualifier = str(item.qualifier) if item.qualifier else ""
        return f"{number} ({qualifier})" if number and qualifier else number or qualifier
    return item.text.rstrip()


def unit_symbol(unit: Code | None) -> str:
    """A unit as it is written behind a number: its UCUM code where that reads well, else its meaning."""
    if unit is None or unit.value in ("1", "{no units}"):
        return ""
    if unit.scheme == "UCUM" and unit.value in _SYMBOLS:
        return _SYMBOLS[unit.value]
    plain = unit.scheme == "UCUM" and unit.value and not set("[]{}'*") & set(unit.value)
    return unit.value if plain else unit.meaning or unit.value


_SYMBOLS = {
    "Cel": "°C", "deg": "°", "um": "µm", "uV": "µV", "us": "µs", "mm2": "mm²", "cm2": "cm²", "m2": "m²",
    "mm3": "mm³", "cm3": "cm³", "mm[Hg]": "mmHg", "cm[H2O]": "cmH2O", "[hnsf'U]": "HU", "{H.B.}/min": "/min",
}  # fmt: skip


def sop_class_name(sop_class_uid: str) -> str:
    """A SOP class in words, without "Storage"; "" where the dictionary does not know it."""
    name = UID(sop_class_uid).name if sop_class_uid else ""
    return "" if name == sop_class_uid else name.removesuffix(" Storage")


def reference_label(reference: Reference, language: str, *, uid: str = "") -> str:
    """A referenced instance in words; `uid` stands for its UID where there is little room."""
    name = sop_class_name(reference.sop_class_uid)
    listed = ", ".join(map(str, reference.frames[:MAX_FRAMES])) + (" …" if len(reference.frames) > MAX_FRAMES else "")
    frames = f"{word('frames', language)} {listed}" if listed else ""
    return ", ".join(filter(None, (f"{name} {uid or reference.sop_instance_uid}".strip(), frames, reference.detail)))
