"""A header as a tree of where its elements stand (PS3.5 section 7): nothing is decoded, nothing is trusted."""

from dataclasses import dataclass
from typing import NamedTuple

from pacsd.codec.structure import (
    IMPLICIT,
    ITEM,
    ITEM_DELIMITATION,
    MAX_DEPTH,
    SEQUENCE_DELIMITATION,
    UNDEFINED,
    MalformedDataset,
    element_head,
    items_are_big_endian,
    looks_implicit,
    show,
    skip_undefined,
)
from pacsd.deidentify.standing import may_be, standing
from pacsd.faults import Fault, PacsdError

MAX_NODES = 1_000_000
_PIXEL_GROUP = 0x7FE0


class Node(NamedTuple):
    """One element: its value is the header's bytes from `at` to `end`, in big endian words where `big`.

    A sequence has `items`, whatever its VR was called. `vr` is that of the dictionary; `wrong`: what the data set says
    is none that could stand there, so that nobody knows what the value is.
    """

    tag: int
    vr: str
    at: int
    end: int
    big: bool
    items: "list[list[Node]] | None" = None
    wrong: bool = False


@dataclass(slots=True)
class _Budget:
    left: int = MAX_NODES

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise PacsdError(Fault.TOO_MUCH, f"a data set of more than {MAX_NODES} elements")


class Header:
    """The elements of a data set before its pixel data, of which `data` is all."""

    def __init__(self, data: bytes, *, implicit: bool, big_endian: bool) -> None:
        """Raises MalformedDataset for lengths that lie, PacsdError TOO_MUCH."""
        self.data = data
        self.implicit, self.big_endian = implicit, big_endian
        self._view, self._budget = memoryview(data), _Budget()
        self.nodes, _ = self._dataset(0, len(data), implicit, big_endian, 0)

    def raw(self, node: Node) -> bytes:
        """A value as it stands."""
        return self.data[node.at : node.end]

    def _dataset(self, at: int, end: int, implicit: bool, big: bool, depth: int) -> tuple[list[Node], int]:
        """The elements from `at` to `end` or an Item Delimitation Item, and the place behind."""
        if depth > MAX_DEPTH:
            raise PacsdError(Fault.TOO_MUCH, f"sequences nested deeper than {MAX_DEPTH}")
        nodes: list[Node] = []
        while at < end:
            head = element_head(self._view, at, end, implicit=implicit, big_endian=big)
            if head.tag == ITEM_DELIMITATION:
                return nodes, head.value_at
            self._budget.spend()
            vr, wrong = standing(head.tag, head.vr)
            if head.length == UNDEFINED and head.tag >> 16 == _PIXEL_GROUP:
                at = skip_undefined(self._view, head.value_at, end, implicit=implicit, big_endian=big)
                nodes.append(Node(head.tag, vr, head.value_at, at, big))
            elif head.vr == "SQ" or (vr == "SQ" and not wrong) or head.length == UNDEFINED:
                unknown = head.vr == "UN" and not implicit
                items, at = self._items(head.value_at, head.length, end, implicit, big, depth, unknown)
                wrong = wrong or not may_be(head.tag, "SQ")
                nodes.append(Node(head.tag, "SQ", head.value_at, at, big, items, wrong))
            else:
                at = head.value_at + head.length
                if at > end:
                    raise MalformedDataset(f"{show(head.tag)} is longer than what it is in")
                nodes.append(Node(head.tag, vr, head.value_at, at, big, wrong=wrong))
        return nodes, at

    def _items(
        self, at: int, length: int, around: int, implicit: bool, big: bool, depth: int, unknown: bool
    ) -> tuple[list[list[Node]], int]:
        end = around if length == UNDEFINED else at + length
        if end > around:
            raise MalformedDataset("a sequence is longer than what it is in")
        big = items_are_big_endian(self._view, at, big_endian=big)
        items: list[list[Node]] = []
        while end - at >= 8:
            group, element, size = IMPLICIT[big](self._view, at)
            tag, at = group << 16 | element, at + 8
            if tag == SEQUENCE_DELIMITATION:
                return items, at if length == UNDEFINED else end
            if tag != ITEM:
                raise MalformedDataset(f"{show(tag)} stands where an item should")
            stop = end if size == UNDEFINED else at + size
            if stop > end:
                raise MalformedDataset("an item is longer than its sequence")
            inside = looks_implicit(self._view[at : at + 8], implicit=True) if unknown else implicit
            item, reached = self._dataset(at, stop, inside, big, depth + 1)
            items.append(item)
            at = reached if size == UNDEFINED else stop
        if length == UNDEFINED or at != end:
            raise MalformedDataset("a sequence has no end")
        return items, end
