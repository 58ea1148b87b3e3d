"""A search parameter of a request as a condition (http://hl7.org/fhir/R4/search.html#parameters)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import groupby
from typing import Any

from fhir.definitions.search_parameters import Parameter
from fhir.search import parameters as named
from fhir.search.escapes import alternatives, plain, split
from fhir.search.numbers import number, quantity
from fhir.search.ports import Terminology
from fhir.search.query import (
    AnyOf,
    Chain,
    Comparison,
    Composite,
    Condition,
    Ids,
    Links,
    Match,
    Not,
    Numbers,
    Present,
    ReverseChain,
    Texts,
    Times,
    TokenIs,
    Tokens,
    Updated,
    Uris,
    Words,
)  # fmt: skip
from fhir.search.references import link
from fhir.search.times import time
from fhir.search.tokens import identifier_of_type, token
from fhir.search.words import asked
from pacsd.codec.text import normalise
from pacsd.faults import Fault, PacsdError

MAX_DEPTH = 5                            # links of a chain, forwards or backwards
MAX_CODES = 10_000                       # that one value of :in, :above or :below stands for
MAX_TEXT = 400                           # characters of a text asked for


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads conditions. `base`: the URL of this server's FHIR; `zone`: of dates without one; `now`: of `ap`."""

    base: str
    zone: tzinfo
    now: datetime
    terminology: Terminology | None = None
    full_text: bool = True

    def condition(self, types: Sequence[str], name: str, value: str) -> Condition | None:
        """What a parameter of the request asks of resources of these types; None if it is unknown for them.

        Raises PacsdError: MISMATCH (a value), UNSUPPORTED (a modifier), TOO_BROAD (above a limit).
        """
        return self._condition(types, name, value, 0, named.of_all)

    def _condition(
        self, types: Sequence[str], name: str, value: str, depth: int, of: Callable[[Iterable[str], str], Any]
    ) -> Condition | None:
        if depth > MAX_DEPTH:
            raise PacsdError(Fault.TOO_BROAD, f"a chain of more than {MAX_DEPTH} links")
        if name.startswith("_has:"):
            return self._has(types, name, value, depth)
        first, dot, rest = name.partition(".")
        code, _, modifier = first.partition(":")
        if dot:
            return self._chain(of(types, code), modifier, rest, value, depth)
        if code in _SPECIAL:
            return self._special(tuple(types), code, modifier, value)
        found: Sequence[Parameter] = of(types, code)
        groups = [self._of_kind(list(group), modifier, value)
                  for _, group in groupby(sorted(found, key=_kind), key=_kind)]  # fmt: skip
        return (groups[0] if len(groups) == 1 else AnyOf(tuple(groups))) if groups else None

    def _chain(
        self, found: Sequence[Parameter], modifier: str, rest: str, value: str, depth: int
    ) -> Condition | None:
        """`subject.name`, `subject:Patient.name` (search.html#chaining)."""
        found = [one for one in found if one.type == "reference"]
        types = list(dict.fromkeys(one for parameter in found for one in named.targets(parameter)))
        if modifier:
            types = [one for one in types if one == modifier]
        inner = self._condition(types, rest, value, depth + 1, named.of_any) if types else None
        if inner is None:
            return None
        return Chain(tuple(map(named.full_name, found)), tuple(types), inner)

    def _has(self, types: Sequence[str], name: str, value: str, depth: int) -> Condition | None:
        """`_has:Observation:patient:code` (search.html#has)."""
        parts = name.split(":", 3)
        if len(parts) < 4:
            raise PacsdError(Fault.MISMATCH, "a reverse chain is _has:Type:reference:parameter")
        _, source, reference, rest = parts
        found = [one for one in named.of_any([source], reference)
                 if one.type == "reference" and set(named.targets(one)) & set(types)]  # fmt: skip
        inner = self._condition([source], rest, value, depth + 1, named.of_all) if found else None
        if inner is None:
            return None
        return ReverseChain(tuple(map(named.full_name, found)), source, inner, tuple(types))

    def _special(self, types: tuple[str, ...], code: str, modifier: str, value: str) -> Condition:
        if modifier not in _SPECIAL[code]:
            raise _no_modifier(code, modifier)
        found = _READ_SPECIAL[code](self, types, value)
        return Not(found) if modifier == "not" else found

    def _of_kind(self, found: Sequence[Parameter], modifier: str, value: str) -> Condition:
        """Parameters of one kind, of several resource types."""
        kind = found[0].type
        if modifier == "missing":
            return _missing(found, value)
        if kind == "reference" and modifier in named.all_types():
            names = tuple(map(named.full_name, found))
            return Match(names, Links(tuple(
                target for one in alternatives(value) for target in link(plain(one), (modifier,), self.base))))
        if modifier not in named.MODIFIERS[kind]:
            raise _no_modifier(found[0].code, modifier)
        return _READ[kind](self, found, modifier, value)

    def _tokens(self, found: Sequence[Parameter], modifier: str, value: str) -> Condition:
        if modifier == "not":
            return Not(self._tokens(found, "", value))
        if modifier == "text":
            return _texts(found, ":text", "begins", value)
        if modifier == "of-type":
            return Match(_names(found, ":of-type"), Tokens(tuple(map(identifier_of_type, alternatives(value)))))
        if modifier in ("in", "not-in", "above", "below"):
            match = Match(_names(found), self._subsumed(modifier, value))
            return Not(match) if modifier == "not-in" else match
        return Match(_names(found), Tokens(tuple(map(token, alternatives(value)))))

    def _subsumed(self, modifier: str, value: str) -> Tokens:
        """Codes of a value set, or above or below one."""
        codes: list[TokenIs] = []
        for one in alternatives(value):
            for pair in self._told(modifier, one):
                codes.append(TokenIs(*pair))
                if len(codes) > MAX_CODES:
                    raise PacsdError(Fault.TOO_BROAD, f":{modifier} stands for more than {MAX_CODES} codes")
        return Tokens(tuple(codes))

    def _told(self, modifier: str, value: str) -> Iterable[tuple[str, str]]:
        """What terminology says; a code system or value set that it does not know makes the value one of no meaning."""
        if self.terminology is None:
            raise PacsdError(Fault.UNSUPPORTED, f":{modifier} needs terminology, which this server has none of")
        try:
            if modifier.endswith("in"):
                return self.terminology.members(plain(value))
            system, code = token(value)
            if not system or code is None:
                raise PacsdError(Fault.MISMATCH, f"the value of :{modifier} is system|code")
            told: Iterable[tuple[str, str]] = getattr(self.terminology, modifier)(system, code)
            return told
        except PacsdError as error:
            if error.fault is not Fault.NOT_FOUND:
                raise
            raise PacsdError(Fault.MISMATCH, str(error)) from error

    def _strings(self, found: Sequence[Parameter], modifier: str, value: str) -> Condition:
        return _texts(found, "", modifier or "begins", value)

    def _uris(self, found: Sequence[Parameter], modifier: str, value: str) -> Condition:
        how: Any = modifier or "equal"
        return Match(_names(found), Uris(how, tuple(plain(one) for one in alternatives(value))))

    def _dates(self, found: Sequence[Parameter], _modifier: str, value: str) -> Condition:
        return Match(_names(found), self.times(value))

    def times(self, value: str) -> Times:
        """Dates and times joined by commas."""
        return Times(tuple(time(one, zone=self.zone, now=self.now) for one in alternatives(value)))

    def words(self, types: tuple[str, ...], value: str, *, narrative: bool) -> Condition:
        """Words of `_text` and `_content`: all of one alternative (search.html#content)."""
        if not self.full_text:
            raise PacsdError(Fault.UNSUPPORTED, "full text search is switched off here")
        texts = [asked(plain(one)) for one in alternatives(value)]
        if not all(texts):
            raise PacsdError(Fault.MISMATCH, "a text to search for has a letter or digit")
        if sum(map(len, texts)) > MAX_TEXT:
            raise PacsdError(Fault.TOO_BROAD, f"more than {MAX_TEXT} words to search for")
        return AnyOf(tuple(Words(one, narrative, types) for one in texts))

    def _numbers(self, found: Sequence[Parameter], _modifier: str, value: str) -> Condition:
        read = quantity if found[0].type == "quantity" else number
        return Match(_names(found), Numbers(tuple(map(read, alternatives(value)))))

    def _links(self, found: Sequence[Parameter], modifier: str, value: str) -> Condition:
        if modifier == "identifier":
            return Match(_names(found, ":identifier"), Tokens(tuple(map(token, alternatives(value)))))
        if modifier == "text":
            return _texts(found, ":text", "begins", value)
        types = tuple(dict.fromkeys(target for one in found for target in named.targets(one)))
        wanted = tuple(target for one in alternatives(value) for target in link(plain(one), types, self.base))
        if len(wanted) > MAX_CODES:
            raise PacsdError(Fault.TOO_BROAD, "more references than are looked for at once; name their types")
        return Match(_names(found), Links(wanted))

    def _composites(self, found: Sequence[Parameter], _modifier: str, value: str) -> Condition:
        """`code$value` (search.html#combining): each alternative is a condition of its own."""
        kinds = {tuple(one.type for one in parameter.components) for parameter in found}
        if len(kinds) > 1:
            raise PacsdError(Fault.UNSUPPORTED, "a composite parameter that differs between these resource types")
        (components,) = kinds
        return AnyOf(tuple(self._composite(_names(found), components, one) for one in alternatives(value)))

    def _composite(self, names: tuple[str, ...], components: Sequence[str], value: str) -> Condition:
        parts = split(value, "$")
        if len(parts) != len(components):
            raise PacsdError(Fault.MISMATCH, f"a composite value has {len(components)} parts, joined by $")
        return Composite(names, tuple(self._part(kind, part) for kind, part in zip(components, parts, strict=True)))

    def _part(self, kind: str, value: str) -> Comparison:
        # commas are gone: what is left is one value of the component's kind
        match = _READ[kind](self, (Parameter("", "", kind, "-", ""),), "", value)
        if not isinstance(match, Match):
            raise PacsdError(Fault.UNSUPPORTED, f"a {kind} as part of a composite")
        return match.comparison


