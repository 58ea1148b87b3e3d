"""A header written anew, each attribute by what the profile says of it (PS3.15 E.1.1)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pacsd.codec.charset import decode_text, encode
from pacsd.codec.elements import encode_header, encode_item
from pacsd.codec.keys import SPECIFIC_CHARACTER_SET
from pacsd.codec.structure import WORD_BYTES, swapped
from pacsd.deidentify.identifiers import Identifiers
from pacsd.deidentify.nodes import Header, Node
from pacsd.deidentify.profile import TEXT_VRS, Action, Profile, table
from pacsd.deidentify.pseudonyms import Patient, Project
from pacsd.deidentify.report import Report
from pacsd.deidentify.standing import BINARY_VRS, LOOKING, fits, is_character_set, is_defined_term
from pacsd.deidentify.values import DUMMIES, padded

PATIENT_NAME, PATIENT_ID, ISSUER = 0x00100010, 0x00100020, 0x00100021
ACCESSION_NUMBER, STUDY_ID = 0x00080050, 0x00200010
_PSEUDONYMS = {ACCESSION_NUMBER: "accession", STUDY_ID: "study"}
_CODING_SCHEME_VERSION = 0x00080103      # looks like a date, and is none of the patient's
_OF_VERSIONS = b"0123456789.- \0"
_CODES = frozenset((0x00080100, 0x00080102, 0x00080103, 0x00080104, 0x00080119, 0x00080120))
_PERSONS = frozenset((0x00401101, 0x0040A073, 0x00340001))        # of whom the codes tell, too
_PIXEL_GROUP, _FIRST_GROUP = 0x7FE0, 0x0008
_KEPT = frozenset((Action.KEEP, Action.CLEAN))
_MAX_BULK_BYTES = 1 << 20                # so much of a binary value is looked through for identifiers
_MAX_SHORT = 0xFFFE


@dataclass(frozen=True, slots=True)
class Level:
    """Where in the tree a data set stands.

    `strict`: inside a sequence of which only a dummy may stay (action D): 1, text says nothing; 2, nor do codes.
    """

    character_sets: tuple[str, ...] = ()
    issuer: str = ""
    strict: int = 0


@dataclass
class Rewriting:
    """One pass over one header."""

    header: Header
    profile: Profile
    project: Project
    patient: Patient
    identifiers: Identifiers
    report: Report
    default_issuer: str = ""
    added: dict[int, bytes] = field(default_factory=dict)         # whole elements that take the place of others

    def written(self) -> bytes:
        """The whole header."""
        parts = dict[int, list[bytes]]()
        for tag, data in self._elements(self.header.nodes, Level(issuer=self.default_issuer)):
            if tag not in self.added:
                parts.setdefault(tag, []).append(data)
        for tag, data in self.added.items():
            parts[tag] = [data]
        return b"".join(data for tag in sorted(parts) for data in parts[tag])

    def _elements(self, nodes: list[Node], level: Level) -> Iterator[tuple[int, bytes]]:
        level = self._level(nodes, level)
        creators = self._creators(nodes)
        used: set[int] = set()
        for node in nodes:
            if node.tag & 0x10000:
                element = self._private(node, creators, level)
                if element is not None:
                    block = node.tag & 0xFFFF0000 | (node.tag >> 8 & 0xFF)
                    if block not in used:
                        used.add(block)
                        yield block, self._element(block, "LO", creators[block].encode("ascii"))
                    yield node.tag, element
            elif node.tag >> 16 == _PIXEL_GROUP or node.tag >> 16 < _FIRST_GROUP:
                self.report.note(node.tag, Action.REMOVE)        # offsets are made anew; the rest is of no data set
            else:
                element = self._standard(node, level)
                if element is not None:
                    yield node.tag, element

    def _level(self, nodes: list[Node], level: Level) -> Level:
        sets, issuer = level.character_sets, level.issuer
        for node in nodes:
            if node.tag == SPECIFIC_CHARACTER_SET:
                sets = tuple(part.strip() for part in self._ascii(node).split("\\"))
            elif node.tag == ISSUER:
                issuer = decode_text(self.header.raw(node), "LO", sets).strip(" \0") or issuer
        return Level(sets, issuer, level.strict)

    def _creators(self, nodes: list[Node]) -> dict[int, str]:
        return {
            node.tag: self._ascii(node) for node in nodes
            if node.tag & 0x10000 and 0x10 <= node.tag & 0xFFFF <= 0xFF and node.items is None
        }

    def _private(self, node: Node, creators: dict[int, str], level: Level) -> bytes | None:
        """A private element that is known to be safe; None for all others (PS3.15 E.3.10)."""
        block = node.tag & 0xFFFF0000 | (node.tag >> 8 & 0xFF)
        if node.tag in creators:
            return None
        vr = self.profile.private_vr(creators.get(block, ""), node.tag)
        if vr is None or (vr == "SQ") != (node.items is not None):
            self.report.note(node.tag, Action.REMOVE)
            return None
        if node.items is not None:
            self.report.note(node.tag, Action.CLEAN)
            return self._sequence(node, level)
        return self._done(node._replace(vr=vr), self.profile.of_private(vr), level)

    def _standard(self, node: Node, level: Level) -> bytes | None:
        action = self.profile.action(node.tag, node.vr)
        if node.wrong and action in _KEPT:
            action = Action.REMOVE           # nobody knows what that is
        if node.items is None:
            return self._done(node, action, level)
        if action is Action.REMOVE:
            self.report.note(node.tag, action)
            return None
        if action is Action.EMPTY:
            self.report.note(node.tag, action)
            return self._element(node.tag, "SQ", b"")
        strict = level.strict
        if action is Action.DUMMY:
            strict = 2 if node.tag in _PERSONS else max(strict, 1)
            self.report.note(node.tag, action)
        return self._sequence(node, Level(level.character_sets, level.issuer, strict))

    def _sequence(self, node: Node, level: Level) -> bytes:
        big = self.header.big_endian
        items = b"".join(
            encode_item(b"".join(data for _, data in sorted(self._elements(item, level), key=lambda one: one[0])),
                        big_endian=big)
            for item in node.items or ()
        )  # fmt: skip
        return self._element(node.tag, "SQ", items)

    def _done(self, node: Node, action: Action, level: Level) -> bytes | None:
        """A leaf after its action."""
        if level.strict and action is Action.CLEAN and node.vr in TEXT_VRS:
            action = Action.DUMMY if level.strict > 1 or node.tag not in _CODES else action
        if action is Action.REMOVE:
            self.report.note(node.tag, action)
            return None
        raw = self.header.raw(node)
        if action in _KEPT:
            action = self._fitting(node, action, raw)
            if action is Action.REMOVE:
                self.report.note(node.tag, action)
                return None
        value = self._pseudonym(node, raw, level) if action in (Action.EMPTY, Action.DUMMY) else None
        if value is None:
            value = self._value(node, action, raw, level)
        if value is raw:
            if action is Action.KEEP and node.tag in table():
                self.report.note(node.tag, action)
            word = WORD_BYTES.get(node.vr, 1)
            value = swapped(raw, word) if node.big != self.header.big_endian else raw
        else:
            self.report.note(node.tag, action)
        return self._element(node.tag, node.vr, value)

    def _fitting(self, node: Node, action: Action, raw: bytes) -> Action:
        """What is done with a value that may stay: what its VR does not allow, or what repeats an identifier, goes."""
        if node.tag == SPECIFIC_CHARACTER_SET:
            return action if is_character_set(raw) else Action.EMPTY
        binary = node.vr in BINARY_VRS
        if binary and len(raw) <= _MAX_BULK_BYTES and self.identifiers.is_in(raw.decode("latin_1")):
            return Action.REMOVE
        if fits(node.tag, node.vr, raw):
            return action
        return {"UI": Action.UID}.get(node.vr, Action.DUMMY if node.vr in LOOKING else Action.REMOVE)

    def _value(self, node: Node, action: Action, raw: bytes, level: Level) -> bytes:
        """The new value; the same object where nothing changes."""
        if action is Action.EMPTY or not raw.strip(b" \0"):
            return b"" if action is Action.EMPTY and raw else raw
        if action is Action.UID or (action is Action.CLEAN and node.vr == "UI"):
            return self._mapped(raw)
        if action is Action.DUMMY or (action is Action.CLEAN and node.vr == "PN"):
            return DUMMIES.get(node.vr, b"") if node.vr != "UI" else self._mapped(raw)
        if node.vr in ("DA", "DT"):
            return raw if action is Action.KEEP else self._shifted(node, raw)
        if node.vr not in TEXT_VRS and node.vr not in ("AE", "CS"):
            return raw
        return self._cleaned(node, raw, level)

    def _pseudonym(self, node: Node, raw: bytes, level: Level) -> bytes | None:
        """What identifies patient and order is replaced by what is the same all over the project."""
        if node.tag == PATIENT_NAME:
            return self.patient.name.encode("ascii")
        text = decode_text(raw, node.vr, level.character_sets).strip(" \0")
        if node.tag == PATIENT_ID:
            patient = self.project.patient(level.issuer, text) if text and level.strict == 0 else self.patient
            return patient.patient_id.encode("ascii")
        if node.tag in _PSEUDONYMS and text:
            return self.project.identifier(_PSEUDONYMS[node.tag], f"{level.issuer}\0{text}").encode("ascii")
        return None

    def _mapped(self, raw: bytes) -> bytes:
        """UIDs, each replaced by the project's."""
        parts = [part.strip() for part in raw.decode("latin_1").strip(" \0").split("\\")]
        return "\\".join(map(self.project.uid, parts)).encode("ascii", "replace")

    def _shifted(self, node: Node, raw: bytes) -> bytes:
        parts = raw.decode("latin_1").strip(" \0").split("\\")
        new = [self.patient.shifted(part.strip()) if part.strip() else "" for part in parts]
        if any(part.strip() and not made for part, made in zip(parts, new, strict=True)):
            return DUMMIES[node.vr]          # a month, a year, or no date at all cannot be shifted by days
        return "\\".join(new).encode("ascii", "replace")

    def _cleaned(self, node: Node, raw: bytes, level: Level) -> bytes:
        if node.tag == _CODING_SCHEME_VERSION and not raw.strip(_OF_VERSIONS):
            return raw
        text = decode_text(raw, node.vr, level.character_sets)
        if node.vr in ("CS", "AE"):
            return raw if self._is_clean_term(text) else DUMMIES[node.vr]
        clean = self.identifiers.cleaned(text)
        if clean == text:
            return raw
        encoded = encode(_limited(clean.rstrip(" \0"), node.vr), node.vr, level.character_sets)
        return DUMMIES[node.vr] if encoded is None else encoded

    def _is_clean_term(self, text: str) -> bool:
        """Whether a code or title may stay: as a defined term with no identifier in it, else as a text would."""
        return not self.identifiers.is_in(text) and (is_defined_term(text) or self.identifiers.cleaned(text) == text)

    def _ascii(self, node: Node) -> str:
        return self.header.raw(node).decode("ascii", "replace").strip(" \0")

    def _element(self, tag: int, vr: str, value: bytes) -> bytes:
        header = self.header
        value = padded(value, vr)
        if len(value) > _MAX_SHORT and not header.implicit and len(vr) == 2 and vr not in WIDE:
            vr = "UN"
        return encode_header(tag, vr, len(value), implicit=header.implicit, big_endian=header.big_endian) + value


WIDE = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
_MOST = {"SH": 16, "LO": 64, "ST": 1024, "LT": 10240}


def _limited(text: str, vr: str) -> str:
    """No value longer than its VR allows (PS3.5 Table 6.2-1): a pseudonym may be longer than what it replaces."""
    most = _MOST.get(vr)
    if most is None or vr in ("ST", "LT"):
        return text if most is None else text[:most]
    return "\\".join(part[:most] for part in text.split("\\"))

