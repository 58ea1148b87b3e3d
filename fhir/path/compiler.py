"""Expressions compiled to closures, once each (http://hl7.org/fhirpath/N1/)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import lru_cache
from typing import cast

from fhir.path import equality, temporal
from fhir.path.errata import ERRATA
from fhir.path.evaluation import FALSE, NO_CONTEXT, NONE, TRUE, Context, Frame, Items, Lambda, one, told, truth
from fhir.path.functions.library import ITERATING, PLAIN
from fhir.path.nodes import Node, is_a, of, type_named
from fhir.path.operators import MAX_INTEGER, OPERATORS
from fhir.path.quantity import Quantity
from fhir.path.syntax import Binary, Call, Index, Literal, Member, OfType, Path, Sign, Tree, Variable, parse
from pacsd.faults import Fault, PacsdError

MAX_DEPTH = 200                          # of a tree
_CACHED = 4096
_OF_ITERATIONS = ("$index", "$total")

Step = Callable[[Frame, Items, Items], Items]    # with what is found so far, and the focus of the whole expression

_CONSTANTS: Mapping[str, str] = {
    "ucum": "http://unitsofmeasure.org", "sct": "http://snomed.info/sct", "loinc": "http://loinc.org"}
_CONTEXT: Mapping[str, Lambda] = {
    "resource": lambda frame, focus: (frame.resource,), "rootResource": lambda frame, focus: (frame.root,),
    "context": lambda frame, focus: (frame.node,),
    "$this": lambda frame, focus: focus, "$index": lambda frame, focus: (of(frame.index),),
    "$total": lambda frame, focus: frame.total}


class Expression:
    """A compiled expression."""

    __slots__ = ("_evaluate", "text")

    def __init__(self, text: str, evaluate: Lambda) -> None:
        self.text = text
        self._evaluate = evaluate

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def evaluate(self, node: Node, context: Context = NO_CONTEXT) -> Items:
        """What it finds, from an element.

        Raises PacsdError: MISMATCH where the elements do not fit the expression (several where one is due), TOO_MUCH
        beyond the bounds of an evaluation.
        """
        return self._evaluate(Frame(node, context), (node,))

    def holds(self, node: Node, context: Context = NO_CONTEXT) -> bool:
        """Whether it is true of an element, as an invariant has to be: what is found counts, nothing found does not."""
        found = self._evaluate(Frame(node, context), (node,))
        if len(found) != 1:
            return bool(found)
        value = found[0].value
        return value if type(value) is bool else True


@lru_cache(_CACHED)
def compile(text: str) -> Expression:  # noqa: A001
    """An expression, compiled once.

    Raises PacsdError: MALFORMED for what is no FHIRPath, or names a function, variable or type that there is not;
    TOO_MUCH for what is too long or nested too deep.
    """
    return Expression(text, _compiled(parse(ERRATA.get(text, text)), 0))


def _compiled(tree: Tree, depth: int, *, constant: bool = False) -> Lambda:
    if depth > MAX_DEPTH:
        raise PacsdError(Fault.TOO_MUCH, f"FHIRPath of more than {MAX_DEPTH} steps")
    if not constant and not isinstance(tree, Literal | Variable) and _constant(tree, depth):
        return _remembered(_compiled(tree, depth, constant=True))
    compiled: Lambda = _COMPILERS[type(tree)](tree, depth + 1, constant)
    return compiled


def _constant(tree: Tree, depth: int) -> bool:
    """Whether it tells the same throughout an evaluation, whatever the focus."""
    if depth > MAX_DEPTH:
        return False
    depth += 1
    if isinstance(tree, Literal):
        return True
    if isinstance(tree, Variable):
        return not tree.name.startswith("$")
    if isinstance(tree, Path):
        return _constant(tree.left, depth) and (
            isinstance(tree.step, Member) or (isinstance(tree.step, Call) and (
                (tree.step.name in ITERATING and not _asks_outside(tree.step)) or tree.step.name in _TYPED
                or all(_constant(argument, depth) for argument in tree.step.arguments))))
    if isinstance(tree, Index):
        return _constant(tree.left, depth) and _constant(tree.index, depth)
    if isinstance(tree, Binary):
        return _constant(tree.left, depth) and _constant(tree.right, depth)
    return isinstance(tree, OfType) and _constant(tree.left, depth)


def _asks_outside(tree: Tree) -> bool:
    """Whether something in it may be told by an iteration around it: `$total`, `$index`, of which a function that goes
    over items need not have its own."""
    if isinstance(tree, Variable):
        return tree.name in _OF_ITERATIONS
    return any(map(_asks_outside, _parts(tree)))


def _parts(tree: Tree) -> Iterator[Tree]:
    for part in fields(tree):
        value = getattr(tree, part.name)
        if isinstance(value, tuple):
            yield from value
        elif is_dataclass(value) and not isinstance(value, type):
            yield cast(Tree, value)


def _remembered(evaluate: Lambda) -> Lambda:
    slot = id(evaluate)

    def remembered(frame: Frame, focus: Items) -> Items:
        found = frame.memo.get(slot)
        if found is None:
            found = frame.memo[slot] = evaluate(frame, focus)
        return found
    return remembered


def _literal(tree: Literal, depth: int, constant: bool) -> Lambda:
    items = NONE if tree.kind == "empty" else (_value(tree),)
    return lambda frame, focus: items


def _value(tree: Literal) -> Node:
    kind, text = tree.kind, tree.text
    if kind == "string":
        return of(text)
    if kind == "boolean":
        return (TRUE if text == "true" else FALSE)[0]
    if kind == "number":
        value = Decimal(text) if "." in text else int(text)
        return of(value if type(value) is Decimal or value <= MAX_INTEGER else Decimal(value))
    if kind == "quantity":
        return of(Quantity(Decimal(text), tree.unit))
    read = {"date": temporal.read_date, "datetime": temporal.read_date_time, "time": temporal.read_time}[kind]
    moment = read(text[2:] if kind == "time" else text[1:])
    if moment is None:
        raise PacsdError(Fault.MALFORMED, f"FHIRPath: {text} is no {kind}")
    return of(moment)


def _variable(tree: Variable, depth: int, constant: bool) -> Lambda:
    name = tree.name
    if name in _CONTEXT:
        return _CONTEXT[name]
    if name.startswith("vs-"):
        items = (of(f"http://hl7.org/fhir/ValueSet/{name[3:]}"),)
    elif name.startswith("ext-"):
        items = (of(f"http://hl7.org/fhir/StructureDefinition/{name[4:]}"),)
    elif name in _CONSTANTS:
        items = (of(_CONSTANTS[name]),)
    else:
        raise PacsdError(Fault.MALFORMED, f"FHIRPath: there is no variable %{name}")
    return lambda frame, focus: items


def _first(tree: Member, depth: int, constant: bool) -> Lambda:
    name = tree.name
    kind = type_named(name) if name[:1].isupper() else None
    if kind is None:
        return lambda frame, focus: _members(frame, focus, name)
    return lambda frame, focus: tuple(node for node in focus if is_a(node.type, kind))


def _members(frame: Frame, items: Items, name: str) -> Items:
    if len(items) == 1:
        return items[0].member(name)
    frame.spend(len(items))
    return [node for item in items for node in item.member(name)]


def _path(tree: Path, depth: int, constant: bool) -> Lambda:
    left = _compiled(tree.left, depth, constant=constant)
    if isinstance(tree.step, Member):
        name = tree.step.name
        return lambda frame, focus: _members(frame, left(frame, focus), name)
    if isinstance(tree.step, Variable):
        variable = _compiled(tree.step, depth)
        return lambda frame, focus: variable(frame, left(frame, focus))
    if not isinstance(tree.step, Call):
        raise PacsdError(Fault.MALFORMED, "FHIRPath: after a dot comes an element or a function")
    step = _step(tree.step, depth)
    return lambda frame, focus: step(frame, left(frame, focus), focus)


def _call(tree: Call, depth: int, constant: bool) -> Lambda:
    step = _step(tree, depth)
    return lambda frame, focus: step(frame, focus, focus)


def _step(tree: Call, depth: int) -> Step:
    name = tree.name
    if name in _TYPED:
        return _typed(tree)
    function = PLAIN.get(name) or ITERATING.get(name)
    if function is None:
        raise PacsdError(Fault.MALFORMED, f"FHIRPath: there is no function {name}()")
    if not function.least <= len(tree.arguments) <= function.most:
        raise PacsdError(Fault.MALFORMED, f"FHIRPath: {name}() does not take {len(tree.arguments)} arguments")
    call = function.call
    arguments = tuple(_compiled(argument, depth) for argument in tree.arguments)
    if name in ITERATING:
        return lambda frame, items, focus: call(frame, items, *arguments)

    def step(frame: Frame, items: Items, focus: Items) -> Items:
        frame.spend(len(items))
        return call(frame, items, *[argument(frame, focus) for argument in arguments])
    return step


def _typed(tree: Call) -> Step:
    """`is(type)`, `as(type)`, `ofType(type)`: their argument is a type, not an expression."""
    if len(tree.arguments) != 1:
        raise PacsdError(Fault.MALFORMED, f"FHIRPath: {tree.name}() takes one type")
    test = _TYPED[tree.name](_type(_written(tree.arguments[0])))
    return lambda frame, items, focus: test(items)


def _written(tree: Tree) -> str:
    if isinstance(tree, Member):
        return tree.name
    if isinstance(tree, Path) and isinstance(tree.step, Member):
        return f"{_written(tree.left)}.{tree.step.name}"
    raise PacsdError(Fault.MALFORMED, "FHIRPath: a type is due")


def _type(name: str) -> str:
    kind = type_named(name)
    if kind is None:
        if name.startswith("System."):
            return name                  # nothing is of it
        raise PacsdError(Fault.MALFORMED, f"FHIRPath: there is no type {name}")
    return kind


def _is(kind: str) -> Callable[[Items], Items]:
    def test(items: Items) -> Items:
        node = one(items, "is")
        return NONE if node is None else told(is_a(node.type, kind))
    return test


def _as(kind: str) -> Callable[[Items], Items]:
    """N1 wants one item; definitions of FHIR R4 use it on many, as `ofType`, which http://hl7.org/fhir/R4 allows."""
    return lambda items: [node for node in items if is_a(node.type, kind)]


