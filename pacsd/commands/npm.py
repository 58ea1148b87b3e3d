"""Packages of an npm registry: the npm client fetches them where it is installed, else they are asked for over HTTP."""

import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from pacsd.faults import Fault, PacsdError

MAX_DOCUMENT_BYTES = 8 << 20
MAX_PACKAGE_BYTES = 512 << 20
_TIMEOUT_S = 120.0
_PACK_TIMEOUT_S = 900.0
_PIECE_BYTES = 1 << 20
_STRONG = "sha512"                       # the only algorithm that is believed


@dataclass(frozen=True, slots=True)
class Tarball:
    """A package file, and what its registry says of its content (Subresource Integrity; empty: nothing)."""

    path: Path
    integrity: str = ""


def fetch(package: str, version: str, folder: Path, *, registry: str | None, configured: str | None) -> Tarball:
    """Get a package into a folder and check it against the registry's own hash.

    `registry` is the caller's wish; `configured` what an npm client would use, for where there is no npm client.
    Raises PacsdError UNAVAILABLE, MISMATCH.
    """
    if shutil.which("npm") is not None:
        tarball = _by_client(package, version, folder, registry)
    elif registry or configured:
        tarball = _by_http(package, version, folder, registry or configured or "")
    else:
        raise PacsdError(
            Fault.UNAVAILABLE,
            "npm is not installed here: install it, name a registry with --registry, or give the package with --from",
        )
    if not tarball.integrity:
        raise PacsdError(Fault.MISMATCH, "the registry gives no hash of the package")
    check(tarball.path, tarball.integrity)
    return tarball


def check(file: Path, integrity: str) -> None:
    """Compare a file with a Subresource Integrity text. Raises PacsdError MISMATCH."""
    expected = [one.removeprefix(f"{_STRONG}-") for one in integrity.split() if one.startswith(f"{_STRONG}-")]
    if not expected:
        raise PacsdError(Fault.MISMATCH, f"no {_STRONG} hash to compare the package with")
    with file.open("rb") as opened:
        found = base64.b64encode(hashlib.file_digest(opened, _STRONG).digest()).decode()
    if not any(hmac.compare_digest(found, one) for one in expected):
        raise PacsdError(Fault.MISMATCH, f"the package is not what it should be: its hash is {_STRONG}-{found}")


def _by_client(package: str, version: str, folder: Path, registry: str | None) -> Tarball:
    command = ["npm", "pack", f"{package}@{version}", "--json", "--pack-destination", str(folder)]
    command += ["--registry", registry] if registry else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PACK_TIMEOUT_S, check=False, cwd=folder)
    except subprocess.TimeoutExpired as error:
        raise PacsdError(Fault.UNAVAILABLE, f"npm was not done after {_PACK_TIMEOUT_S:.0f} s") from error
    packages = sorted(folder.glob("*.tgz"))
    if done.returncode or not packages:
        raise PacsdError(Fault.UNAVAILABLE, f"npm cannot fetch {package}@{version}: {_last_words(done.stderr)}")
    return Tarball(packages[0], _integrity_of(done.stdout))


def _integrity_of(output: str) -> str:
    """What `npm pack --json` says; npm itself has compared it with the registry's."""
    try:
        described: Any = json.loads(output)
    except ValueError:
        return ""
    first = described[0] if isinstance(described, list) and described else described
    return str(first.get("integrity") or "") if isinstance(first, dict) else ""


def _last_words(text: str) -> str:
    lines = [line.removeprefix("npm error ") for line in text.splitlines() if line.startswith("npm error ")]
    return (lines or text.splitlines() or ["it says nothing"])[0][:300]


def _by_http(package: str, version: str, folder: Path, registry: str) -> Tarball:
    document = _open(f"{registry.rstrip('/')}/{package}/{version}", lambda body: body.read(MAX_DOCUMENT_BYTES))
    try:
        dist = json.loads(document)["dist"]
        source, integrity = str(dist["tarball"]), str(dist.get("integrity") or "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PacsdError(Fault.UNAVAILABLE, f"the registry does not describe {package}@{version}") from error
    path = folder / "package.tgz"
    _open(source, lambda body: _save(body, path))
    return Tarball(path, integrity)


def _open(url: str, read: Callable[[BinaryIO], Any]) -> Any:
    if urlsplit(url).scheme not in ("http", "https"):
        raise PacsdError(Fault.UNAVAILABLE, "the registry's address is not one of HTTP")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 (its scheme was looked at)
            return read(answer)
    except (urllib.error.URLError, HTTPException, OSError) as error:
        raise PacsdError(Fault.UNAVAILABLE, f"the registry cannot be reached: {type(error).__name__}") from error


def _save(body: BinaryIO, path: Path) -> None:
    size = 0
    with path.open("wb") as out:
        while piece := body.read(_PIECE_BYTES):
            size += len(piece)
            if size > MAX_PACKAGE_BYTES:
                raise PacsdError(Fault.TOO_MUCH, f"the package is larger than {MAX_PACKAGE_BYTES} bytes")
            out.write(piece)
