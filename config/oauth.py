"""Settings of who signs people and programs in: our own authorization server, and those of others."""

from dataclasses import dataclass
from pathlib import Path

from config import checks
from config.reading import Checked, SettingsError, setting

ALGORITHMS = ("RS256", "ES256", "PS256", "EdDSA", "Ed25519")
ROLES = ("administrator", "radiologist", "technologist", "clinician", "researcher", "auditor", "patient", "system")
DAY_S = 86_400.0


@dataclass(frozen=True)
class IssuerSettings(Checked):
    """An authorization server of others whose access tokens count."""

    issuer: str = setting(
        en="What its tokens name as `iss`, exactly.", zh="其令牌 `iss` 的确切值。", check=checks.http_url
    )
    audience: tuple[str, ...] = setting(
        en="What its tokens may name as `aud`; one of them must be there.",
        zh="其令牌 `aud` 可取的值，至少须命中一个。",
        check=checks.each(checks.not_empty),
    )
    jwks_url: str = setting(
        "",
        en="Where its public keys are, for tokens that are JWT.",
        zh="其公钥地址（JWT 令牌）。",
        check=checks.optional_url,
    )
    introspection_url: str = setting(
        "",
        en="Where to ask about tokens that are not JWT (RFC 7662).",
        zh="不透明令牌的查询地址（RFC 7662）。",
        check=checks.optional_url,
    )
    client_id: str = setting("", en="As whom to ask there.", zh="查询时使用的客户端标识。")
    client_secret_file: Path | None = setting(
        None, en="File with the secret to ask with.", zh="查询所用密钥的文件。"
    )
    algorithms: tuple[str, ...] = setting(
        ALGORITHMS,
        en="Signatures that count.",
        zh="接受的签名算法。",
        check=checks.each(checks.one_of(*ALGORITHMS)),
    )
    types: tuple[str, ...] = setting(
        ("at+jwt",),
        en="What its tokens may say they are (`typ`, RFC 9068); some servers write JWT.",
        zh="其令牌 `typ` 可取的值（RFC 9068）；部分服务器写作 JWT。",
        check=checks.each(checks.not_empty),
    )
    organisation: str = setting(
        "", en="Whose people they are; empty: the claim says so.", zh="其用户所属机构；为空时取自令牌声明。"
    )
    organisation_claim: str = setting(
        "extensions.ihe_iua.subject_organization_id",
        en="Claim that names the organisation, dots between its levels.",
        zh="表示机构的声明，层级以点分隔。",
    )
    organisations: tuple[str, ...] = setting(
        (),
        en="What that claim says, and which organisation it means, each as value=code; a code of ours needs none.",
        zh="该声明的值与本机机构代码的对应，形式为 值=代码；值即本机代码时无需列出。",
    )
    roles_claim: str = setting(
        "extensions.ihe_iua.subject_role",
        en="Claim that names the roles: texts, or codings.",
        zh="表示角色的声明：文本或编码。",
    )
    roles: tuple[str, ...] = setting(
        (),
        en="What that claim says, and which role it means, each as value=role; a role's own name needs none.",
        zh="该声明的值与角色的对应，形式为 值=角色；值即角色名时无需列出。",
    )
    project_claim: str = setting(
        "research_project",
        en="Claim that names the project of a researcher, who reads nothing but what is de-identified for it.",
        zh="研究者所属项目的声明；研究者只能读取为该项目去标识化的数据。",
    )
    patient_claim: str = setting(
        "patient_id", en="Claim with the id of a patient who signs in.", zh="患者本人登录时其标识所在的声明。"
    )
    patient_authority: str = setting(
        "",
        en="Who gave that id; the organisation's authority when empty.",
        zh="该标识的签发机构；为空时取机构的签发机构。",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.audience:
            raise SettingsError("audience", "must name at least one")
        if not self.jwks_url and not self.introspection_url:
            raise SettingsError("jwks_url", "this or introspection_url must be there")
        for name in ("organisations", "roles"):
            for position, pair in enumerate(getattr(self, name)):
                if not pair.partition("=")[0].strip() or not pair.rpartition("=")[2].strip() or "=" not in pair:
                    raise SettingsError(name, f"[{position}]: {pair!r} is not value=name")
        for word in pairs(self.roles).values():
            if word not in ROLES:
                raise SettingsError("roles", f"{word!r} is none of {', '.join(ROLES)}")


def pairs(told: tuple[str, ...]) -> dict[str, str]:
    """What `value=name` settings say; a value may itself hold `=`."""
    split = (one.rpartition("=") for one in told)
    return {value.strip(): name.strip() for value, _, name in split}


@dataclass(frozen=True)
class OAuthSettings(Checked):
    """The authorization server, and tokens."""

    enabled: bool = setting(
        False, en="Bring our own authorization server, at /oauth.", zh="启用内置授权服务器（/oauth）。"
    )
    issuer: str = setting(
        "",
        en="By which https:// URL it is known, without path; web.public_url when empty, else this machine's address "
        "where nobody else reaches it. Security keys need a host name in it.",
        zh="授权服务器的标识 URL（https://，不含路径）；为空时取 web.public_url；仅供本机访问时可取本机地址。"
        "使用安全密钥须为主机名。",
        check=checks.optional_url,
    )
    secret_file: Path | None = setting(
        None,
        en="File with the secret that seals keys and second factors in the index; made in the data directory when "
        "absent. Several machines share one.",
        zh="用于加密索引中签名密钥与第二因子的密钥文件；缺省时在数据目录生成。多机部署须共用同一文件。",
    )
    access_token_s: float = setting(
        600.0, unit="s", en="How long an access token lasts.", zh="访问令牌有效期。", check=checks.within(60, 3600)
    )
    refresh_token_s: float = setting(
        30 * DAY_S,
        unit="s",
        en="How long a client may stay away and still refresh.",
        zh="刷新令牌的最长闲置时间。",
        check=checks.within(600, 400 * DAY_S),
    )
    session_s: float = setting(
        8 * 3600.0,
        unit="s",
        en="How long a person stays signed in.",
        zh="登录会话有效期。",
        check=checks.within(300, 7 * DAY_S),
    )
    second_factor: str = setting(
        "optional",
        en="required: nobody but patients is let in without one; optional: whoever has one must use it.",
        zh="required 除患者外必须使用第二因子；optional 已登记者必须使用。",
        check=checks.one_of("optional", "required"),
    )
    user_verification: str = setting(
        "preferred",
        en="Whether security keys ask for a fingerprint or PIN themselves: required, preferred, discouraged.",
        zh="安全密钥自身是否验证指纹或 PIN：required 必须、preferred 优先、discouraged 不要求。",
        check=checks.one_of("required", "preferred", "discouraged"),
    )
    key_days: float = setting(
        30.0,
        unit="days",
        en="How long a signing key signs; it is published a day before, and as long after as tokens last.",
        zh="签名密钥的使用天数；启用前一天公布，停用后保留至令牌过期。",
        check=checks.within(2, 400),
    )
    issuers: tuple[IssuerSettings, ...] = setting(
        (), en="Authorization servers of others.", zh="外部授权服务器。"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        named = [one.issuer for one in self.issuers]
        for position, issuer in enumerate(named):
            if issuer in named[:position]:
                raise SettingsError(f"issuers[{position}].issuer", f"{issuer!r} stands there twice")