_TYPED: Mapping[str, Callable[[str], Callable[[Items], Items]]] = {"is": _is, "as": _as, "ofType": _as}


def _of_type(tree: OfType, depth: int, constant: bool) -> Lambda:
    left = _compiled(tree.left, depth, constant=constant)
    test = _TYPED[tree.operator](_type(tree.type))
    return lambda frame, focus: test(left(frame, focus))


def _index(tree: Index, depth: int, constant: bool) -> Lambda:
    left = _compiled(tree.left, depth, constant=constant)
    place = _compiled(tree.index, depth, constant=constant)

    def at(frame: Frame, focus: Items) -> Items:
        index = one(place(frame, focus), "[]")
        number = index.system if index is not None else None
        if type(number) is not int:
            if number is None:
                return NONE
            raise PacsdError(Fault.MISMATCH, "FHIRPath: [] takes an integer")
        items = left(frame, focus)
        return items[number : number + 1] if number >= 0 else NONE
    return at


def _sign(tree: Sign, depth: int, constant: bool) -> Lambda:
    operand = _compiled(tree.operand, depth, constant=constant)
    factor = -1 if tree.sign == "-" else 1

    def signed(frame: Frame, focus: Items) -> Items:
        node = one(operand(frame, focus), tree.sign)
        if node is None:
            return NONE
        value = node.system
        if type(value) is Quantity:
            return (of(Quantity(value.value * factor, value.unit)),)
        if type(value) not in (int, Decimal):
            raise PacsdError(Fault.MISMATCH, f"FHIRPath: {tree.sign} is not defined for {node.type}")
        return (of(value * factor),)
    return signed


