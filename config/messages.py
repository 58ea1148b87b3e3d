"""Settings of HL7 messages, of patients' identities, and of reports."""

from dataclasses import dataclass
from pathlib import Path

from config import checks
from config.hl7_mapping import message_type
from config.reading import Checked, setting
from config.security import certificate_name

REPORT_EVENTS = ("report.preliminary", "report.final", "report.amended", "report.cancelled", "report.critical")
CHARACTER_SETS = ("UNICODE UTF-8", "GB 18030-2000", "BIG-5", "8859/1", "ASCII")          # that we write
HL7_VERSIONS = ("2.3.1", "2.4", "2.5", "2.5.1", "2.6")
MIB = 1024**2
GIB = 1024**3

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
    certificate: str = setting(
        "",
        en="SHA-256 thumbprint or subject alternative name of its certificate: without that nobody speaks as it.",
        zh="其证书的 SHA-256 指纹或主体备用名称：无此证书者不得以该发送方身份发送。",
        check=certificate_name,
    )


@dataclass(frozen=True)
class Hl7DestinationSettings(Checked):
    """An application that messages go to, in order, each until it is acknowledged."""

    name: str = setting(en="Name, for commands and the log.", zh="名称，用于命令和日志。", check=checks.not_empty)
    host: str = setting(en="Name or address.", zh="主机名或地址。", check=checks.not_empty)
    port: int = setting(en="Port.", zh="端口。", check=checks.within(1, 65535))
    tls: bool = setting(False, en="Reach it by TLS.", zh="以 TLS 连接。")
    certificate: str = setting(
        "",
        en="SHA-256 thumbprint or subject alternative name that its certificate has; its host's name when empty.",
        zh="其证书应有的 SHA-256 指纹或主体备用名称；为空时核对主机名。",
        check=certificate_name,
    )
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
    plain_networks: tuple[str, ...] = setting(
        (),
        en="Networks of old systems that may send without TLS where `host` is beyond this machine: known senders only, "
        "each from its `addresses`.",
        zh="`host` 非本机时可不经 TLS 发送的旧系统网段：仅限已登记且来源符合其 `addresses` 的发送方。",
        check=checks.each(checks.network),
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