def _kind(parameter: Parameter) -> str:
    return parameter.type


def _names(found: Iterable[Parameter], suffix: str = "") -> tuple[str, ...]:
    return tuple(named.full_name(one, suffix) for one in found)


def _texts(found: Sequence[Parameter], suffix: str, how: Any, value: str) -> Condition:
    texts = tuple(plain(one) for one in alternatives(value))
    if how != "exact" and any(len(one) > MAX_TEXT for one in texts):
        raise PacsdError(Fault.TOO_BROAD, f"a text of more than {MAX_TEXT} characters to search for")
    if how != "exact" and not all(map(normalise, texts)):
        raise PacsdError(Fault.MISMATCH, "a text to search for has a letter or digit")
    return Match(_names(found, suffix), Texts(how, texts))


def _missing(found: Sequence[Parameter], value: str) -> Condition:
    """`:missing` (search.html#modifiers). Raises PacsdError MISMATCH for what is neither true nor false."""
    if value not in ("true", "false"):
        raise PacsdError(Fault.MISMATCH, "the value of :missing is true or false")
    present: dict[str, None] = {}
    kinds: dict[str, None] = {}
    for one in found:
        for suffix, kind in _rows_of(one):
            present[named.full_name(one, suffix)] = None
            kinds[kind] = None
    told = Present(tuple(present), tuple(kinds))
    return Not(told) if value == "true" else told


