"""OHIF's start made shorter: its page names at once what the start would ask for in waves.

As it comes, the page names one script; that one asks for a dozen chunks when it runs, the route it opens for more of
them, and its views for theirs; each wave waits for the one before, on the network and in the browser's compiler. Which
chunks they are stands in the script itself. Chunks that have run before it find their place in its list of chunks: that
is webpack's own way. Nothing is added to what the viewer loads, and a bundle that tells nothing is left as it is.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_ENTRY = re.compile(r'<script defer src="(?P<base>/[^"]*/)(?P<name>app\.bundle\.[^"/]+\.js)"></script>')
_STYLE = re.compile(r'<link href="(?P<base>/[^"]*/)(?P<name>[^"/]+\.css)" rel="stylesheet">')
_PLUGIN = re.compile(r'pluginImports_(?P<kind>extensions|modes)\.push\("(?P<module>[^"]+)"\)')
_LOADED = re.compile(r'if \(module === "(?P<module>[^"]+)"\) \{(?P<body>[^}]*)\}')
_CHUNK = re.compile(r"__webpack_require__\.e\((?:/\*[^*]*\*/ ?)?(?P<chunk>\d+)\)")
_NEEDED = re.compile(r"extensionDependencies = \{(?P<body>[^}]*)\}")
_NAMED = re.compile(r"'(?P<module>@[^']+)'")
_CHILDREN = re.compile(r"chunkToChildrenMap = (?P<json>\{[^;]*\});")
_CHUNK_FILE = re.compile(r"(?P<chunk>\d+)\.bundle\.[0-9a-f]{16}\.js")


def hasten(folder: Path) -> int:
    """Name in the index.html of an unpacked bundle what its start needs; how many chunks these are."""
    index = folder / "index.html"
    page = _text(index)
    entry = _ENTRY.search(page)
    if entry is None or not (folder / entry["name"]).is_file():
        return 0
    scripts, styles = _needed(folder, _text(folder / entry["name"]))
    if not scripts:
        return 0
    tags = "".join(f'<script defer src="{entry["base"]}{name}"></script>' for name in scripts)
    page = page.replace(entry[0], tags + entry[0])
    index.write_bytes(_styled(folder, page, styles).encode("latin-1"))
    return len(scripts)


def _needed(folder: Path, entry: str) -> tuple[list[str], list[str]]:
    """The files of the chunks that the viewer waits for, and the style sheets that come with chunks."""
    files = {found["chunk"]: one.name for one in folder.iterdir() if (found := _CHUNK_FILE.fullmatch(one.name))}
    chunks = _with_children(entry, _chunks_of_start(folder, entry, files))
    return [files[one] for one in chunks if one in files], [one for one in chunks if (folder / f"{one}.css").is_file()]


def _chunks_of_start(folder: Path, entry: str, files: dict[str, str]) -> list[str]:
    """Those of what every start loads, and of what the first mode, which shows studies, loads on being entered."""
    loaded = {one["module"]: _CHUNK.findall(one["body"]) for one in _LOADED.finditer(entry)}
    plugins = [(one["kind"], one["module"]) for one in _PLUGIN.finditer(entry)]
    modes = [module for kind, module in plugins if kind == "modes"]
    of_first = [files[one] for one in loaded.get(modes[0], []) if one in files] if modes else []
    entered = [name for one in of_first for name in _dependencies(_text(folder / one))]
    return _once(chunk for module in [*(one for _, one in plugins), *entered] for chunk in loaded.get(module, []))


def _dependencies(mode: str) -> Iterator[str]:
    for block in _NEEDED.finditer(mode):
        yield from _NAMED.findall(block["body"])


def _with_children(entry: str, chunks: list[str]) -> list[str]:
    """With the chunks that the script fetches as soon as it has these: the views of its extensions."""
    told = _CHILDREN.search(entry)
    try:
        children: dict[str, list[int]] = json.loads(told["json"]) if told else {}
        return _once([*chunks, *(str(child) for chunk in chunks for child in children.get(chunk, []))])
    except (ValueError, TypeError, AttributeError):      # written otherwise: then they come when they are asked for
        return chunks


def _styled(folder: Path, page: str, chunks: Iterable[str]) -> str:
    """The page with these style sheets and its own, under names that change with their content and so may be kept.

    The script finds a sheet by what `data-href` says.
    """
    own = _STYLE.search(page)
    if own is None:
        return page
    tags = []
    for name in (own["name"], *(f"{chunk}.css" for chunk in chunks)):
        named = own["base"] + _kept(folder, name)
        tags.append(f'<link href="{named}" data-href="{name}" rel="stylesheet">')
    return page.replace(own[0], "".join(tags))


def _kept(folder: Path, name: str) -> str:
    """The name of a copy that holds the hash of its content."""
    data = (folder / name).read_bytes()
    named = f"{name.removesuffix('.css')}.{hashlib.sha256(data).hexdigest()[:16]}.css"
    (folder / named).write_bytes(data)
    return named


def _text(path: Path) -> str:
    """A file byte for byte: what is looked for is ASCII."""
    return path.read_bytes().decode("latin-1")


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
