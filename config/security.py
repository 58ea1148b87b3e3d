"""Settings of who gets in."""

from dataclasses import dataclass

from config.oauth import OAuthSettings
from config.reading import Checked, setting


@dataclass(frozen=True)
class SecuritySettings(Checked):
    """Who gets in, and how that is known."""

    oauth: OAuthSettings = setting(OAuthSettings, en="OAuth 2.0 and OpenID Connect.", zh="OAuth 2.0。")
