"""Settings of organisations, AEs and the interfaces that they and viewers use."""

from dataclasses import dataclass
from pathlib import Path

from config import checks
from config.reading import Checked, setting
from config.security import certificate_name

SERVICES = ("echo", "store", "find", "move", "get", "worklist", "mpps", "commitment", "ups")
REJECTED = ("hide", "notes", "keep")
MIB = 1024**2
GIB = 1024**3

@dataclass(frozen=True)
class OrganisationSettings(Checked):
    """A hospital or other owner of studies."""

    code: str = setting(
        en="Short name, part of storage keys; never change it.",
        zh="短代码，用于存储路径；请勿更改。",
        check=checks.code,
    )
    name: str = setting("", en="Name as shown; the code when empty.", zh="显示名称；为空时取代码。")
    assigning_authority: str = setting(
        "",
        en="Who gave the patient ids that name no issuer; the code when empty.",
        zh="未注明签发机构的患者标识的默认签发机构；为空时取代码。",
        check=checks.authority,
    )
    reads: tuple[str, ...] = setting(
        (),
        en="Codes of organisations whose studies it may see.",
        zh="可查看其检查的其他机构代码。",
        check=checks.each(checks.code),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "name", self.name or self.code)
        object.__setattr__(self, "assigning_authority", self.assigning_authority or self.code)


@dataclass(frozen=True)
class OwnAESettings(Checked):
    """An AE title we answer to."""

    title: str = setting(en="AE title.", zh="AE 标题。", check=checks.ae_title)
    organisation: str = setting(
        en="Whom unknown callers of this title belong to.",
        zh="呼叫此标题的未知设备所属的机构。",
        check=checks.code,
    )
    rejected: str = setting(
        "hide",
        en="What its callers see of rejections (IHE RAD-66): hide nothing, notes the notes, keep also poor images.",
        zh="呼叫此标题者可见的拒绝内容（IHE RAD-66）：hide 均不可见；notes 可见拒绝说明；keep 另可见因质量被拒的影像。",
        check=checks.one_of(*REJECTED),
    )


@dataclass(frozen=True)
class RemoteAESettings(Checked):
    """A modality, PACS or viewer we know."""

    title: str = setting(en="AE title.", zh="AE 标题。", check=checks.ae_title)
    host: str = setting(en="Name or address, to send to.", zh="主机名或地址（发送目标）。", check=checks.not_empty)
    port: int = setting(en="Port, to send to.", zh="端口（发送目标）。", check=checks.within(1, 65535))
    organisation: str = setting(en="Whom its objects belong to.", zh="其影像所属的机构。", check=checks.code)
    assigning_authority: str | None = setting(
        None,
        en="Who gave its patient ids, if not the organisation's authority.",
        zh="患者标识签发机构（若与机构默认不同）。",
        check=checks.authority,
    )
    character_set: str | None = setting(
        None,
        en="Its true Specific Character Set when what it declares is wrong, such as GB18030.",
        zh="设备声明错误时的实际字符集，例如 GB18030。",
        check=checks.character_set,
    )
    services: tuple[str, ...] = setting(
        SERVICES,
        en="What it may ask for.",
        zh="允许其请求的服务。",
        check=checks.each(checks.one_of(*SERVICES)),
    )
    addresses: tuple[str, ...] = setting(
        (),
        en="Addresses and networks it may call from; any when empty.",
        zh="允许的来源地址或网段；为空表示不限。",
        check=checks.each(checks.network),
    )
    availability: bool = setting(
        False,
        en="Tell it when the instances of a step or study are there (Instance Availability Notification).",
        zh="步骤或检查的影像齐备时向其发送实例可用通知 (IAN)。",
    )
    commitment_on_same_association: bool = setting(
        True,
        en="Whether it takes a result of storage commitment on the association of its request, if that is still open.",
        zh="请求存储确认的关联仍打开时，是否在同一关联上返回结果。",
    )
    tls: bool = setting(
        False, en="Reach it by TLS; `port` is then its TLS port.", zh="以 TLS 连接；`port` 为其 TLS 端口。"
    )
    certificate: str = setting(
        "",
        en="SHA-256 thumbprint or subject alternative name of its certificate: without that one nobody has its title, "
        "and it is how we know it where we call; any trusted one, and its host's where we call, when empty.",
        zh="其证书的 SHA-256 指纹或主体备用名称：无此证书者不得使用该 AE 标题，外呼时亦据此识别；"
        "为空时接受任何可信证书，外呼时核对主机名。",
        check=certificate_name,
    )
    rejected: str | None = setting(
        None,
        en="What it sees of rejections, as above; as the title it calls has it when absent.",
        zh="该 AE 可见的拒绝内容，取值同上；缺省时按其呼叫的标题。",
        check=checks.one_of(*REJECTED),
    )


