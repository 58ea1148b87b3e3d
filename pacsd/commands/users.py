"""`pacsd users`: who signs in at our own authorization server."""

import argparse
import getpass
import secrets
import sys
from pathlib import Path

from config.settings import Settings
from pacsd.commands.wiring import Wiring
from pacsd.faults import Fault, PacsdError


def add(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd users add`: make one; without --password-file it gets a password that is told once."""
    password, told = _password(options.password_file)
    with wiring.administration(settings) as administration:
        administration.add_user(
            options.username, password, organisation=_organisation(options, settings), name=options.name or "",
            roles=options.held_roles, patient=tuple(options.patient) if options.patient else None,
            fhir_user=options.fhir_user or "",
        )  # fmt: skip
    print(f"added {options.username}" + (f"; password: {password}" if told else ""))
    return 0


def show(_options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd users list`: name, organisation, roles, second factor, state; tabs between."""
    with wiring.administration(settings) as administration:
        for one in administration.users():
            state = "locked" if one.locked else "active"
            factors = [name for name, has in (("totp", one.totp_confirmed), ("keys", one.has_keys)) if has]
            told = (one.username, one.organisation, ",".join(one.roles), ",".join(factors) or "-", state, one.name)
            print(*told, sep="\t")
    return 0


def lock(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd users lock`: keep somebody out, and end all that they have open; --undo lets them in again."""
    with wiring.administration(settings) as administration:
        administration.set_locked(options.username, locked=not options.undo)
    print(f"{'unlocked' if options.undo else 'locked'} {options.username}")
    return 0


def passwd(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd users passwd`: another password; --forget-second-factor for who lost theirs."""
    password, told = _password(options.password_file)
    with wiring.administration(settings) as administration:
        administration.set_password(options.username, password)
        if options.forget_second_factor:
            administration.forget_second_factor(options.username)
    print(f"changed {options.username}" + (f"; password: {password}" if told else ""))
    return 0


def role(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd users role`: other roles, in place of those that they have."""
    with wiring.administration(settings) as administration:
        administration.set_roles(options.username, options.held_roles)
    print(f"{options.username} is {', '.join(options.held_roles)}")
    return 0


def _password(file: Path | None) -> tuple[str, bool]:
    """From a file, from who types it, or made up (and then to be told)."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n"), False
        except (OSError, UnicodeDecodeError) as error:
            raise PacsdError(Fault.INVALID, f"{file} cannot be read") from error
    if sys.stdin.isatty():
        typed = getpass.getpass("password (empty: one is made up): ")
        if typed:
            return typed, False
    return secrets.token_urlsafe(12), True


def _organisation(options: argparse.Namespace, settings: Settings) -> str:
    code = options.organisation or settings.organisations[0].code
    if code not in [one.code for one in settings.organisations]:
        raise PacsdError(Fault.NOT_FOUND, f"there is no organisation {code!r}")
    return str(code)
