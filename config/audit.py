"""Settings of what is recorded of accesses, and where it goes."""

from dataclasses import dataclass
from pathlib import Path

from config import checks
from config.reading import Checked, setting

MIB = 1 << 20


@dataclass(frozen=True)
class AuditSettings(Checked):
    """Records of who accessed what (PS3.15 A.5, IHE ATNA)."""

    record: bool = setting(
        True,
        en="Record every access before it is answered; what cannot be recorded is refused.",
        zh="在应答之前记录每次访问；无法记录的请求一律拒绝。",
    )
    source: str = setting("", en="Audit Source ID; ae_title when empty.", zh="审计源标识；为空时取 ae_title。")
    site: str = setting("", en="Audit Enterprise Site ID.", zh="审计企业站点标识。")
    repeat_s: float = setting(
        300.0,
        unit="s",
        en="Within this time the same access of the same agent to the same study is recorded once, and counted.",
        zh="在此时间内，同一使用者对同一检查的同一操作只记录一次并计数。",
        check=checks.within(0, 86_400),
    )
    segment_bytes: int = setting(
        64 * MIB,
        unit="bytes",
        en="Size at which a process begins another file of records.",
        zh="记录文件达到此大小后另起新文件。",
        check=checks.within(4096, 1 << 40),
    )
    anchor_s: float = setting(
        10.0,
        unit="s",
        en="How often the ends of the chains of records are anchored.",
        zh="审计链末端锚定的间隔。",
        check=checks.within(0.1, 86_400),
    )
    anchor_key: Path | None = setting(
        None,
        en="File of a secret (32 bytes or more) that signs anchors (HMAC-SHA256); only chained by hash when absent.",
        zh="为锚点签名 (HMAC-SHA256) 的密钥文件（至少 32 字节）；缺省时仅以哈希相连。",
    )


@dataclass(frozen=True)
class AuditRepositorySettings(Checked):
    """An Audit Record Repository that takes syslog over TLS (ITI-20, RFC 5425)."""

    name: str = setting(en="Under which its place in the records is kept.", zh="名称。", check=checks.not_empty)
    host: str = setting(en="Host.", zh="主机。", check=checks.not_empty)
    port: int = setting(6514, en="Port.", zh="端口。", check=checks.within(1, 65535))
    ca_file: Path | None = setting(
        None, en="Certificates (PEM) it is trusted by; the system's when absent.", zh="信任的 CA 证书 (PEM)。"
    )
    certificate_file: Path | None = setting(None, en="Our certificate (PEM).", zh="本机证书 (PEM)。")
    key_file: Path | None = setting(None, en="Its key (PEM).", zh="本机私钥 (PEM)。")
