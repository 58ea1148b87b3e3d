"""Settings of who may do what: authentication."""

from dataclasses import dataclass

from config import checks
from config.reading import Checked, setting

AUTHENTICATION = ("off", "required")


@dataclass(frozen=True)
class SecuritySettings(Checked):
    """Who asks, and how it is known."""

    authentication: str = setting(
        "off",
        en="off: web clients without a token act as web.organisation; required: nothing without a token but health, "
        "pages and descriptions.",
        zh="off：无令牌的 Web 客户端以 web.organisation 身份访问；required：除健康检查、页面与能力说明外均须令牌。",
        check=checks.one_of(*AUTHENTICATION),
    )