def _binary(tree: Binary, depth: int, constant: bool) -> Lambda:
    left = _compiled(tree.left, depth, constant=constant)
    right = _compiled(tree.right, depth, constant=constant)
    if tree.operator in _LOGIC:
        return _LOGIC[tree.operator](left, right)
    if tree.operator == "in" and _constant(tree.right, depth):
        return _among(left, right)
    operate, each_with_each = OPERATORS[tree.operator], tree.operator in ("~", "!~")

    def evaluate(frame: Frame, focus: Items) -> Items:
        these, others = left(frame, focus), right(frame, focus)
        frame.spend(len(these) * len(others) if each_with_each else len(these) + len(others))
        return operate(these, others)
    return evaluate


def _among(left: Lambda, right: Lambda) -> Lambda:
    """`in` a collection that stays the same: its keys are made once in an evaluation."""
    slot = id(right)

    def evaluate(frame: Frame, focus: Items) -> Items:
        item = one(left(frame, focus), "in")
        if item is None:
            return NONE
        keys = frame.keys.get(slot)
        if keys is None:
            others = right(frame, focus)
            frame.spend(len(others))
            keys = frame.keys[slot] = frozenset(equality.key(other) for other in others)
        return TRUE if equality.key(item) in keys else FALSE
    return evaluate


def _and(left: Lambda, right: Lambda) -> Lambda:
    def evaluate(frame: Frame, focus: Items) -> Items:
        this = truth(left(frame, focus), "and")
        if this is False:
            return FALSE
        other = truth(right(frame, focus), "and")
        return FALSE if other is False else TRUE if this and other else NONE
    return evaluate


def _or(left: Lambda, right: Lambda) -> Lambda:
    def evaluate(frame: Frame, focus: Items) -> Items:
        this = truth(left(frame, focus), "or")
        if this:
            return TRUE
        other = truth(right(frame, focus), "or")
        return TRUE if other else FALSE if this is False and other is False else NONE
    return evaluate


def _xor(left: Lambda, right: Lambda) -> Lambda:
    def evaluate(frame: Frame, focus: Items) -> Items:
        this, other = truth(left(frame, focus), "xor"), truth(right(frame, focus), "xor")
        return NONE if this is None or other is None else told(this is not other)
    return evaluate


def _implies(left: Lambda, right: Lambda) -> Lambda:
    def evaluate(frame: Frame, focus: Items) -> Items:
        this = truth(left(frame, focus), "implies")
        if this is False:
            return TRUE
        other = truth(right(frame, focus), "implies")
        return TRUE if other else FALSE if this and other is False else NONE
    return evaluate


_LOGIC: Mapping[str, Callable[[Lambda, Lambda], Lambda]] = {"and": _and, "or": _or, "xor": _xor, "implies": _implies}

_COMPILERS: Mapping[type, Callable[..., Lambda]] = {
    Literal: _literal, Variable: _variable, Member: _first, Path: _path, Call: _call, Index: _index, Sign: _sign,
    Binary: _binary, OfType: _of_type}
