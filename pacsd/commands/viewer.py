"""`pacsd viewer install`: OHIF's prebuilt viewer into the folder that the web role serves below /viewer."""

import argparse
import tempfile
from pathlib import Path

from config.npm import configured_registry
from config.settings import Settings
from pacsd.commands import npm
from pacsd.commands.viewer_bundle import Bundle, read_version, unpack
from pacsd.commands.wiring import Wiring
from pacsd.faults import Fault, PacsdError

PACKAGE = "@ohif/app"
VERSION = "3.13.2"                       # the one that is tested
INTEGRITY = {                            # of the versions we know, whatever a registry says
    "3.13.2": "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==",
}


def install(options: argparse.Namespace, settings: Settings, _wiring: Wiring) -> int:
    """Fetch or take the package, check its hash, unpack it for /viewer; a running server serves it at once."""
    target = settings.viewer_dir
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".viewer-fetch-", dir=target.parent) as scratch:
            package = _package(options, Path(scratch))
            own_config = options.app_config.read_bytes() if options.app_config else None
            bundle = unpack(package, target, app_config=own_config)
    except OSError as error:
        raise PacsdError(Fault.UNAVAILABLE, f"{error.filename or target}: {error.strerror}") from error
    print(_told(bundle, target))
    return 0


def _package(options: argparse.Namespace, scratch: Path) -> Path:
    if options.file is None:
        wanted = options.version or VERSION
        found = npm.fetch(PACKAGE, wanted, scratch, registry=options.registry, configured=configured_registry())
        npm.check(found.path, options.integrity or INTEGRITY.get(wanted, found.integrity))
        return found.path
    file: Path = options.file
    version = read_version(file)
    if options.version not in (None, version):
        raise PacsdError(Fault.MISMATCH, f"{file.name} holds version {version}, not {options.version}")
    known = options.integrity or INTEGRITY.get(version)
    if known is None:
        raise PacsdError(
            Fault.MISMATCH, f"no hash is known of version {version}: say --integrity sha512-…, from where it was made"
        )
    npm.check(file, known)
    return file


def _told(bundle: Bundle, target: Path) -> str:
    size = bundle.size_bytes / 1e6
    return f"installed: {PACKAGE} {bundle.version}, {bundle.files} files, {size:.0f} MB, in {target}; open /viewer/"
