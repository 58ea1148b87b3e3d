"""The suite of who may see what, pointed at a guarded server of ours."""

from typing import Any

import httpx

from tests.conformance.liars import Lie, Lying, nothing
from tests.oauth.house import CALLBACK
from tests.security.house import Guarded


def options(house: Guarded) -> list[str]:
    """What the command is told."""
    files = house.files["ct1"]
    return [
        "--url", house.base, "--token", house.own_token("his"), "--second-token", house.own_token("west-his"),
        "--audit-token", house.token("east", "auditor"), "--client", f"his:{house.secrets['his']}",
        "--scope", "system/*.cruds", "--app", f"viewer,{CALLBACK}", "--ca", str(house.authority.certificate),
        "--mutual", f"localhost:{house.dicom}", "--mutual", f"localhost:{house.mllp}",
        "--certificate", str(files.certificate), "--key", str(files.key),
    ]  # fmt: skip


def elsewhere(house: Guarded, ask: Any = None) -> Any:
    """Each request from an address of its own: refusals of one check are not counted against the next."""
    def asked(request: httpx.Request) -> httpx.Request:
        request = ask(request) if ask is not None else request
        request.headers["x-forwarded-for"] = house.address()
        return request

    return asked


def through(house: Guarded, lie: Lie = nothing, ask: Any = None) -> Lying:
    return Lying(lie, elsewhere(house, ask), httpx.HTTPTransport(verify=house.context))
