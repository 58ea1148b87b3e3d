"""What an evaluation of FHIRPath has at hand, and the bounds it keeps (http://hl7.org/fhirpath/N1/#environment-variables)."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fhir.path.nodes import BOOLEAN, Node
from pacsd.faults import Fault, PacsdError

Items = Sequence[Node]
Lambda = Callable[["Frame", Items], Items]      # evaluated for each item, with the item as its focus

MAX_STEPS = 2_000_000                    # items looked at by functions that go over many, in one evaluation
MAX_TEXT = 1_000_000                     # characters of a string that an expression makes

NONE: Items = ()
TRUE: Items = (Node(True, BOOLEAN),)
FALSE: Items = (Node(False, BOOLEAN),)


def _unknown(*_: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Context:
    """The resource around an element and what evaluation asks others for.

    `resource` is the innermost resource with the element, contained or not; `root` the one that contains it; both
    default to the node that is evaluated. `resolve` finds a resource by reference text, `member_of` answers for
    (value set, system, code), `conforms` for (resource or element, canonical of a profile): None where it cannot
    tell, which makes the function's result empty.
    """

    resource: Node | None = None
    root: Node | None = None
    now: datetime | None = None
    resolve: Callable[[str], Mapping[str, Any] | None] = _unknown
    member_of: Callable[[str, str, str], bool | None] = _unknown
    conforms: Callable[[Mapping[str, Any], str], bool | None] = _unknown
    steps: int = MAX_STEPS               # that functions may take over items


NO_CONTEXT = Context()


class Frame:
    """One evaluation: its context, `$index` and `$total` of the innermost iteration, and what is left of its bounds."""

    __slots__ = ("_now", "context", "index", "keys", "memo", "node", "resource", "root", "steps", "total")

    def __init__(self, node: Node, context: Context) -> None:
        self.node = node
        self.context = context
        self.resource = context.resource or node
        self.root = context.root or self.resource
        self.index = 0
        self.total: Items = NONE
        self.memo: dict[int, Items] = {}             # of parts that stay the same, by the closure that tells them
        self.keys: dict[int, frozenset[Hashable]] = {}
        self.steps = context.steps
        self._now = context.now

    def spend(self, steps: int) -> None:
        """Count steps. Raises PacsdError (TOO_MUCH) when there were too many."""
        self.steps -= steps
        if self.steps < 0:
            raise PacsdError(Fault.TOO_MUCH, "FHIRPath: the expression looks at too many elements")

    def now(self) -> datetime:
        """The same moment throughout an evaluation."""
        if self._now is None:
            self._now = datetime.now(UTC)
        return self._now


def one(items: Items, what: str) -> Node | None:
    """The only item, or None. Raises PacsdError (MISMATCH) if there are several (N1 "Singleton Evaluation")."""
    if not items:
        return None
    if len(items) > 1:
        raise PacsdError(Fault.MISMATCH, f"FHIRPath: {what} takes one item, not {len(items)}")
    return items[0]


def truth(items: Items, what: str = "a condition") -> bool | None:
    """Three-valued logic: what a collection says, None if it is empty; one item that is no boolean says true."""
    node = one(items, what)
    if node is None:
        return None
    value = node.system
    return value if type(value) is bool else True


def told(value: bool | None) -> Items:
    """A boolean as a collection."""
    if value is None:
        return NONE
    return TRUE if value else FALSE


def text_of(items: Items, what: str) -> str | None:
    """The only string, or None. Raises PacsdError (MISMATCH) for several, and for what is none."""
    node = one(items, what)
    value = node.system if node is not None else None
    if value is not None and type(value) is not str:
        raise PacsdError(Fault.MISMATCH, f"FHIRPath: {what} takes a string")
    return value


def integer_of(items: Items, what: str) -> int | None:
    """The only integer, or None. Raises PacsdError (MISMATCH) for several, and for what is none."""
    node = one(items, what)
    value = node.system if node is not None else None
    if value is not None and type(value) is not int:
        raise PacsdError(Fault.MISMATCH, f"FHIRPath: {what} takes an integer")
    return value


def bounded(text: str) -> str:
    """A string that an expression made. Raises PacsdError (TOO_MUCH) if it is too long."""
    if len(text) > MAX_TEXT:
        raise PacsdError(Fault.TOO_MUCH, f"FHIRPath: a string longer than {MAX_TEXT} characters")
    return text
