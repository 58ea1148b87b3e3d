"""OHIF's prebuilt bundle made to live below /viewer: unpacked, its addresses rewritten, compressed beforehand.

The bundle of the registry expects to stand at `/`. What makes it so is a handful of texts: webpack's public path in
every entry, `window.PUBLIC_URL`, and absolute references in HTML and style sheets. A bundle without them is refused.
"""

import gzip
import hashlib
import json
import pkgutil
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pacsd.commands.viewer_start import hasten
from pacsd.faults import Fault, PacsdError

BASE = "/viewer/"

MAX_BYTES = 1 << 30                      # unpacked
_MAX_FILES = 20_000
_LEFT_OUT = re.compile(
    r"(ort|\.well-known)/.*"             # models for it come from elsewhere, which the page may not ask
    r"|.*\.map|sw\.js|init-service-worker\.js|google\.js|_headers|_redirects|serve\.json|app-config\.js"
)
_COMPRESSED = {".js", ".mjs", ".css", ".html", ".json", ".jsonc", ".svg", ".wasm"}
_LEAST_BYTES = 1024                      # below it compressing is not worth a request's trouble

_WEBPACK_PATH = re.compile(rb'(__webpack_require__\.p\s*=\s*)"/"')
_PUBLIC_URL = re.compile(rb'(window\.PUBLIC_URL\s*=\s*)"/"')
_HTML_REFERENCE = re.compile(rb'\b(href|src|content)="/(?!/)')
_STYLE_REFERENCE = re.compile(rb'url\((["\']?)/(?!/)')
_IMPORTED_BY_PATH = re.compile(rb"(browserImportFunction\(['\"])/(?!/)")
_SERVICE_WORKER = re.compile(rb"<script[^>]*init-service-worker\.js[^>]*></script>")
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was installed; sizes without the compressed twins."""

    version: str
    files: int
    size_bytes: int


def read_version(package: Path) -> str:
    """The version that a package file says it is. Raises PacsdError MALFORMED."""
    for name, data in _members(package):
        if name == PurePosixPath("package/package.json"):
            return _version(data)
    raise PacsdError(Fault.MALFORMED, f"{package.name} is no npm package")


def unpack(package: Path, target: Path, *, app_config: bytes | None = None, as_it_comes: bool = False) -> Bundle:
    """Put a package's viewer in place of what `target` holds, whole or not at all; `app_config` instead of ours.

    `as_it_comes`: moved below BASE and nothing more, its start is not made shorter.

    Raises PacsdError MALFORMED, TOO_MUCH, UNSUPPORTED.
    """
    made = Path(tempfile.mkdtemp(prefix=".viewer-", dir=target.parent))
    made.chmod(0o755)
    try:
        bundle = _fill(package, made)
        (made / "app-config.js").write_bytes(app_config if app_config is not None else own_config())
        if not as_it_comes:
            hasten(made)
        _compress(made)
        _replace(target, made)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return bundle


def rewritten(name: str, data: bytes) -> bytes:
    """A file of the bundle as it must be below BASE."""
    base = BASE.encode()
    if name.endswith(".js"):
        data = _WEBPACK_PATH.sub(rb'\g<1>"%b"' % base, data)
        return _IMPORTED_BY_PATH.sub(rb"\g<1>%b" % base, data)
    if name.endswith(".css"):
        return _STYLE_REFERENCE.sub(rb"url(\g<1>%b" % base, data)
    if name == "manifest.json":
        return data.replace(b'"/', b'"' + base)
    return data


def rewritten_page(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """index.html below BASE, and the scripts that stood in it, by name: its policy allows none within the page.

    Raises PacsdError UNSUPPORTED for a page that is not built as expected.
    """
    if not _PUBLIC_URL.search(data):
        raise PacsdError(Fault.UNSUPPORTED, "the bundle's index.html does not say its PUBLIC_URL")
    base = BASE.encode()
    data = _SERVICE_WORKER.sub(b"", data)
    data = _HTML_REFERENCE.sub(rb'\g<1>="%b' % base, data)
    data = _PUBLIC_URL.sub(rb'\g<1>"%b"' % base, data)
    scripts: dict[str, bytes] = {}

    def moved(match: re.Match[bytes]) -> bytes:
        name = f"inline.{hashlib.sha256(match[1]).hexdigest()[:16]}.js"
        scripts[name] = match[1]
        return f'<script src="{BASE}{name}"></script>'.encode()

    return _INLINE_SCRIPT.sub(moved, data), scripts


def _fill(package: Path, folder: Path) -> Bundle:
    version, files, size, entries = "", 0, 0, 0
    for name, data in _members(package):
        if name == PurePosixPath("package/package.json"):
            version = _version(data)
        inner = _inner(name)
        if inner is None:
            continue
        for path, content in _placed(inner, data).items():
            entries += b'__webpack_require__.p = "' + BASE.encode() in content
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            files, size = files + 1, size + len(content)
    if not (folder / "index.html").is_file() or not entries:
        raise PacsdError(Fault.UNSUPPORTED, f"{package.name} is no bundle of OHIF that can be moved to {BASE}")
    return Bundle(version, files, size)


def _placed(inner: str, data: bytes) -> dict[str, bytes]:
    if inner != "index.html":
        return {inner: rewritten(inner, data)}
    page, scripts = rewritten_page(data)
    return {inner: page, **scripts}


def _inner(name: PurePosixPath) -> str | None:
    """The path of a member below the bundle's folder; None for what is not served."""
    if name.parts[:2] != ("package", "dist") or len(name.parts) < 3:
        return None
    inner = "/".join(name.parts[2:])
    return None if _LEFT_OUT.fullmatch(inner) else inner


def _members(package: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The plain files of a package; anything else in it, links above all, is passed over."""
    total = count = 0
    try:
        with tarfile.open(package, mode="r|gz") as tar:
            for member in tar:
                name, count = PurePosixPath(member.name), count + 1
                total += member.size
                if total > MAX_BYTES or count > _MAX_FILES:
                    raise PacsdError(Fault.TOO_MUCH, f"{package.name} holds more than a viewer does")
                if not member.isfile():
                    continue
                if name.is_absolute() or ".." in name.parts or "\\" in member.name or "\0" in member.name:
                    raise PacsdError(Fault.MALFORMED, f"{package.name} has a member outside its folder")
                opened = tar.extractfile(member)
                yield name, opened.read() if opened is not None else b""
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise PacsdError(Fault.MALFORMED, f"{package.name} is no npm package: {error}") from error


def _version(data: bytes) -> str:
    try:
        return str(json.loads(data)["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise PacsdError(Fault.MALFORMED, "the package's package.json does not say its version") from error


def own_config() -> bytes:
    """The configuration that wires the viewer to our DICOMweb."""
    return pkgutil.get_data("pacsd.commands", "app-config.js") or b""


def _compress(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.suffix in _COMPRESSED and path.stat().st_size >= _LEAST_BYTES:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


def _replace(target: Path, made: Path) -> None:
    """Put a folder in another's place, so that a reader finds either."""
    if not target.exists():
        made.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=".viewer-old-", dir=target.parent))
    target.rename(old / "viewer")
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)
