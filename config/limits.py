"""Settings of how much one client may ask for."""

from dataclasses import dataclass

from config import checks
from config.reading import Checked, setting


@dataclass(frozen=True)
class LimitSettings(Checked):
    """What one web client may do; a client is an address (of IPv6, its /64), and each web process counts by itself."""

    requests_per_s: float = setting(
        0.0,
        en="Requests a second that one client may make in the long run; more are answered 429. 0: no limit.",
        zh="单个客户端每秒请求数的长期上限，超出返回 429；0 表示不限。",
        check=checks.within(0, 1_000_000),
    )
    burst: int = setting(
        200,
        en="Requests that it may make at once before that counts.",
        zh="在此之前允许的突发请求数。",
        check=checks.within(1, 10_000_000),
    )
    refusals_per_minute: float = setting(
        20.0,
        en="Answers 401 that one client gets in a minute; after them it gets 429, and may try no password, code or PIN "
        "until there are some again. 0: no limit.",
        zh="单个客户端每分钟可得到的 401 次数；用尽后返回 429，恢复前不能再尝试口令、验证码或查看码；0 表示不限。",
        check=checks.within(0, 100_000),
    )
