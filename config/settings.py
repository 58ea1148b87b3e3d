"""Settings: one typed, frozen tree. Name, default, unit and help of each stand together here and nowhere else."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config import checks
from config.audit import AuditRepositorySettings, AuditSettings
from config.deidentification import is_shipped
from config.fhir import FhirSettings
from config.interfaces import (
    DimseSettings,
    OrganisationSettings,
    OwnAESettings,
    RemoteAESettings,
    WebSettings,
)
from config.keeping import (
    Htj2kSettings,
    NotificationSettings,
    RetentionSettings,
    StorageSettings,
    WorklistSettings,
)
from config.limits import LimitSettings
from config.links import LinkChannelSettings, LinkSettings
from config.messages import (
    Hl7DestinationSettings,
    Hl7SenderSettings,
    Hl7Settings,
    IdentityDomainSettings,
    IdentitySettings,
    ReportsSettings,
)
from config.networks import is_loopback
from config.oauth import IssuerSettings, OAuthSettings, pairs
from config.reading import Checked, SettingsError, read, setting
from config.research import ResearchProjectSettings
from config.secrets import secret_of
from config.security import SecuritySettings, TlsNameSettings, TlsSettings

__all__ = [
    "AuditRepositorySettings",
    "AuditSettings",
    "DimseSettings",
    "FhirSettings",
    "Hl7DestinationSettings",
    "Hl7SenderSettings",
    "Hl7Settings",
    "Htj2kSettings",
    "IdentityDomainSettings",
    "IdentitySettings",
    "IssuerSettings",
    "LimitSettings",
    "LinkChannelSettings",
    "LinkSettings",
    "LogSettings",
    "NotificationSettings",
    "OAuthSettings",
    "OrganisationSettings",
    "OwnAESettings",
    "PostgresSettings",
    "RetentionSettings",
    "RemoteAESettings",
    "ReportsSettings",
    "ResearchProjectSettings",
    "SecuritySettings",
    "Settings",
    "SettingsError",
    "StorageSettings",
    "SuperviseSettings",
    "TlsNameSettings",
    "TlsSettings",
    "WebSettings",
    "WorklistSettings",
    "load_settings",
]

ROLES = ("dimse", "web", "hl7", "worker")


@dataclass(frozen=True)
class SuperviseSettings(Checked):
    """Processes."""

    grace_s: float = setting(
        20.0,
        unit="s",
        en="Time running associations and requests have to finish when stopping.",
        zh="停止时留给进行中任务的时间。",
        check=checks.within(0, 3600),
    )
    worker_processes: int = setting(
        1, en="Processes for background work.", zh="后台任务进程数。", check=checks.within(1, 64)
    )


@dataclass(frozen=True)
class PostgresSettings(Checked):
    """The embedded PostgreSQL; without effect when `database` names another."""

    shared_buffers_mb: int = setting(
        64, unit="MiB", en="Its own cache.", zh="共享缓冲区。", check=checks.within(16, 1_048_576)
    )
    max_connections: int = setting(100, en="Connections at once.", zh="最大连接数。", check=checks.within(20, 10_000))
    options: tuple[str, ...] = setting(
        (),
        en="Further PostgreSQL parameters, each as name=value.",
        zh="其他 PostgreSQL 参数，形式为 name=value。",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for position, option in enumerate(self.options):
            if not option.partition("=")[0].strip() or "=" not in option:
                raise SettingsError("options", f"[{position}]: {option!r} is not name=value")

    def parameters(self) -> dict[str, str]:
        """As PostgreSQL reads them."""
        named = {
            "shared_buffers": f"{self.shared_buffers_mb}MB",
            "max_connections": str(self.max_connections),
        }
        pairs = (option.partition("=") for option in self.options)
        return named | {name.strip(): value.strip() for name, _, value in pairs}


@dataclass(frozen=True)
class LogSettings(Checked):
    """Records on standard error; never with patient data."""

    form: str = setting(
        "json",
        en="json: one object a line; text: name=value.",
        zh="json 每行一个对象；text 为 name=value。",
        check=checks.one_of("json", "text"),
    )
    level: str = setting(
        "info",
        en="Least important record to show.",
        zh="最低日志级别。",
        check=checks.one_of("debug", "info", "warning", "error"),
    )


@dataclass(frozen=True)
class Settings(Checked):
    """Everything that can be configured."""

    data_dir: Path = setting(Path("pacsd-data"), en="Folder of objects, journal and index.", zh="数据目录。")
    database: str | None = setting(
        None,
        en="DSN of a PostgreSQL of yours, or env:NAME, file:PATH where it stands; embedded in the data directory when "
        "absent.",
        zh="外部 PostgreSQL 连接串，或其所在的 env:变量名、file:路径；缺省时使用数据目录内嵌的实例。",
        check=checks.not_empty,
    )
    host: str = setting("127.0.0.1", en="Address to listen on.", zh="监听地址。", check=checks.not_empty)
    http_port: int = setting(
        8080, en="Port of DICOMweb, FHIR, health and metrics.", zh="HTTP 端口。", check=checks.within(0, 65535)
    )
    dicom_port: int = setting(11112, en="Port of DIMSE services.", zh="DICOM 端口。", check=checks.within(0, 65535))
    mllp_port: int = setting(2575, en="Port of HL7 v2 over MLLP.", zh="MLLP 端口。", check=checks.within(0, 65535))
    ae_title: str = setting("PACSD", en="Our AE title.", zh="本机 AE 标题。", check=checks.ae_title)
    roles: tuple[str, ...] = setting(
        ROLES, en="What this machine does.", zh="本机运行的角色。", check=checks.each(checks.one_of(*ROLES))
    )
    organisations: tuple[OrganisationSettings, ...] = setting(
        (OrganisationSettings("default"),), en="Owners of studies.", zh="机构列表。"
    )
    own_aes: tuple[OwnAESettings, ...] = setting((), en="Further AE titles of ours.", zh="本机的其他 AE 标题。")
    remote_aes: tuple[RemoteAESettings, ...] = setting((), en="Peers we know.", zh="已登记的远端 AE。")
    hl7_senders: tuple[Hl7SenderSettings, ...] = setting((), en="HL7 senders we know.", zh="已登记的 HL7 发送方。")
    hl7_destinations: tuple[Hl7DestinationSettings, ...] = setting(
        (), en="Where HL7 messages go.", zh="HL7 消息的目的地。"
    )
    identity_domains: tuple[IdentityDomainSettings, ...] = setting(
        (), en="Assigning authorities with OIDs.", zh="签发机构及其 OID。"
    )
    security: SecuritySettings = setting(SecuritySettings, en="Who is let in.", zh="访问安全。")
    audit: AuditSettings = setting(AuditSettings, en="Records of accesses.", zh="审计。")
    audit_repositories: tuple[AuditRepositorySettings, ...] = setting(
        (), en="Audit Record Repositories that records are sent to.", zh="接收审计记录的审计库。"
    )
    dimse: DimseSettings = setting(DimseSettings, en="DICOM associations.", zh="DICOM 关联。")
    web: WebSettings = setting(WebSettings, en="DICOMweb.", zh="DICOMweb。")
    fhir: FhirSettings = setting(FhirSettings, en="FHIR R4.", zh="FHIR R4。")
    hl7: Hl7Settings = setting(Hl7Settings, en="HL7 v2.", zh="HL7 v2。")
    identity: IdentitySettings = setting(IdentitySettings, en="Master patient index.", zh="患者主索引。")
    storage: StorageSettings = setting(StorageSettings, en="Blobs and packs.", zh="存储。")
    htj2k: tuple[Htj2kSettings, ...] = setting(
        (), en="Series of which an HTJ2K copy is kept beside the original.", zh="除原始影像外另存 HTJ2K 副本的序列。"
    )
    retention: tuple[RetentionSettings, ...] = setting(
        (), en="How long studies are kept; for ever without a rule.", zh="检查保留规则；无规则则永久保留。"
    )
    reports: ReportsSettings = setting(ReportsSettings, en="Reports.", zh="报告。")
    research_projects: tuple[ResearchProjectSettings, ...] = setting(
        (), en="Research projects, which read de-identified.", zh="研究项目（读取去标识化数据）。"
    )
    worklist: WorklistSettings = setting(WorklistSettings, en="Workitems.", zh="工作项。")
    notifications: NotificationSettings = setting(NotificationSettings, en="What AEs are told.", zh="通知。")
    links: LinkSettings = setting(LinkSettings, en="Share links.", zh="分享链接。")
    link_channels: tuple[LinkChannelSettings, ...] = setting(
        (), en="How somebody is told of a link.", zh="链接的发送渠道。"
    )
    limits: LimitSettings = setting(LimitSettings, en="What one client may ask for.", zh="单个客户端的限额。")
    supervise: SuperviseSettings = setting(SuperviseSettings, en="Processes.", zh="进程。")
    postgres: PostgresSettings = setting(PostgresSettings, en="Embedded PostgreSQL.", zh="内嵌 PostgreSQL。")
    log: LogSettings = setting(LogSettings, en="Log records.", zh="日志。")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.organisations:
            raise SettingsError("organisations", "there must be at least one")
        first = self.organisations[0].code
        if self.ae_title not in [one.title for one in self.own_aes]:
            object.__setattr__(self, "own_aes", (OwnAESettings(self.ae_title, first), *self.own_aes))
        if not self.web.organisation:
            object.__setattr__(self, "web", replace(self.web, organisation=first))
        if not self.hl7.organisation:
            object.__setattr__(self, "hl7", replace(self.hl7, organisation=first))
        _check_references(self)
        _check_notes_to(self)
        _check_issuer(self)

    @property
    def blobs_dir(self) -> Path:
        """Where objects and journal are; not there before something made an archive of the data directory."""
        return self.data_dir.absolute() / "blobs"

    @property
    def viewer_dir(self) -> Path:
        """Where the viewer is installed, and served from."""
        return (self.web.viewer_dir or self.data_dir / "viewer").absolute()


def load_settings(file: Path | None, overrides: Mapping[str, object]) -> Settings:
    """The tree of a TOML file, or of the defaults; `overrides` by dotted key, such as web.processes, win.

    Paths in the file are relative to its folder, those in `overrides` to the working directory.
    Raises SettingsError, which names the key.
    """
    tables: dict[str, object] = {}
    if file is not None:
        tables = _parse(file)
        if "data_dir" in tables and "data_dir" not in overrides and isinstance(tables["data_dir"], str):
            tables["data_dir"] = file.parent / Path(tables["data_dir"]).expanduser()
        web = tables.get("web")
        if isinstance(web, dict) and isinstance(web.get("viewer_dir"), str):
            web["viewer_dir"] = file.parent / Path(web["viewer_dir"]).expanduser()
        fhir = tables.get("fhir")
        if isinstance(fhir, dict) and isinstance(fhir.get("profiles"), str):
            fhir["profiles"] = file.parent / Path(fhir["profiles"]).expanduser()
        tls, oauth = _inner(tables, "security", "tls"), _inner(tables, "security", "oauth")
        _beside(file, [tls, *_tables(tls.get("names"))], ("certificate", "key", "authorities", "revocations"))
        _beside(file, [oauth], ("secret_file",))
        _beside(file, _tables(oauth.get("issuers")), ("client_secret_file",))
        _beside(file, [tables.get("audit")], ("anchor_key",))
        _beside(file, _tables(tables.get("audit_repositories")), ("ca_file", "certificate_file", "key_file"))
        projects = _tables(tables.get("research_projects"))
        _beside(file, projects, ("studies",))
        _beside(file, [one for one in projects if not is_shipped(one.get("policy"))], ("policy",), as_text=True)
        for sender in _tables(tables.get("hl7_senders")):
            if isinstance(sender.get("mapping"), str):
                sender["mapping"] = file.parent / Path(sender["mapping"]).expanduser()
    for key, value in overrides.items():
        _put(tables, key, value)
    database = tables.get("database")
    if isinstance(database, str) and database.startswith(("env:", "file:")):
        tables["database"] = secret_of(database)
    return read(Settings, tables, folder=Path())


def _parse(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(str(file), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(file), f"is not TOML: {error}") from error


def _inner(tables: Mapping[str, object], *names: str) -> dict[str, Any]:
    """A table inside of others; an empty one where there is none."""
    found: object = tables
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _tables(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _beside(file: Path, tables: Sequence[object], names: Sequence[str], *, as_text: bool = False) -> None:
    """Paths of these names in tables are relative to the file's folder."""
    for table in tables:
        for name in names:
            if isinstance(table, dict) and isinstance(table.get(name), str):
                path = file.parent / Path(table[name]).expanduser()
                table[name] = str(path) if as_text else path


