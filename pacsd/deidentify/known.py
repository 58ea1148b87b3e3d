"""What an object says of itself: whom it is about, who made it, and what identifies them, to be found in its text."""

import struct
from collections.abc import Iterable, Iterator

from pacsd.codec.charset import decode_text
from pacsd.codec.keys import SPECIFIC_CHARACTER_SET
from pacsd.deidentify.identifiers import Identifiers
from pacsd.deidentify.nodes import Header, Node
from pacsd.deidentify.options import Option
from pacsd.deidentify.pixels import Box, Image
from pacsd.deidentify.profile import Action, Profile, table
from pacsd.deidentify.pseudonyms import Project

_GONE = frozenset((Action.REMOVE, Action.EMPTY, Action.DUMMY))
_IDENTIFYING_VRS = frozenset(("AE", "LO", "SH", "ST", "UC", "UR"))
_MAX_VALUE = 64                          # characters: what is longer is prose
_PATIENT_ID, _ISSUER = 0x00100020, 0x00100021
_REGIONS = 0x00186011
_CORNERS = (0x00186018, 0x0018601A, 0x0018601C, 0x0018601E)       # least x, least y, greatest x, greatest y
_OVERLAYS, _OVERLAY_DATA, _OVERLAY_BIT_POSITION = 0x60, 0x3000, 0x0102


class Known:
    """The identifiers of one header, at all its levels."""

    def __init__(self, header: Header, profile: Profile) -> None:
        self._header, self._profile = header, profile
        self._names: list[str] = []
        self._values: list[str] = []
        self._gather(header.nodes, ())

    def identifiers(self, project: Project, also: Iterable[str]) -> Identifiers:
        """What to look for in text that stays."""
        options = self._profile.options
        return Identifiers(
            self._names, self._values, uid=None if Option.UIDS in options else project.uid,
            dates=Option.FULL_DATES in options, also=also,
        )  # fmt: skip

    def _gather(self, nodes: list[Node], sets: tuple[str, ...]) -> None:
        for node in nodes:
            if node.tag == SPECIFIC_CHARACTER_SET:
                sets = tuple(part.strip() for part in plain(self._header, node).split("\\"))
        for node in nodes:
            if node.items is not None:
                for item in node.items:
                    self._gather(item, sets)
            elif node.vr == "PN":
                if self._profile.action(node.tag, "PN") is not Action.KEEP:
                    self._names += decode_text(self._header.raw(node), "PN", sets).strip(" \0").split("\\")
            elif self._identifies(node):
                self._values += self._parts(node, sets)

    def _identifies(self, node: Node) -> bool:
        """Whether a value that goes would tell something wherever else it stands; descriptions would not."""
        row = table().get(node.tag)
        if row is None or Option.DESCRIPTORS in row.options or node.end - node.at > 4 * _MAX_VALUE:
            return False
        wanted = node.vr in _IDENTIFYING_VRS or (node.vr in ("DA", "DT") and Option.FULL_DATES in self._profile.options)
        return wanted and self._profile.action(node.tag, node.vr) in _GONE

    def _parts(self, node: Node, sets: tuple[str, ...]) -> Iterator[str]:
        text = decode_text(self._header.raw(node), node.vr, sets).replace("\r", "\n").strip(" \0")
        for part in text.replace("\\", "\n").split("\n"):
            if node.vr in ("DA", "DT"):
                day = part.strip()[:8]
                yield from (day, f"{day[:4]}-{day[4:6]}-{day[6:]}", f"{day[6:]}.{day[4:6]}.{day[:4]}") if day else ()
            elif len(part) <= _MAX_VALUE:
                yield part


class Facts:
    """The attributes of the top level that decide what is done with an object."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self.nodes = {node.tag: node for node in header.nodes}

    def text(self, tag: int) -> str:
        """A value without padding, as ASCII; "" where it is absent."""
        node = self.nodes.get(tag)
        return "" if node is None or node.items is not None else plain(self._header, node)

    def issued_by(self) -> tuple[str, str]:
        """Issuer of Patient ID, and Patient ID."""
        sets = tuple(part.strip() for part in self.text(SPECIFIC_CHARACTER_SET).split("\\"))
        found = (self.nodes.get(tag) for tag in (_ISSUER, _PATIENT_ID))
        issuer, patient_id = (
            "" if node is None or node.items is not None
            else decode_text(self._header.raw(node), "LO", sets).strip(" \0") for node in found
        )  # fmt: skip
        return issuer, patient_id

    def image(self) -> Image:
        """What rules for pixels ask."""
        return Image(
            manufacturer=self.text(0x00080070),
            model=self.text(0x00081090),
            modality=self.text(0x00080060),
            image_type=self.text(0x00080008),
            sop_class=self.text(0x00080016),
            rows=self._number(0x00280010),
            columns=self._number(0x00280011),
            burned_in=self.text(0x00280301).upper(),
            coloured=self._number(0x00280002) > 1,
            ultrasound_regions=tuple(self._regions()),
            embedded_overlays=self._has_embedded_overlays(),
        )

    def values(self, tags: Iterable[int]) -> dict[int, bytes]:
        """Raw values in the header's byte order."""
        found = ((tag, self.nodes.get(tag)) for tag in tags)
        return {tag: self._header.raw(node) for tag, node in found if node is not None and node.items is None}

    def _number(self, tag: int) -> int:
        node = self.nodes.get(tag)
        return 0 if node is None else _unsigned(self._header, node)

    def _regions(self) -> Iterator[Box]:
        sequence = self.nodes.get(_REGIONS)
        for item in (sequence.items if sequence is not None else None) or ():
            corners = {node.tag: _unsigned(self._header, node) for node in item if node.tag in _CORNERS}
            if len(corners) == len(_CORNERS):
                left, top, right, bottom = (corners[tag] for tag in _CORNERS)
                yield left, top, max(right - left + 1, 0), max(bottom - top + 1, 0)

    def _has_embedded_overlays(self) -> bool:
        planes = {tag >> 16 for tag in self.nodes if tag >> 24 == _OVERLAYS}
        return any(
            self._number(group << 16 | _OVERLAY_BIT_POSITION) > 0 and group << 16 | _OVERLAY_DATA not in self.nodes
            for group in planes
        )


def plain(header: Header, node: Node) -> str:
    """A value of the default repertoire, without padding."""
    return header.raw(node).decode("ascii", "replace").strip(" \0")


def _unsigned(header: Header, node: Node) -> int:
    raw = header.raw(node)
    order = ">" if node.big else "<"
    if len(raw) >= 4:
        return int(struct.unpack_from(f"{order}I", raw)[0])
    return int(struct.unpack_from(f"{order}H", raw)[0]) if len(raw) >= 2 else 0
