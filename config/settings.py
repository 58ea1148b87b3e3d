"""Settings: one typed, frozen tree. Name, default, unit and help of each stand together here and nowhere else."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from config import checks
from config.hl7_mapping import message_type
from config.reading import Checked, SettingsError, read, setting

__all__ = [
    "DimseSettings",
    "Hl7DestinationSettings",
    "Hl7SenderSettings",
    "Hl7Settings",
    "Htj2kSettings",
    "IdentityDomainSettings",
    "IdentitySettings",
    "LogSettings",
    "NotificationSettings",
    "OrganisationSettings",
    "OwnAESettings",
    "PostgresSettings",
    "RetentionSettings",
    "RemoteAESettings",
    "ReportsSettings",
    "Settings",
    "SettingsError",
    "StorageSettings",
    "SuperviseSettings",
    "WebSettings",
    "WorklistSettings",
    "load_settings",
]

ROLES = ("dimse", "web", "hl7", "worker")
SERVICES = ("echo", "store", "find", "move", "get", "worklist", "mpps", "commitment", "ups")
REJECTED = ("hide", "notes", "keep")
REPORT_EVENTS = ("report.preliminary", "report.final", "report.amended", "report.cancelled", "report.critical")
CHARACTER_SETS = ("UNICODE UTF-8", "GB 18030-2000", "BIG-5", "8859/1", "ASCII")          # that we write
HL7_VERSIONS = ("2.3.1", "2.4", "2.5", "2.5.1", "2.6")
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
        en="Addresses and networks of proxies whose X-Forwarded-Proto and X-Forwarded-Host are believed.",
        zh="可信代理的地址或网段，采信其 X-Forwarded-Proto 与 X-Forwarded-Host。",
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


@dataclass(frozen=True)
class StorageSettings(Checked):
    """Blobs and packs."""

    reserve_bytes: int = setting(
        GIB,
        unit="bytes",
        en="Free space below which new objects are refused (0xA700, 507).",
        zh="剩余空间低于此值时拒收（0xA700、507）。",
        check=checks.within(0, 2**60),
    )
    spool_segment_bytes: int = setting(
        16 * MIB,
        unit="bytes",
        en="Size of the spool's segments, files of many objects; larger objects (0: all) have files of their own.",
        zh="收件暂存段文件的大小，每段容纳多个对象；更大的对象（设为 0 时为全部对象）各存一个文件。",
        check=checks.within(0, 2**30),
    )
    spool_ready_bytes: int = setting(
        256 * MIB,
        unit="bytes",
        en="Segments written ahead while nobody sends; an object that goes into one is stored sooner.",
        zh="空闲时预先写好的暂存段总量；写入其中的对象入库更快。",
        check=checks.within(0, 2**40),
    )
    duplicates: str = setting(
        "keep",
        en="Same UID, other content: keep the first, replace it, or quarantine the second.",
        zh="UID 相同而内容不同：keep 保留先到，replace 以后到替换，quarantine 隔离后到。",
        check=checks.one_of("keep", "replace", "quarantine"),
    )
    quiet_s: float = setting(
        60.0,
        unit="s",
        en="Silence of a series after which it is packed.",
        zh="序列静默多久后打包。",
        check=checks.within(0, 31_536_000),
    )
    max_pack_bytes: int = setting(
        2 * GIB,
        unit="bytes",
        en="Largest pack; a larger object has its own.",
        zh="单个包的上限。",
        check=checks.within(1024, 2**45),
    )
    grace_s: float = setting(
        3600.0,
        unit="s",
        en="Time from replacing a file to deleting it, so that readers finish.",
        zh="文件被替换后保留多久再删除。",
        check=checks.within(0, 31_536_000),
    )
    delete_expired_s: float = setting(
        604_800.0,
        unit="s",
        en="Time from the note that data were kept long enough (113039) to their deletion; hidden at once.",
        zh="收到“保留期满”拒绝说明 (113039) 后多久删除影像；立即隐藏。",
        check=checks.within(0, 3_153_600_000),
    )


@dataclass(frozen=True)
class Htj2kSettings(Checked):
    """Series of which a second copy is kept, coded losslessly in HTJ2K (1.2.840.10008.1.2.4.202)."""

    organisation: str = setting("", en="Whose series; everybody's when empty.", zh="所属机构；为空表示全部机构。")
    modality: str = setting(
        "",
        en="Of which Modality (0008,0060); all when empty.",
        zh="检查设备类型 (0008,0060)；为空表示全部。",
        check=checks.modality,
    )


@dataclass(frozen=True)
class RetentionSettings(Checked):
    """A rule for how long studies are kept; of several that apply to a study the longest counts."""

    keep_days: int = setting(
        unit="days", en="How long they are kept.", zh="保留天数。", check=checks.within(1, 36_525)
    )
    organisation: str = setting("", en="Whose studies; everybody's when empty.", zh="所属机构；为空表示全部机构。")
    modality: str = setting(
        "",
        en="Of which Modality (0008,0060) a series of the study is; all when empty.",
        zh="检查中任一序列的设备类型 (0008,0060)；为空表示全部。",
        check=checks.modality,
    )
    since: str = setting(
        "study_date",
        en="From study_date on (when it arrived, if it has none), or from last_received.",
        zh="起算日：study_date 检查日期（缺失时取接收日期），last_received 最后接收日期。",
        check=checks.one_of("study_date", "last_received"),
    )
    minors_until_age: int = setting(
        0,
        unit="years",
        en="Those of patients under 18 stay at least until that age, without a birth date for ever; 0: as others.",
        zh="未满 18 岁患者的检查至少保留到该年龄，无出生日期者一直保留；0 表示与他人相同。",
        check=checks.within(0, 120),
    )
    notes_to: tuple[str, ...] = setting(
        (),
        en="AE titles that take a rejection note (113039) before a study is deleted.",
        zh="删除检查前须接收拒绝说明 (113039) 的 AE。",
        check=checks.each(checks.ae_title),
    )


@dataclass(frozen=True)
class WorklistSettings(Checked):
    """Unified procedure steps (PS3.4 CC, PS3.18 11)."""

    default_label: str = setting(
        "WORKLIST",
        en="Worklist Label (0074,1202) of workitems that come without one.",
        zh="未注明工作列表标签 (0074,1202) 的工作项所取的标签。",
        check=checks.not_empty,
    )
    keep_finished_s: float = setting(
        604_800.0,
        unit="s",
        en="How long completed and canceled workitems are kept, beyond that only under a deletion lock.",
        zh="已完成或已取消的工作项保留多久；此后仅在有删除锁时保留。",
        check=checks.within(0, 3_153_600_000),
    )
    keep_reports_s: float = setting(
        2_592_000.0,
        unit="s",
        en="How long event reports wait for a subscriber that opens no channel.",
        zh="订阅方未打开通道时，事件报告保留多久。",
        check=checks.within(60, 3_153_600_000),
    )
    keep_performed_s: float = setting(
        7_776_000.0,
        unit="s",
        en="How long performed procedure steps (MPPS) are kept after their end, or their last change.",
        zh="执行步骤 (MPPS) 在结束或最后一次更改之后保留多久。",
        check=checks.within(60, 3_153_600_000),
    )


@dataclass(frozen=True)
class NotificationSettings(Checked):
    """What AEs are told: results of storage commitment (PS3.4 J), availability of instances (PS3.4 R)."""

    give_up_s: float = setting(
        259_200.0,
        unit="s",
        en="How long an AE that cannot be reached, or cannot take a notification, is tried again.",
        zh="对方不可达或暂不能接收时，通知重试多久后放弃。",
        check=checks.within(60, 31_536_000),
    )
    keep_s: float = setting(
        2_592_000.0,
        unit="s",
        en="How long requests for storage commitment and their results, and notifications that were told, are kept.",
        zh="存储确认请求及结果、已送达的通知保留多久。",
        check=checks.within(60, 3_153_600_000),
    )


@dataclass(frozen=True)
class Hl7SenderSettings(Checked):
    """A sending application we know."""

    name: str = setting(en="Name, as the log shows it.", zh="日志中显示的名称。", check=checks.not_empty)
    application: str = setting(en="Its MSH-3.", zh="其 MSH-3。", check=checks.not_empty)
    organisation: str = setting(en="Whose patients it speaks of.", zh="其患者所属的机构。", check=checks.code)
    facility: str = setting("", en="Its MSH-4; any when empty.", zh="其 MSH-4；为空表示不限。")
    assigning_authority: str | None = setting(
        None,
        en="Of its patient ids that name none, if not the organisation's.",
        zh="未注明时其患者标识的签发机构（若与机构默认不同）。",
        check=checks.authority,
    )
    mapping: Path | None = setting(
        None,
        en="File that says how its messages differ from the standard, as config/hl7/example.toml shows.",
        zh="说明其消息与标准差异的文件，示例见 config/hl7/example.toml。",
    )
    addresses: tuple[str, ...] = setting(
        (),
        en="Addresses and networks it may send from; any when empty.",
        zh="允许的来源地址或网段；为空表示不限。",
        check=checks.each(checks.network),
    )


@dataclass(frozen=True)
class Hl7DestinationSettings(Checked):
    """An application that messages go to, in order, each until it is acknowledged."""

    name: str = setting(en="Name, for commands and the log.", zh="名称，用于命令和日志。", check=checks.not_empty)
    host: str = setting(en="Name or address.", zh="主机名或地址。", check=checks.not_empty)
    port: int = setting(en="Port.", zh="端口。", check=checks.within(1, 65535))
    answer_timeout_s: float = setting(
        30.0, unit="s", en="Wait for an acknowledgement.", zh="等待确认的时间。", check=checks.within(1, 60)
    )
    relays: tuple[str, ...] = setting(
        (),
        en="Message types, such as ADT^A40, that are passed on to it as they came once they took effect.",
        zh="生效后原样转发给它的消息类型，如 ADT^A40。",
        check=checks.each(message_type),
    )
    order_status: str = setting(
        "",
        en="Kind of message that tells it how far exams are: ORM^O01 or OMI^O23; none when empty.",
        zh="告知其检查进度的消息类型：ORM^O01 或 OMI^O23；为空表示不告知。",
        check=checks.one_of("", "ORM^O01", "OMI^O23"),
    )
    organisation: str = setting(
        "", en="Whose exams and reports; the first organisation's when empty.",
        zh="所属机构的检查和报告；为空时取第一个机构。",
    )
    notifies: tuple[str, ...] = setting(
        (),
        en="Assigning authorities of whose patients it is told by ADT^A31 who is linked to whom (ITI-10).",
        zh="关联变化时以 ADT^A31 通知它的签发机构（ITI-10）。",
        check=checks.each(checks.authority),
    )
    reports: tuple[str, ...] = setting(
        (),
        en="Which events of reports it gets an ORU^R01 of.",
        zh="就哪些报告事件向其发送 ORU^R01。",
        check=checks.each(checks.one_of(*REPORT_EVENTS)),
    )
    application: str = setting("", en="Its MSH-5, in what we write.", zh="由本机撰写的消息中的 MSH-5。")
    facility: str = setting("", en="Its MSH-6, in what we write.", zh="由本机撰写的消息中的 MSH-6。")
    character_set: str = setting(
        "UNICODE UTF-8",
        en="Character set of what we write, of HL7 table 0211.",
        zh="由本机撰写的消息的字符集（HL7 表 0211）。",
        check=checks.one_of(*CHARACTER_SETS),
    )
    version: str = setting(
        "2.5.1", en="HL7 version of what we write.", zh="由本机撰写的消息的 HL7 版本。",
        check=checks.one_of(*HL7_VERSIONS),
    )  # fmt: skip


@dataclass(frozen=True)
class Hl7Settings(Checked):
    """HL7 v2 over MLLP."""

    processes: int = setting(1, en="Processes that receive.", zh="接收进程数。", check=checks.within(1, 32))
    organisation: str = setting(
        "",
        en="Whose patients unknown senders speak of; the first organisation when empty.",
        zh="未登记发送方的患者所属的机构；为空时取第一个。",
    )
    accept_unknown_senders: bool = setting(
        True, en="Take messages of applications that are not listed.", zh="接收未登记应用的消息。"
    )
    processing_ids: tuple[str, ...] = setting(
        ("P",),
        en="MSH-11 of messages that are taken: P production, T training, D debugging.",
        zh="接收的 MSH-11：P 生产、T 培训、D 调试。",
        check=checks.each(checks.one_of("P", "T", "D")),
    )
    max_connections: int = setting(
        200, en="Connections at once; further ones are closed.", zh="最大连接数，超出即关闭。",
        check=checks.within(1, 10_000),
    )  # fmt: skip
    max_message_bytes: int = setting(
        64 * MIB, unit="bytes", en="Largest message.", zh="最大消息。", check=checks.within(1024, GIB)
    )
    max_held_bytes: int = setting(
        256 * MIB,
        unit="bytes",
        en="Unfinished messages of all connections together, beyond a MiB each.",
        zh="所有连接未收完消息的总量（每个连接 1 MiB 以外）。",
        check=checks.within(MIB, 64 * GIB),
    )
    message_timeout_s: float = setting(
        60.0, unit="s", en="Silence inside a message that ends its connection.", zh="消息中途静默多久后断开。",
        check=checks.within(1, 3600),
    )  # fmt: skip
    idle_timeout_s: float = setting(
        0.0, unit="s", en="Silence between messages that ends a connection; 0 never.",
        zh="消息之间静默多久后断开；0 为不断开。",
        check=checks.within(0, 31_536_000),
    )  # fmt: skip
    keep_messages_s: float = setting(
        7_776_000.0, unit="s", en="How long messages stay in the log; what waits to be sent stays.",
        zh="消息日志保留多久；待发送的消息不删除。", check=checks.within(60, 3_153_600_000),
    )  # fmt: skip


@dataclass(frozen=True)
class IdentityDomainSettings(Checked):
    """An assigning authority with its universal id."""

    authority: str = setting(en="The authority's name here.", zh="本平台的签发机构名。", check=checks.authority)
    universal_id: str = setting(en="Its OID, as HL7 messages carry it.", zh="HL7 消息中的 OID。", check=checks.uid)


@dataclass(frozen=True)
class IdentitySettings(Checked):
    """Master patient index: who is one person across assigning authorities."""

    automatic_score: float = setting(
        30.0, en="Evidence from which on two records may be linked without a decision.",
        zh="可自动关联的最低证据分值。", check=checks.within(0, 1000),
    )  # fmt: skip
    review_score: float = setting(
        16.0, en="Evidence from which on a pair is shown for review.",
        zh="进入人工复核的最低证据分值。", check=checks.within(0, 1000),
    )  # fmt: skip
    proofs: tuple[str, ...] = setting(
        ("health_card",),
        en="What an automatic link must agree in besides name, birth date and sex; identity and social-security cards"
           " can be lent.",
        zh="自动关联除姓名、出生日期、性别外还须一致的证件；身份证、社保卡可能被借用。",
        check=checks.each(checks.one_of("health_card", "id_card", "social_security_card")),
    )  # fmt: skip
    max_results: int = setting(
        1000, en="Most patients of one answer to a demographics query; more come by continuation.",
        zh="单次人口学查询返回的最大患者数，更多须分批续取。", check=checks.within(1, 100_000),
    )  # fmt: skip


@dataclass(frozen=True)
class ReportsSettings(Checked):
    """Reports that came as messages."""

    objects: tuple[str, ...] = setting(
        (),
        en="What they become in their studies: sr for text as Basic Text SR, pdf for documents as Encapsulated PDF.",
        zh="在检查中生成的对象：sr 将文本存为 Basic Text SR，pdf 将文档存为 Encapsulated PDF。",
        check=checks.each(checks.one_of("sr", "pdf")),
    )
    object_statuses: tuple[str, ...] = setting(
        ("final", "corrected"),
        en="Of reports in which status: preliminary, final, corrected.",
        zh="对哪些状态的报告生成：preliminary、final、corrected。",
        check=checks.each(checks.one_of("preliminary", "final", "corrected")),
    )


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
        en="DSN of a PostgreSQL of yours; embedded in the data directory when absent.",
        zh="外部 PostgreSQL 连接串；缺省时使用数据目录内嵌的实例。",
        check=checks.not_empty,
    )
    host: str = setting("127.0.0.1", en="Address to listen on.", zh="监听地址。", check=checks.not_empty)
    http_port: int = setting(
        8080, en="Port of DICOMweb, health and metrics.", zh="HTTP 端口。", check=checks.within(0, 65535)
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
    dimse: DimseSettings = setting(DimseSettings, en="DICOM associations.", zh="DICOM 关联。")
    web: WebSettings = setting(WebSettings, en="DICOMweb.", zh="DICOMweb。")
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
    worklist: WorklistSettings = setting(WorklistSettings, en="Workitems.", zh="工作项。")
    notifications: NotificationSettings = setting(NotificationSettings, en="What AEs are told.", zh="通知。")
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
        for sender in _tables(tables.get("hl7_senders")):
            if isinstance(sender.get("mapping"), str):
                sender["mapping"] = file.parent / Path(sender["mapping"]).expanduser()
    for key, value in overrides.items():
        _put(tables, key, value)
    return read(Settings, tables, folder=Path())


def _parse(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(str(file), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(file), f"is not TOML: {error}") from error


def _tables(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


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


def _check_references(settings: Settings) -> None:
    """Every organisation that is named exists, and nothing is said twice."""
    codes = [one.code for one in settings.organisations]
    first = codes[0]
    _refuse_repeats("organisations", "code", codes)
    _refuse_repeats("own_aes", "title", [one.title for one in settings.own_aes])
    _refuse_repeats("hl7_senders", "name", [one.name for one in settings.hl7_senders])
    _refuse_repeats("hl7_destinations", "name", [one.name for one in settings.hl7_destinations])
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
