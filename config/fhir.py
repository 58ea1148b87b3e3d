"""Settings of FHIR."""

from dataclasses import dataclass
from pathlib import Path

from config import checks
from config.reading import Checked, setting

VALIDATION = ("off", "warn", "strict")


@dataclass(frozen=True)
class FhirSettings(Checked):
    """FHIR R4."""

    validation: str = setting(
        "strict",
        en="Resources that break a rule of FHIR: strict refuses them, warn takes them and tells, off takes them; "
        "what could not be searched or written again is always refused.",
        zh="违反 FHIR 规则的资源：strict 拒绝，warn 接收并警告，off 接收；无法检索或无法再输出的内容一律拒绝。",
        check=checks.one_of(*VALIDATION),
    )
    profiles: Path | None = setting(
        None,
        en="Folder of profiles that resources may name: StructureDefinitions (*.json) and packages (*.tgz).",
        zh="资源可声明的 profile 所在目录：StructureDefinition（*.json）与 npm 包（*.tgz）。",
    )
