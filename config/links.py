"""Settings of share links, and of how somebody is told of one."""

import re
from dataclasses import dataclass

from config import checks
from config.reading import Checked, SettingsError, setting

KINDS = ("webhook", "sms", "email")
PLACES = ("url", "hospital", "until")    # what a template may hold: nothing about a person, and never a PIN
_PLACE = re.compile(r"\{([^{}]*)\}")
ZH = "【{hospital}】您的检查影像已可在线查看，{until}前有效：{url}"
EN = "{hospital}: your images can be viewed until {until}: {url}"
SUBJECT_ZH = "{hospital}：影像查看链接"
SUBJECT_EN = "{hospital}: link to your images"


def template(value: object) -> str | None:
    """A text with {url} and other places."""
    for name in _PLACE.findall(str(value)):
        if name not in PLACES:
            return f"{{{name}}} is no place; there is {', '.join(PLACES)}"
    return None


@dataclass(frozen=True)
class LinkSettings(Checked):
    """Share links to studies."""

    default_days: int = setting(
        30, unit="days", en="How long a link lasts where its maker says nothing.", zh="制作者未指定时链接的有效天数。",
        check=checks.within(1, 3650),
    )  # fmt: skip
    max_days: int = setting(
        365, unit="days", en="How long one may last.", zh="链接的最长有效天数。", check=checks.within(1, 3650)
    )
    session_s: float = setting(
        3600.0,
        unit="s",
        en="How long who opened a link may look before they open it again, which counts as another view.",
        zh="打开链接后可浏览多久；超过后须重新打开，计为又一次查看。",
        check=checks.within(60, 86_400),
    )
    networks: tuple[str, ...] = setting(
        (),
        en="Networks beside the public internet in which gateways of messages may be asked.",
        zh="除公网外，允许访问的消息网关所在网段。",
        check=checks.each(checks.network),
    )
    give_up_s: float = setting(
        86_400.0,
        unit="s",
        en="How long a message that could not be sent is tried again, and the link in it kept for that.",
        zh="消息发送失败后重试多久；期间保存其中的链接。",
        check=checks.within(60, 2_592_000),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.default_days > self.max_days:
            raise SettingsError("default_days", "is more than max_days")


@dataclass(frozen=True)
class LinkChannelSettings(Checked):
    """A way by which links are sent: a gateway of an SMS provider or a webhook by HTTP, or e-mail."""

    name: str = setting(
        en="Name, by which makers of links ask for it.", zh="名称，制作链接时引用。", check=checks.not_empty
    )
    kind: str = setting(
        en="webhook: JSON {to, subject, text, link}, the last its name; sms: a form of the fields below; email: SMTP.",
        zh="webhook：JSON {to, subject, text, link}，link 为链接名称；sms：按下列字段提交表单；email：SMTP。",
        check=checks.one_of(*KINDS),
    )
    url: str = setting(
        "", en="Of a webhook or an SMS gateway.", zh="webhook 或短信网关地址。", check=checks.optional_url
    )
    token: str = setting(
        "",
        en="Where the gateway's Bearer token is: env:NAME or file:PATH.",
        zh="网关 Bearer 令牌的位置：env:变量名 或 file:路径。",
        check=checks.secret,
    )
    to_field: str = setting("phone", en="Form field of the recipient (sms).", zh="收件人的表单字段（sms）。")
    text_field: str = setting("content", en="Form field of the text (sms).", zh="正文的表单字段（sms）。")
    fields: tuple[str, ...] = setting(
        (), en="Further form fields, each name=value (sms).", zh="其他表单字段，形式为 name=value（sms）。"
    )
    host: str = setting("", en="SMTP server (email).", zh="SMTP 服务器（email）。")
    port: int = setting(587, en="Its port.", zh="其端口。", check=checks.within(1, 65535))
    starttls: bool = setting(
        True,
        en="Speak TLS with it (STARTTLS; port 465: from the start).",
        zh="使用 TLS（STARTTLS；465 端口自连接起即为 TLS）。",
    )
    username: str = setting("", en="As whom we log in there.", zh="登录用户名。")
    password: str = setting(
        "", en="Where its password is: env:NAME or file:PATH.", zh="口令的位置：env:变量名 或 file:路径。",
        check=checks.secret,
    )  # fmt: skip
    sender: str = setting("", en="From (email).", zh="发件人（email）。")
    language: str = setting(
        "zh", en="Language of its messages where none is asked for: zh, en.", zh="未指定时的消息语言：zh、en。",
        check=checks.one_of("zh", "en"),
    )  # fmt: skip
    text_zh: str = setting(
        ZH,
        en="Chinese text; {url}, {hospital} and {until} stand in it.",
        zh="中文正文；可用 {url}、{hospital}、{until}。",
        check=template,
    )
    text_en: str = setting(EN, en="English text.", zh="英文正文。", check=template)
    subject_zh: str = setting(SUBJECT_ZH, en="Chinese subject (email, webhook).", zh="中文标题。", check=template)
    subject_en: str = setting(SUBJECT_EN, en="English subject (email, webhook).", zh="英文标题。", check=template)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == "email" and not (self.host and self.sender):
            raise SettingsError("host", "an e-mail channel has a host and a sender")
        if self.kind != "email" and not self.url:
            raise SettingsError("url", "is missing")
        for name in ("text_zh", "text_en"):
            if "{url}" not in getattr(self, name):
                raise SettingsError(name, "has no {url}")
        for position, one in enumerate(self.fields):
            if not one.partition("=")[0] or "=" not in one:
                raise SettingsError("fields", f"[{position}]: {one!r} is not name=value")
