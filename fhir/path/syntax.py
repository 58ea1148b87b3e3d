"""Syntax trees of FHIRPath, and the parser that makes them (http://hl7.org/fhirpath/N1/grammar.html)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from fhir.path.lexer import Token, tokens
from pacsd.faults import Fault, PacsdError

MAX_NESTING = 60                         # brackets within brackets


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: its kind is that of its token, or `boolean`, `quantity` (with a unit) and `empty`."""

    kind: str
    text: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """`%resource`, or an iteration's `$this`, `$index`, `$total`."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """An element by name; `first` where a path begins with it, and it may be the name of a type."""

    name: str
    first: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments, still unevaluated."""

    name: str
    arguments: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Path:
    """A step from what another tree finds."""

    left: "Tree"
    step: "Tree"


@dataclass(frozen=True, slots=True)
class Index:
    """`left[index]`."""

    left: "Tree"
    index: "Tree"


@dataclass(frozen=True, slots=True)
class Sign:
    """`+operand` or `-operand`."""

    sign: str
    operand: "Tree"


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two trees."""

    operator: str
    left: "Tree"
    right: "Tree"


@dataclass(frozen=True, slots=True)
class OfType:
    """`left is type` or `left as type`."""

    operator: str
    left: "Tree"
    type: str


Tree = Literal | Variable | Member | Call | Path | Index | Sign | Binary | OfType

_LOOSEST_FIRST = (("implies",), ("or", "xor"), ("and",), ("in", "contains"), ("=", "~", "!=", "!~"),
                  ("<=", "<", ">", ">="), ("|",), ("is", "as"), ("+", "-", "&"), ("*", "/", "div", "mod"))
_BINDS = {operator: level for level, operators in enumerate(_LOOSEST_FIRST, 1) for operator in operators}
_SIGN_BINDS = len(_LOOSEST_FIRST) + 1
_UNITS = {f"{unit}{plural}" for plural in ("", "s")
          for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")}
_NAMES = ("word", "name")


def parse(expression: str) -> Tree:
    """The tree of an expression.

    Raises PacsdError: MALFORMED for what is no FHIRPath, TOO_MUCH beyond the limits of length and nesting.
    """
    return _Parser(expression).whole()


class _Parser:
    """Operator precedence by one loop, terms by recursion."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens: Sequence[Token] = tuple(tokens(expression))
        self._at = 0
        self._depth = 0

    def whole(self) -> Tree:
        tree = self._tree()
        if self._next.kind != "end":
            self._fail()
        return tree

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += token.kind != "end"
        return token

    def _is(self, *marks: str) -> bool:
        return self._next.kind in ("mark", "word") and self._next.text in marks

    def _expect(self, mark: str) -> None:
        if not self._is(mark):
            self._fail(f", where {mark} is due")
        self._take()

    def _fail(self, why: str = "") -> NoReturn:
        token = self._next
        what = "the end" if token.kind == "end" else repr(token.text)
        raise PacsdError(Fault.MALFORMED, f"FHIRPath: {what} at character {token.at + 1} of {self._expression!r}{why}")

    def _tree(self, binds: int = 1) -> Tree:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise PacsdError(Fault.TOO_MUCH, f"FHIRPath nested deeper than {MAX_NESTING} levels")
        tree = self._signed()
        while self._next.kind in ("mark", "word") and _BINDS.get(self._next.text, 0) >= binds:
            operator = self._take().text
            if operator in ("is", "as"):
                tree = OfType(operator, tree, self._type())
            else:
                tree = Binary(operator, tree, self._tree(_BINDS[operator] + 1))
        self._depth -= 1
        return tree

    def _signed(self) -> Tree:
        if self._is("+", "-"):
            return Sign(self._take().text, self._tree(_SIGN_BINDS))
        return self._path()

    def _path(self) -> Tree:
        tree = self._term()
        while self._is(".", "["):
            if self._take().text == "[":
                tree = Index(tree, self._tree())
                self._expect("]")
            else:
                tree = Path(tree, self._step())
        return tree

    def _step(self) -> Tree:
        if self._next.kind == "special":
            return Variable(self._take().text)
        return self._named(first=False)

    def _named(self, *, first: bool) -> Tree:
        if self._next.kind not in _NAMES:
            self._fail()
        name = self._take().text
        if not self._is("("):
            return Member(name, first)
        self._take()
        arguments = tuple(self._arguments())
        self._expect(")")
        return Call(name, arguments)

    def _arguments(self) -> Iterator[Tree]:
        if self._is(")"):
            return
        yield self._tree()
        while self._is(","):
            self._take()
            yield self._tree()

    def _type(self) -> str:
        parts = []
        while True:
            if self._next.kind not in _NAMES:
                self._fail(", where a type is due")
            parts.append(self._take().text)
            if not self._is("."):
                return ".".join(parts)
            self._take()

    def _term(self) -> Tree:
        kind, text, _ = self._next
        if kind in ("string", "date", "datetime", "time"):
            self._take()
            return Literal(kind, text)
        if kind == "number":
            return self._number()
        if kind in ("variable", "special"):
            self._take()
            return Variable(text)
        if kind == "word" and text in ("true", "false"):
            self._take()
            return Literal("boolean", text)
        if kind == "mark":
            return self._bracketed()
        return self._named(first=True)

    def _number(self) -> Tree:
        text = self._take().text
        if self._next.kind == "string":
            return Literal("quantity", text, self._take().text)
        if self._next.kind == "word" and self._next.text in _UNITS:
            return Literal("quantity", text, self._take().text)
        return Literal("number", text)

    def _bracketed(self) -> Tree:
        if self._is("{"):
            self._take()
            self._expect("}")
            return Literal("empty", "")
        self._expect("(")
        tree = self._tree()
        self._expect(")")
        return tree
