"""`pacsd certs`: a private certification authority in a folder, for tests and for sites that have none.

The folder holds `ca.pem` (give it to everybody), `ca.key.pem` (give it to nobody), `crl.pem` (what was revoked), and
of each certificate NAME.pem and NAME.key.pem; of a revoked one the certificate stays in `revoked`. Keys are made with
mode 0600. A file is put in place in one step: a server that reads it again meanwhile sees the former or the new one.
"""

import argparse
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from config.settings import Settings
from pacsd.access import certificates
from pacsd.access.certificates import Described, Issued
from pacsd.commands.wiring import Wiring
from pacsd.faults import Fault, PacsdError

USES = certificates.USES
AUTHORITY_DAYS, DAYS = 3650, 825
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OURS = frozenset(("ca", "crl"))


def init(options: argparse.Namespace, settings: Settings, _wiring: Wiring) -> int:
    """`pacsd certs init`: a new authority, and its empty list of what was revoked."""
    folder = _folder(options, settings)
    with _alone(folder):
        if (folder / "ca.key.pem").exists():
            raise PacsdError(Fault.CONFLICT, f"{folder} holds an authority already")
        made = certificates.new_authority(options.name, days=options.days)
        _write(folder / "ca.key.pem", made.key, secret=True)
        _write(folder / "ca.pem", made.certificate)
        _write(folder / "crl.pem", certificates.revocation_list(made, ()))
    print(f"{folder / 'ca.pem'} (security.tls.authorities)\n{folder / 'crl.pem'} (security.tls.revocations)")
    return 0


def issue(options: argparse.Namespace, settings: Settings, _wiring: Wiring) -> int:
    """`pacsd certs issue`: a certificate for a server, an AE or a client, with its key."""
    folder = _folder(options, settings)
    if _NAME.fullmatch(options.name) is None or options.name in _OURS or options.name.endswith(".key"):
        raise PacsdError(Fault.INVALID, "a name has 1 to 64 letters, digits and . _ -; not ca, crl, nor the end .key")
    with _alone(folder):
        authority = _authority(folder)
        file = folder / f"{options.name}.pem"
        if file.exists() and not options.renew:
            raise PacsdError(Fault.CONFLICT, f"{file} is there already: revoke it, or --renew")
        made = certificates.issue(authority, options.name, options.san, use=options.use, days=options.days)
        _write(folder / f"{options.name}.key.pem", made.key, secret=True)
        _write(file, made.certificate)
    print(f"{file}\n{folder / f'{options.name}.key.pem'}\n{certificates.describe(made.certificate).thumbprint}")
    return 0


def show(options: argparse.Namespace, settings: Settings, _wiring: Wiring) -> int:
    """`pacsd certs list`: every certificate, tabs between columns: state, end, name, names, thumbprint, serial."""
    folder = _folder(options, settings)
    _authority(folder)
    now = datetime.now(UTC)
    for state, one in _listed(folder):
        shown = "expired" if state == "good" and one.ends < now else state
        names = ",".join(one.names)
        print(shown, f"{one.ends:%Y-%m-%d}", one.name, names, one.thumbprint, f"{one.serial_number:x}", sep="\t")
    return 0


def revoke(options: argparse.Namespace, settings: Settings, _wiring: Wiring) -> int:
    """`pacsd certs revoke`: the certificate joins the list; its key is deleted."""
    folder = _folder(options, settings)
    with _alone(folder):
        authority = _authority(folder)
        file = folder / f"{options.name}.pem"
        if options.name in _OURS or _NAME.fullmatch(options.name) is None or not file.exists():
            raise PacsdError(Fault.NOT_FOUND, f"no certificate {options.name} in {folder}")
        number = certificates.describe(file.read_bytes()).serial_number
        known = [*_revoked(folder), (number, datetime.now(UTC))]
        _write(folder / "crl.pem", certificates.revocation_list(authority, known))       # first: it may end here
        (folder / "revoked").mkdir(exist_ok=True)
        os.utime(file)
        file.rename(folder / "revoked" / f"{number:x}.pem")
        (folder / f"{options.name}.key.pem").unlink(missing_ok=True)
    print(f"{options.name} is revoked; servers that read {folder / 'crl.pem'} refuse it from now on")
    return 0


def _folder(options: argparse.Namespace, settings: Settings) -> Path:
    folder: Path = options.folder or settings.data_dir.absolute() / "certs"
    return folder


def _authority(folder: Path) -> Issued:
    try:
        return Issued((folder / "ca.pem").read_bytes(), (folder / "ca.key.pem").read_bytes())
    except OSError as error:
        raise PacsdError(Fault.NOT_FOUND, f"no authority in {folder}: pacsd certs init") from error


def _listed(folder: Path) -> Iterator[tuple[str, Described]]:
    for file in sorted(folder.glob("*.pem")):
        if not file.name.endswith(".key.pem") and file.stem not in _OURS:
            yield "good", certificates.describe(file.read_bytes())
    for file in sorted(folder.glob("revoked/*.pem")):
        yield "revoked", certificates.describe(file.read_bytes())


def _revoked(folder: Path) -> Iterator[tuple[int, datetime]]:
    """Serial numbers, and since when."""
    for file in sorted(folder.glob("revoked/*.pem")):
        at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        yield certificates.describe(file.read_bytes()).serial_number, at


def _write(file: Path, data: bytes, *, secret: bool = False) -> None:
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One command at a time writes in the folder, which is made where there is none."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
