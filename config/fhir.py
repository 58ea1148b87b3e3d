"""Settings of the FHIR server."""

from dataclasses import dataclass
from pathlib import Path

from config import checks
from config.reading import Checked, setting

MIB = 1 << 20
VALIDATION = ("off", "warn", "strict")


@dataclass(frozen=True)
class FhirSettings(Checked):
    """FHIR R4 at /fhir."""

    validation: str = setting(
        "strict",
        en="Of resources that are written: strict refuses what breaks a rule of R4 or of a known profile it names, "
        "warn says so, off takes it; what could not be searched or given out again is refused always.",
        zh="写入资源时的校验：strict 拒绝违反 R4 规则或其所声明的已知 profile 的资源，warn 仅提示，off 接收；"
        "无法检索或无法再输出的内容一律拒绝。",
        check=checks.one_of(*VALIDATION),
    )
    profiles: Path | None = setting(
        None,
        en="Folder of profiles that resources may name: StructureDefinitions (*.json) and packages (*.tgz).",
        zh="资源可声明的 profile 所在目录：StructureDefinition（*.json）与 npm 包（*.tgz）。",
    )
    max_body_bytes: int = setting(
        64 * MIB,
        unit="bytes",
        en="Largest body of a request.",
        zh="单次请求正文上限。",
        check=checks.within(1024, 1 << 31),
    )
    max_entries: int = setting(
        10_000,
        en="Most entries of one batch or transaction.",
        zh="单个 batch 或 transaction 的最大条目数。",
        check=checks.within(1, 1_000_000),
    )
    max_page: int = setting(
        1_000,
        en="Most entries of one page; _count asks for less.",
        zh="单页最大条目数。",
        check=checks.within(1, 10_000),
    )
    full_text: bool = setting(
        True,
        en="Search words of resources (_text, _content); it makes writing slower.",
        zh="是否支持全文检索（_text、_content）；开启会降低写入速度。",
    )
    subscription_networks: tuple[str, ...] = setting(
        (),
        en="Networks beside the public internet that subscriptions and $import may reach, such as 10.1.0.0/16.",
        zh="除公网外允许订阅通知到达、$import 取文件的网段，如 10.1.0.0/16。",
        check=checks.each(checks.network),
    )
    conditional_deletes: int = setting(
        1,
        en="Most resources that one conditional delete may take; 1: one that finds several is refused.",
        zh="一次条件删除最多可删除的资源数；为 1 时匹配多个即拒绝。",
        check=checks.within(1, 10_000),
    )
