"""The script of a page as one file: on a slow line each module of its own would be a round trip, or a wait for one."""

import re
from collections.abc import Callable, Mapping

_IMPORT = re.compile(r"^import (?:\* as (?P<whole>\w+)|(?P<named>\{[^}]+\})) from '\./(?P<file>[\w-]+\.js)';$", re.M)
_EXPORT = re.compile(r"^export (?P<kept>(?:async function|function|class|const) (?P<name>\w+))", re.M)
_OTHER = re.compile(r"^(?:import|export)\b.*", re.M)


def joined(entry: str, read: Callable[[str], str]) -> str:
    """A module with all that it imports. Each of those keeps its names to itself, and runs once, before who imports it.

    `read` gives the text of a file. Raises ValueError where a module imports or exports in another form than ours do,
    or imports itself by way of others.
    """
    parts: dict[str, str] = {}
    _take(entry, read, parts, ())
    text = parts.pop(entry)
    return "".join(f"const {_name(file)} = (() => {{\n{_closed(part)}}})();\n" for file, part in parts.items()) + text


def _take(file: str, read: Callable[[str], str], parts: dict[str, str], above: tuple[str, ...]) -> None:
    if file in above:
        raise ValueError(f"a circle of modules: {' -> '.join((*above, file))}")
    if file in parts:
        return
    text = read(file)
    for found in _IMPORT.finditer(text):
        _take(found["file"], read, parts, (*above, file))
    text = _IMPORT.sub(_bound, text)
    if unknown := _OTHER.search(_EXPORT.sub("", text)):
        raise ValueError(f"{file} cannot be joined: {unknown[0]}")
    parts[file] = text


def _bound(found: re.Match[str]) -> str:
    names = found["whole"] or found["named"].replace(" as ", ": ")
    return f"const {names} = {_name(found['file'])};"


def _closed(text: str) -> str:
    """The body of a function that returns what the module exports."""
    names: Mapping[str, None] = dict.fromkeys(found["name"] for found in _EXPORT.finditer(text))
    return f"{_EXPORT.sub(lambda found: found['kept'], text)}return {{ {', '.join(names)} }};\n"


def _name(file: str) -> str:
    return "$" + file.removesuffix(".js").replace("-", "_")
