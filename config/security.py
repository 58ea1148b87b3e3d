"""Settings of who is let in, who may do what, and what is encrypted."""

import re
from dataclasses import dataclass
from pathlib import Path

from config import checks
from config.oauth import OAuthSettings
from config.reading import Checked, SettingsError, setting

AUTHENTICATION = ("off", "required")
CLIENTS = ("none", "optional", "required")
_THUMBPRINT = re.compile(r"[0-9a-f]{64}")


def certificate_name(value: object) -> str | None:
    """A thumbprint (SHA-256, 64 hexadecimal digits, colons ignored), or a subject alternative name."""
    text = str(value)
    if not text or is_thumbprint(text):
        return None
    if re.fullmatch(r"[0-9a-fA-F:]{32,}", text):
        return "a thumbprint is SHA-256: 64 hexadecimal digits"
    fits = re.fullmatch(r"[^\s,;]{1,255}", text)
    return None if fits else "neither a SHA-256 thumbprint nor a subject alternative name"


def is_thumbprint(text: str) -> bool:
    """Whether a certificate is meant by its thumbprint, and not by a name."""
    return _THUMBPRINT.fullmatch(thumbprint(text)) is not None


def thumbprint(text: str) -> str:
    """As it is compared: small letters, no colons."""
    return text.replace(":", "").lower()


@dataclass(frozen=True)
class TlsNameSettings(Checked):
    """A further certificate of ours."""

    name: str = setting(
        en="Host name for which it is shown (SNI), such as pacs.example or *.pacs.example.",
        zh="使用该证书的主机名（SNI），例如 pacs.example 或 *.pacs.example。",
        check=checks.not_empty,
    )
    certificate: Path = setting(
        en="PEM file of the certificate and its chain.", zh="证书及证书链的 PEM 文件。"
    )
    key: Path = setting(en="PEM file of its private key.", zh="其私钥的 PEM 文件。")


@dataclass(frozen=True)
class TlsSettings(Checked):
    """TLS by the BCP 195 RFC 8996, 9325 profile (PS3.15 B.12)."""

    certificate: Path | None = setting(
        None,
        en="PEM file of our certificate and its chain; with it the ports below are opened.",
        zh="本机证书及证书链的 PEM 文件；设置后开放下列端口。",
    )
    key: Path | None = setting(None, en="PEM file of its private key.", zh="其私钥的 PEM 文件。")
    key_passphrase: str = setting(
        "",
        en="Where the key's passphrase is: env:NAME or file:PATH; the key is not encrypted when empty.",
        zh="私钥口令的位置：env:变量名 或 file:路径；为空表示私钥未加密。",
        check=checks.secret,
    )
    authorities: Path | None = setting(
        None,
        en="PEM file of the authorities whose certificates peers may have; the system's, where we call, when absent.",
        zh="对端证书的签发机构（PEM 文件）；缺省时外呼采用系统信任库。",
    )
    revocations: Path | None = setting(
        None,
        en="PEM file of revocation lists (CRL), one of each authority: what it lists is refused.",
        zh="吊销列表（CRL）的 PEM 文件，每个签发机构一份；其中的证书被拒绝。",
    )
    minimum_version: str = setting(
        "1.2", en="Oldest version of TLS that is spoken.", zh="最低 TLS 版本。", check=checks.one_of("1.2", "1.3")
    )
    host: str | None = setting(
        None, en="Address of the ports below; `host` when absent.", zh="下列端口的监听地址；缺省同 `host`。",
        check=checks.not_empty,
    )  # fmt: skip
    https_port: int = setting(8443, en="Port of HTTPS.", zh="HTTPS 端口。", check=checks.within(0, 65535))
    dicom_port: int = setting(2762, en="Port of DICOM over TLS.", zh="DICOM TLS 端口。", check=checks.within(0, 65535))
    mllp_port: int = setting(2576, en="Port of MLLP over TLS.", zh="MLLP TLS 端口。", check=checks.within(0, 65535))
    web_clients: str = setting(
        "none",
        en="Whether HTTPS clients are asked for a certificate: none, optional, required.",
        zh="是否要求 HTTPS 客户端证书：none 不要求、optional 可选、required 必须。",
        check=checks.one_of(*CLIENTS),
    )
    dicom_clients: str = setting(
        "required",
        en="The same of DICOM peers (IHE ITI-19: required).",
        zh="对 DICOM 对端的同一要求（IHE ITI-19：required）。",
        check=checks.one_of(*CLIENTS),
    )
    mllp_clients: str = setting(
        "required",
        en="The same of HL7 senders (IHE ITI-19: required).",
        zh="对 HL7 发送方的同一要求（IHE ITI-19：required）。",
        check=checks.one_of(*CLIENTS),
    )
    handshake_timeout_s: float = setting(
        10.0, unit="s", en="Longest handshake.", zh="握手时限。", check=checks.within(0.1, 120)
    )
    max_handshakes: int = setting(
        512,
        en="Handshakes at once in one process; one more, and the oldest of them is given up.",
        zh="单进程并发握手数；超出时放弃最早的一个。",
        check=checks.within(1, 10_000),
    )
    names: tuple[TlsNameSettings, ...] = setting((), en="Further certificates.", zh="其他证书。")

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.certificate is None) != (self.key is None):
            raise SettingsError("key", "certificate and key are given together")
        asks = [name for name in ("web", "dicom", "mllp") if getattr(self, f"{name}_clients") != "none"]
        if self.certificate is not None and self.authorities is None and asks:
            raise SettingsError("authorities", f"is missing: {asks[0]}_clients asks for certificates; whose?")

    @property
    def is_on(self) -> bool:
        """Whether we have a certificate, and so listen with TLS."""
        return self.certificate is not None


@dataclass(frozen=True)
class SecuritySettings(Checked):
    """Who is let in."""

    authentication: str = setting(
        "off",
        en="off: web clients without a token act as web.organisation; required: nothing without a token but health, "
        "pages and descriptions.",
        zh="off：无令牌的 Web 客户端以 web.organisation 身份访问；required：除健康检查、页面与能力说明外均须令牌。",
        check=checks.one_of(*AUTHENTICATION),
    )
    oauth: OAuthSettings = setting(OAuthSettings, en="OAuth 2.0 and OpenID Connect.", zh="OAuth 2.0。")
    tls: TlsSettings = setting(TlsSettings, en="TLS.", zh="TLS。")
