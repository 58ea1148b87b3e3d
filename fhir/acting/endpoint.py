"""Endpoint: one with an AE title (`urn:pacsd:ae:CODE`) is where an AE is reached, from now on: C-MOVE goes there."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from config.interfaces import RemoteAESettings
from config.reading import SettingsError
from fhir.acting.application_entity import Form, Title
from fhir.acting.deed import Body, Deed
from fhir.projection import extensions
from fhir.projection.application_entity import DIMSE, SCHEME


def _told(deed: Deed, body: Body, said: Mapping[str, Any], title: Title) -> dict[str, Any]:
    """Its host and port, and what it is told of."""
    kind = body.get("connectionType")
    kind = kind if isinstance(kind, dict) else {}
    if (kind.get("system"), kind.get("code")) != (DIMSE["system"], DIMSE["code"]):
        raise deed.incomplete(f"an AE is reached by {DIMSE['code']} of {DIMSE['system']}", "Endpoint.connectionType")
    host, port = _address(deed, str(body.get("address") or ""))
    try:
        RemoteAESettings(title=title[1], organisation=title[0], host=host, port=port, **said)
    except SettingsError as error:
        raise deed.incomplete(f"{error.key}: {error.problem}", "Endpoint.address") from error
    return {"host": host, "port": port, **said}


def _address(deed: Deed, text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or 0
        alone = not (parts.username or parts.query or parts.fragment or parts.path.strip("/"))
    except ValueError:
        host, port, alone = "", 0, False
    if not alone or parts.scheme != SCHEME or not host or not port or not host.isascii():
        raise deed.incomplete(f"the address of an AE is {SCHEME}://HOST:PORT", "Endpoint.address")
    return host, port


ENDPOINT = Form("remote", "managingOrganization", extensions.ENDPOINT, _told)