def _put(tables: dict[str, object], key: str, value: object) -> None:
    """Set a dotted key, making the tables on its way."""
    name, _, rest = key.partition(".")
    if not rest:
        tables[name] = value
        return
    inner = tables.setdefault(name, {})
    if not isinstance(inner, dict):
        raise SettingsError(name, "must be a table")
    _put(inner, rest, value)


def _check_issuer(settings: Settings) -> None:
    """By one https URL people and programs reach our authorization server (RFC 8414 2); on this machine by any."""
    oauth = settings.security.oauth
    if not oauth.enabled:
        return
    named = oauth.issuer or settings.web.public_url
    if not named and (settings.security.tls.is_on or not is_loopback(settings.host)):
        raise SettingsError(
            "security.oauth.issuer",
            "this or web.public_url must say by which https:// URL people and programs reach the authorization server",
        )
    if named and named.startswith("http://") and not is_loopback(_host_of(named)):
        raise SettingsError(
            "security.oauth.issuer" if oauth.issuer else "web.public_url",
            f"{named} is not https://, which is needed where the authorization server is reached from other machines",
        )


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _check_references(settings: Settings) -> None:
    """Every organisation that is named exists, and nothing is said twice."""
    codes = [one.code for one in settings.organisations]
    first = codes[0]
    _refuse_repeats("organisations", "code", codes)
    _refuse_repeats("own_aes", "title", [one.title for one in settings.own_aes])
    _refuse_repeats("hl7_senders", "name", [one.name for one in settings.hl7_senders])
    _refuse_repeats("audit_repositories", "name", [one.name for one in settings.audit_repositories])
    _refuse_repeats("hl7_destinations", "name", [one.name for one in settings.hl7_destinations])
    _refuse_repeats("research_projects", "project", [one.project for one in settings.research_projects])
    _refuse_repeats("link_channels", "name", [one.name for one in settings.link_channels])
    _refuse_repeats("identity_domains", "authority", [one.authority for one in settings.identity_domains])
    _refuse_repeats("identity_domains", "universal_id", [one.universal_id for one in settings.identity_domains])
    _refuse_repeats("remote_aes", "title", [f"{one.title} of {one.organisation}" for one in settings.remote_aes])
    named = [(f"organisations[{n}].reads", code) for n, one in enumerate(settings.organisations) for code in one.reads]
    named += [(f"own_aes[{n}].organisation", one.organisation) for n, one in enumerate(settings.own_aes)]
    named += [(f"remote_aes[{n}].organisation", one.organisation) for n, one in enumerate(settings.remote_aes)]
    named += [(f"htj2k[{n}].organisation", one.organisation or codes[0]) for n, one in enumerate(settings.htj2k)]
    named += [(f"hl7_senders[{n}].organisation", one.organisation) for n, one in enumerate(settings.hl7_senders)]
    named += [(f"hl7_destinations[{n}].organisation", one.organisation or first)
              for n, one in enumerate(settings.hl7_destinations)]  # fmt: skip
    named += [(f"retention[{n}].organisation", one.organisation or first) for n, one in enumerate(settings.retention)]
    named += [(f"security.oauth.issuers[{n}].organisation", one.organisation or first)
              for n, one in enumerate(settings.security.oauth.issuers)]  # fmt: skip
    named += [(f"security.oauth.issuers[{n}].organisations", code)
              for n, one in enumerate(settings.security.oauth.issuers) for code in pairs(one.organisations).values()]
    named += [(f"research_projects[{n}].organisation", one.organisation or first)
              for n, one in enumerate(settings.research_projects)]  # fmt: skip
    named += [("web.organisation", settings.web.organisation), ("hl7.organisation", settings.hl7.organisation)]
    for key, code in named:
        if code not in codes:
            raise SettingsError(key, f"unknown organisation {code!r}; there is {', '.join(codes)}")


def _check_notes_to(settings: Settings) -> None:
    """Every AE that is to be told of deletions is one that can be reached."""
    known = [one.title for one in settings.remote_aes]
    for n, rule in enumerate(settings.retention):
        for title in rule.notes_to:
            if title not in known:
                raise SettingsError(f"retention[{n}].notes_to", f"{title!r} is none of remote_aes")


def _refuse_repeats(table: str, field: str, values: list[str]) -> None:
    for position, value in enumerate(values):
        if value in values[:position]:
            raise SettingsError(f"{table}[{position}].{field}", f"{value!r} stands there twice")