def _rows_of(parameter: Parameter) -> tuple[tuple[str, str], ...]:
    """The rows that tell whether there is a value: suffix of the name, and kind."""
    if parameter.type == "token":
        return (("", "token"), (":text", "text"))
    if parameter.type == "reference":
        return (("", "link"), (":identifier", "token"), (":text", "text"))
    if parameter.type == "composite":
        return (("#1", named.KINDS[parameter.components[0].type]),)
    return (("", named.KINDS[parameter.type]),)


def _no_modifier(code: str, modifier: str) -> PacsdError:
    return PacsdError(Fault.UNSUPPORTED, f"the search parameter {code} takes no modifier :{modifier}")


def _ids(_reader: Reader, types: tuple[str, ...], value: str) -> Condition:
    return Ids(tuple(plain(one) for one in alternatives(value)), types)


def _updated(reader: Reader, types: tuple[str, ...], value: str) -> Condition:
    return Updated(reader.times(value), types)


def _in_lists(_reader: Reader, types: tuple[str, ...], value: str) -> Condition:
    """Members of a List by its id (search.html#list); lists by function (`$current-problems`) are not kept."""
    ids = tuple(plain(one).removeprefix("List/") for one in alternatives(value))
    if any(one.startswith("$") for one in ids):
        raise PacsdError(Fault.UNSUPPORTED, "_list takes ids of List resources, not functional lists")
    return ReverseChain(("List.item",), "List", Ids(ids, ("List",)), types)


def _narrative(reader: Reader, types: tuple[str, ...], value: str) -> Condition:
    return reader.words(types, value, narrative=True)


def _content(reader: Reader, types: tuple[str, ...], value: str) -> Condition:
    return reader.words(types, value, narrative=False)


def _no_filter(_reader: Reader, _types: tuple[str, ...], _value: str) -> Condition:
    raise PacsdError(Fault.UNSUPPORTED, "this server has no _filter")


def _no_queries(_reader: Reader, _types: tuple[str, ...], _value: str) -> Condition:
    raise PacsdError(Fault.UNSUPPORTED, "this server has no named queries (_query)")


_SPECIAL: Mapping[str, frozenset[str]] = {       # parameters of all resources (search.html#all), and their modifiers
    "_id": frozenset(("", "not")), "_lastUpdated": frozenset(("",)), "_list": frozenset(("", "not")),
    "_text": frozenset(("",)), "_content": frozenset(("",)), "_filter": frozenset(("",)), "_query": frozenset(("",)),
}
_READ_SPECIAL: Mapping[str, Callable[[Reader, tuple[str, ...], str], Condition]] = {
    "_id": _ids, "_lastUpdated": _updated, "_list": _in_lists, "_text": _narrative, "_content": _content,
    "_filter": _no_filter, "_query": _no_queries,
}
_OF_WORDS = frozenset(("_text", "_content"))
_REFUSED = frozenset(("_filter", "_query"))
_READ: Mapping[str, Callable[[Reader, Sequence[Parameter], str, str], Condition]] = {
    "token": Reader._tokens, "string": Reader._strings, "uri": Reader._uris, "date": Reader._dates,
    "number": Reader._numbers, "quantity": Reader._numbers, "reference": Reader._links,
    "composite": Reader._composites,
}


def is_offered(parameter: Parameter, *, full_text: bool) -> bool:
    """Whether a search may ask for it: what is claimed of searches is what they do."""
    if parameter.code in _OF_WORDS:
        return full_text
    return named.is_searched(parameter) or (parameter.code in _READ_SPECIAL and parameter.code not in _REFUSED)
