"""Settings of what is kept, how and for how long: objects, workitems, what AEs are told."""

from dataclasses import dataclass

from config import checks
from config.reading import Checked, setting

MIB = 1024**2
GIB = 1024**3

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
    keep: str = setting(
        "original",
        en="original: the copies stand beside what was received; htj2k: of that only what they do not give back stays.",
        zh="original：副本与收到的原件并存；htj2k：原件中只保留副本不能逐字节还原的部分。",
        check=checks.one_of("original", "htj2k"),
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