@dataclass(frozen=True)
class DimseSettings(Checked):
    """DICOM associations (PS3.7, PS3.8)."""

    accept_unknown_callers: bool = setting(
        True,
        en="Serve AE titles that are not listed; they belong to the called title's organisation.",
        zh="是否接受未登记的 AE；其归属为被叫 AE 的机构。",
    )
    receivers: int = setting(
        2,
        en="Processes that receive and serve associations.",
        zh="接收与服务进程数。",
        check=checks.within(1, 256),
    )
    query_processes: int = setting(
        1,
        en="Processes for long queries and retrievals.",
        zh="处理长查询与取回的进程数。",
        check=checks.within(0, 64),
    )
    max_associations: int = setting(
        1500,
        en="Associations at once, all DIMSE processes of this server together; further ones are refused for now.",
        zh="本服务器全部 DIMSE 进程合计的最大并发关联数；超出者暂时拒绝。",
        check=checks.within(1, 100_000),
    )
    max_pdu_bytes: int = setting(
        1024**2,
        unit="bytes",
        en="Largest PDU we offer to receive; 0 is no limit.",
        zh="可接收的最大 PDU；0 表示不限。",
        check=checks.within(0, 2**32 - 1),
    )
    artim_timeout_s: float = setting(
        30.0,
        unit="s",
        en="Wait for a request or for the peer to close (ARTIM, PS3.8 9.1.5).",
        zh="ARTIM 超时。",
        check=checks.within(0.1, 3600),
    )
    idle_timeout_s: float = setting(
        300.0,
        unit="s",
        en="Silence of a peer after which its association is aborted.",
        zh="空闲超时，超时则中止关联。",
        check=checks.within(0.1, 86_400),
    )
    connect_timeout_s: float = setting(
        15.0,
        unit="s",
        en="Wait for a C-MOVE destination to answer.",
        zh="连接 C-MOVE 目标的超时。",
        check=checks.within(0.1, 600),
    )
    query_timeout_s: float = setting(
        60.0,
        unit="s",
        en="Longest statement of the index for a query or retrieval; then it fails with 0xA7xx. 0: no limit.",
        zh="查询或取回时单条索引语句的时限，超时以 0xA7xx 失败；0 表示不限。",
        check=checks.within(0, 86_400),
    )
    move_associations: int = setting(
        1,
        en="Associations to one C-MOVE destination at once.",
        zh="向同一 C-MOVE 目标并行的关联数。",
        check=checks.within(1, 16),
    )
    plain_networks: tuple[str, ...] = setting(
        (),
        en="Networks of old devices that may call without TLS where `host` is beyond this machine: known AEs only, "
        "each from its `addresses`.",
        zh="`host` 非本机时可不经 TLS 呼叫的旧设备网段：仅限已登记且来源符合其 `addresses` 的 AE。",
        check=checks.each(checks.network),
    )
    private_sop_classes: tuple[str, ...] = setting(
        (),
        en="Further storage SOP classes to accept.",
        zh="额外接受的存储 SOP 类。",
        check=checks.each(checks.uid),
    )


@dataclass(frozen=True)
class WebSettings(Checked):
    """DICOMweb (PS3.18)."""

    processes: int = setting(2, en="Processes that answer HTTP.", zh="HTTP 进程数。", check=checks.within(1, 256))
    organisation: str = setting(
        "",
        en="For whom web clients read and store; the first organisation when empty.",
        zh="Web 客户端所代表的机构；为空时取第一个机构。",
    )
    rejected: str = setting(
        "hide",
        en="What web clients see of rejections: hide, notes, keep, as for own_aes.",
        zh="Web 客户端可见的拒绝内容：hide、notes、keep，含义同 own_aes。",
        check=checks.one_of(*REJECTED),
    )
    public_url: str | None = setting(
        None,
        en="How clients reach us behind a proxy, such as https://pacs.example/; else the request's Host.",
        zh="反向代理后的对外地址；缺省取请求的 Host。",
        check=checks.http_url,
    )
    allowed_origins: tuple[str, ...] = setting(
        (),
        en="Origins of viewers whose pages may ask us from another host (CORS), such as https://viewer.example.",
        zh="允许跨域（CORS）访问的阅片页面来源，例如 https://viewer.example。",
        check=checks.each(checks.origin),
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        en="Addresses and networks of proxies whose X-Forwarded-Proto, -Host, -For and Client-Cert are believed: they "
        "must not pass on a client's own.",
        zh="可信代理的地址或网段，采信其 X-Forwarded-Proto、X-Forwarded-Host、X-Forwarded-For 与 Client-Cert；"
        "代理不得转发客户端自带的这些首部。",
        check=checks.each(checks.network),
    )
    plain_networks: tuple[str, ...] = setting(
        (),
        en="Networks of proxies that may call without TLS where `host` is beyond this machine.",
        zh="`host` 非本机时可不经 TLS 连接的代理所在网段。",
        check=checks.each(checks.network),
    )
    max_upload_bytes: int = setting(
        64 * GIB,
        unit="bytes",
        en="Largest STOW-RS request.",
        zh="单次 STOW-RS 请求上限。",
        check=checks.within(1, 2**50),
    )
    max_results: int = setting(
        10_000,
        en="Most results of one QIDO-RS answer; more come by offset.",
        zh="单次 QIDO-RS 返回的最大结果数。",
        check=checks.within(1, 10_000_000),
    )
    query_timeout_s: float = setting(
        60.0,
        unit="s",
        en="Longest statement of the index for a web client; then it is answered 503. 0: no limit.",
        zh="为 Web 客户端执行单条索引语句的时限，超时返回 503；0 表示不限。",
        check=checks.within(0, 86_400),
    )
    viewer_dir: Path | None = setting(
        None,
        en="Folder of the viewer that `pacsd viewer install` fetches; `viewer` in the data directory when absent.",
        zh="`pacsd viewer install` 安装阅片器的目录；缺省为数据目录下的 `viewer`。",
    )
