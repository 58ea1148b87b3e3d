"""Comparisons on the values of a search row as SQL (http://hl7.org/fhir/R4/search.html#prefix, #modifiers)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fhir.search.keys import key, token_key
from fhir.search.query import Comparison, Links, NumberIs, Numbers, Texts, TimeIs, Times, TokenIs, Tokens, Uris
from fhir.store.rows import MAX_TEXT, uri_value
from pacsd.codec.text import normalise
from pacsd.index.patterns import after
from pacsd.index.predicate import Params


def compared(params: Params, t: str, name: str, comparison: Comparison) -> str:
    """A comparison on the values of a row of a parameter, under the table's alias."""
    return _COMPARE[type(comparison)](params, t, name, comparison)


def is_one_of(params: Params, column: str, values: Sequence[Any]) -> str:
    """Equality with one value, or with one of several."""
    if len(values) == 1:
        return f"{column} = {params.add(values[0])}"
    return f"{column} = any({params.add(list(values))})"


def any_of(tests: Iterable[str]) -> str:
    """Tests of which one is to be true."""
    return f"({' or '.join(tests)})"


def _tokens(params: Params, t: str, name: str, asked: Tokens) -> str:
    """By code, by code and system, or by system alone; alternatives of one form as one list."""
    codes = [token_key(name, one.code) for one in asked.values if one.system is None and one.code is not None]
    pairs = [one for one in asked.values if one.system is not None and one.code is not None]
    systems = [key(one.system) for one in asked.values if one.system is not None and one.code is None]
    tests = []
    if codes:
        tests.append(is_one_of(params, f"{t}.code", codes))
    if pairs:
        tests.append(_pairs(params, t, name, pairs))
    if systems:
        tests.append(is_one_of(params, f"{t}.system", systems))
    return tests[0] if len(tests) == 1 else any_of(tests) if tests else "false"


def _pairs(params: Params, t: str, name: str, pairs: Sequence[TokenIs]) -> str:
    wanted = [(token_key(name, one.code or ""), key(one.system or "")) for one in pairs]
    if len(wanted) == 1:
        return f"({t}.code = {params.add(wanted[0][0])} and {t}.system = {params.add(wanted[0][1])})"
    codes, systems = (params.add(list(column)) for column in zip(*wanted, strict=True))
    return f"""({t}.code = any({codes}) and ({t}.code, {t}.system) in
        (select * from unnest({codes}::bigint[], {systems}::bigint[])))"""


def _texts(params: Params, t: str, _name: str, asked: Texts) -> str:
    return any_of(_TEXT[asked.how](params, t, one) for one in asked.values)


def _exactly(params: Params, t: str, text: str) -> str:
    return f"({t}.value = {params.add(_kept(text))} and {t}.exact = {params.add(key(text))})"


def _beginning(params: Params, t: str, text: str) -> str:
    return _between(params, f"{t}.value", _kept(text))


def _containing(params: Params, t: str, text: str) -> str:
    return f"strpos({t}.value, {params.add(_kept(text))}) > 0"


def _kept(text: str) -> str:
    return normalise(text)[:MAX_TEXT].strip().encode("utf-8", "replace").decode()


def _between(params: Params, column: str, prefix: str) -> str:
    """All texts with a beginning, as a range that an index serves."""
    end = after(prefix)
    upper = "" if end is None else f" and {column} < {params.add(end)}"
    return f"({column} >= {params.add(prefix)}{upper})"


_TEXT: Mapping[str, Callable[[Params, str, str], str]] = {
    "exact": _exactly, "begins": _beginning, "contains": _containing,
}


def _uris(params: Params, t: str, _name: str, asked: Uris) -> str:
    if asked.how == "equal":
        return is_one_of(params, f"{t}.value", [uri_value(one) for one in asked.values])
    if asked.how == "above":
        return is_one_of(params, f"{t}.value", sorted({part for one in asked.values for part in _above(one)}))
    return any_of(f"({t}.value = {params.add(uri_value(one))} or {_under(params, t, one)})" for one in asked.values)


def _under(params: Params, t: str, uri: str) -> str:
    return _between(params, f"{t}.value", uri_value(uri.rstrip("/") + "/")[:MAX_TEXT])


def _above(uri: str) -> Iterable[str]:
    """A URI and those its path leads down from: http://a/b/c, http://a/b/, http://a/b …"""
    parts = uri.split("/")
    least = 3 if "://" in uri else 1
    for end in range(len(parts), least - 1, -1):
        one = "/".join(parts[:end])
        yield uri_value(one)
        yield uri_value(one + "/")


def _times(params: Params, t: str, _name: str, asked: Times) -> str:
    return any_of(_time(params, t, one) for one in asked.values)


def _time(params: Params, t: str, asked: TimeIs) -> str:
    """search.html#prefix on ranges: that of the row, and that of the value. Upper ends are outside."""
    low, high = params.add(asked.range.low), params.add(asked.range.high)
    inside = f"({t}.low >= {low} and {t}.low < {high} and {t}.high <= {high})"
    return {
        "eq": inside,
        "ne": f"({t}.low < {low} or {t}.high > {high})",
        "gt": f"{t}.high > {high}",
        "lt": f"{t}.low < {low}",
        "ge": f"({t}.high > {low} and ({t}.high > {high} or {inside}))",     # the first says nothing new,
        "le": f"({t}.low < {high} and ({t}.low < {low} or {inside}))",       # but an index serves it
        "sa": f"{t}.low >= {high}",
        "eb": f"{t}.high <= {low}",
        "ap": f"({t}.low < {high} and {t}.high > {low})",
    }[asked.prefix]


def _numbers(params: Params, t: str, _name: str, asked: Numbers) -> str:
    return any_of(_number(params, t, one) for one in asked.values)


def _number(params: Params, t: str, asked: NumberIs) -> str:
    """search.html#prefix: its precision counts where it is to be equal, elsewhere it is exact."""
    low, high, value = params.add(asked.low), params.add(asked.high), params.add(asked.value)
    test = {
        "eq": f"({t}.low >= {low} and {t}.low < {high} and {t}.high < {high})",
        "ne": f"({t}.low < {low} or {t}.high >= {high})",
        "gt": f"{t}.high > {value}",
        "lt": f"{t}.low < {value}",
        "ge": f"{t}.high >= {value}",
        "le": f"{t}.low <= {value}",
        "sa": f"{t}.low > {value}",
        "eb": f"{t}.high < {value}",
        "ap": f"({t}.low <= {high} and {t}.high >= {low})",
    }[asked.prefix]
    if not asked.code:
        return test if not asked.system else f"({test} and {t}.system = {params.add(key(asked.system))})"
    code = params.add(key(asked.code))
    if asked.system:
        return f"({test} and {t}.system = {params.add(key(asked.system))} and {t}.code = {code})"
    return f"({test} and ({t}.code = {code} or {t}.unit = {code}))"


def _links(params: Params, t: str, _name: str, asked: Links) -> str:
    return is_one_of(params, f"{t}.target", [key(one) for one in asked.targets])


_COMPARE: Mapping[type, Callable[[Params, str, str, Any], str]] = {
    Tokens: _tokens, Texts: _texts, Uris: _uris, Times: _times, Numbers: _numbers, Links: _links,
}
