"""Device: one with an AE title (`urn:pacsd:ae:CODE`) is an AE that may open associations, from now on."""

from collections.abc import Mapping
from typing import Any

from config.interfaces import RemoteAESettings
from config.reading import SettingsError
from fhir.acting.application_entity import Form, Title
from fhir.acting.deed import Body, Deed
from fhir.projection import extensions

_NOWHERE: Mapping[str, Any] = {"host": "localhost", "port": 104}     # what the settings name is reached, too


def _told(deed: Deed, _body: Body, said: Mapping[str, Any], title: Title) -> dict[str, Any]:
    """What it may ask for, from where, and how its objects are read."""
    values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in said.items()}
    try:
        RemoteAESettings(title=title[1], organisation=title[0], **_NOWHERE, **values)    # holds by the same rules
    except SettingsError as error:
        raise deed.incomplete(f"{error.key}: {error.problem}", "Device.extension") from error
    return dict(said)


DEVICE = Form("caller", "owner", extensions.DEVICE, _told)
