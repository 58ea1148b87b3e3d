"""`pacsd clients`: the programs that our own authorization server knows."""

import argparse
from pathlib import Path

from config.settings import Settings
from pacsd.commands.wiring import Wiring
from pacsd.faults import Fault, PacsdError


def add(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd clients add`: register one; a secret is told this once."""
    code = options.organisation or settings.organisations[0].code
    if code not in [one.code for one in settings.organisations]:
        raise PacsdError(Fault.NOT_FOUND, f"there is no organisation {code!r}")
    with wiring.administration(settings) as administration:
        secret = administration.add_client(
            options.client, organisation=code, name=options.name or "", method=options.method,
            redirect_uris=options.redirect_uri, scopes=[word for one in options.scope for word in one.split()],
            roles=options.held_roles or ['system'], keys=_content(options.keys), keys_url=options.keys_url or "",
            certificate=options.certificate or "", trusted=options.trusted, launches=options.launches,
            introspects=options.introspects,
        )  # fmt: skip
    print(f"added {options.client}" + (f"; secret: {secret}" if secret else ""))
    return 0


def show(_options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd clients list`: id, organisation, method, grants, redirect URIs, scopes, name; tabs between."""
    with wiring.administration(settings) as administration:
        for one in administration.clients():
            lists = (one.grants, one.redirect_uris, one.scopes)
            print(one.client_id, one.organisation, one.method, *(" ".join(told) for told in lists), one.name, sep="\t")
    return 0


def remove(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd clients remove`: end one, and all that was granted to it; its id is never given again."""
    with wiring.administration(settings) as administration:
        administration.remove_client(options.client)
    print(f"removed {options.client}")
    return 0


def _content(file: Path | None) -> bytes | None:
    try:
        return file.read_bytes() if file is not None else None
    except OSError as error:
        raise PacsdError(Fault.INVALID, f"{file} cannot be read") from error
