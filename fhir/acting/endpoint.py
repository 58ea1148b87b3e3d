"""Endpoint: one with an AE title (`urn:pacsd:ae:CODE`) is where an AE is reached, from now on: C-MOVE goes there."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from config.interfaces import RemoteAESettings
from config.reading import SettingsError
from fhir.acting.application_entity import Form, Title
from fhir.acting.deed import Body, Deed
from fhir.projection import extensions
from fhir.projection.application_entity import DIMSE, SCHEMES


def _told(deed: Deed, body: Body, said: Mapping[str, Any], title: Title) -> dict[str, Any]:
    """Its host and port, whether it is reached inside TLS, and what it is told of."""
    kind = body.get("connectionType")
    kind = kind if isinstance(kind, dict) else {}
    if (kind.get("system"), kind.get("code")) != (DIMSE["system"], DIMSE["code"]):
        raise deed.incomplete(f"an AE is reached by {DIMSE['code']} of {DIMSE['system']}", "Endpoint.connectionType")
    where = _address(deed, str(body.get("address") or ""))
    try:
        RemoteAESettings(title=title[1], organisation=title[0], **where, **said)
    except SettingsError as error:
        element = "Endpoint.extension" if error.key in said else "Endpoint.address"
        raise deed.incomplete(f"{error.key}: {error.problem}", element) from error
    return {**where, **said}


def _address(deed: Deed, text: str) -> dict[str, Any]:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or 0
        alone = not (parts.username or parts.query or parts.fragment or parts.path.strip("/"))
    except ValueError:
        host, port, alone = "", 0, False
    if not alone or parts.scheme not in SCHEMES or not host or not port or not host.isascii():
        known = " or ".join(f"{one}://HOST:PORT" for one in SCHEMES)
        raise deed.incomplete(f"the address of an AE is {known}", "Endpoint.address")
    return {"host": host, "port": port, "tls": SCHEMES[parts.scheme]}


ENDPOINT = Form("remote", "managingOrganization", extensions.ENDPOINT, _told)
