"""How one sender's messages differ from the standard: a file, so that a hospital is connected without code."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from config import checks
from config.reading import Checked, SettingsError, read, setting

# name -> where HL7 puts it
FIELDS = {
    "patient_id": "PID-3",
    "patient_name": "PID-5",
    "birth_date": "PID-7",
    "sex": "PID-8",
    "prior_patient_id": "MRG-1",
    "study_instance_uid": "ZDS-1",
    "accession_number": "OBR-18",
    "placer_order_number": "OBR-2",
    "filler_order_number": "OBR-3",
    "report_id": "OBR-3",
    "report_status": "OBR-25",
    "report_time": "OBR-22",
    "report_author": "OBR-33",
    "report_verifier": "OBR-32",
}
CODED = ("sex", "report_status", "report_section", "abnormal_flag")
_PLACE = re.compile(r"[A-Z][A-Z0-9]{2}(\[\d+\])?-[1-9]\d*(\[\d+\])?(\.\d+){0,2}")
_TYPE = re.compile(r"[A-Z0-9]{3}(\^[A-Z0-9]{3})?")


def place(value: object) -> str | None:
    """Where a value stands in a message."""
    return None if _PLACE.fullmatch(str(value)) else f"{value!r} names no place such as PID-5.1 or ZPI-3"


def message_type(value: object) -> str | None:
    """MSH-9 as code, or code and event."""
    return None if _TYPE.fullmatch(str(value)) else f"{value!r} is not a message type such as ADT^A03 or DFT"


@dataclass(frozen=True)
class FieldMapping(Checked):
    """A value that stands elsewhere."""

    name: str = setting(en="What it is.", zh="含义。", check=checks.one_of(*FIELDS))
    path: str = setting(en="Where it stands, such as PID-2 or ZPI-3.1.", zh="所在位置。", check=place)


@dataclass(frozen=True)
class CodeMapping(Checked):
    """A code of the sender's own."""

    name: str = setting(en="Of which value.", zh="所属字段。", check=checks.one_of(*CODED))
    sent: str = setting(en="As it comes.", zh="发送的代码。", check=checks.not_empty)
    meant: str = setting(en="The code of the HL7 table.", zh="对应的 HL7 代码。", check=checks.not_empty)


@dataclass(frozen=True)
class AuthorityMapping(Checked):
    """An assigning authority as the sender calls it."""

    sent: str = setting(en="Namespace or universal id as it comes.", zh="发送的命名空间或通用标识。")
    meant: str = setting(en="The authority's name here.", zh="本平台的签发机构名。", check=checks.authority)


@dataclass(frozen=True)
class MessageMapping(Checked):
    """One sender's declared differences. Without a file: none."""

    character_set: str = setting(
        "UNICODE UTF-8", en="Where MSH-18 is empty.", zh="MSH-18 为空时的字符集。", check=checks.not_empty
    )
    character_set_overrides: bool = setting(False, en="Count it over MSH-18.", zh="忽略 MSH-18，以此为准。")
    version: str = setting("", en="Where MSH-12 is empty.", zh="MSH-12 为空时的版本。")
    processing_id: str = setting("", en="Where MSH-11 is empty.", zh="MSH-11 为空时的处理标识。")
    lenient_ends: bool = setting(True, en="LF and CR LF end segments, too.", zh="LF、CRLF 也作为段结束符。")
    strict: bool = setting(False, en="Refuse what its version's structures forbid.", zh="按版本结构严格校验。")
    ignored: tuple[str, ...] = setting(
        (), en="Message types that are accepted and kept without effect.", zh="接收但不处理的消息类型。",
        check=checks.each(message_type),
    )
    identifier_types: tuple[str, ...] = setting(
        ("", "MR", "PI", "PT", "PN", "U"), en="Types (CX-5) of ids that are patient ids.", zh="视为患者标识的类型。"
    )
    fields: tuple[FieldMapping, ...] = setting((), en="Values that stand elsewhere.", zh="位置不同的字段。")
    codes: tuple[CodeMapping, ...] = setting((), en="Codes of its own.", zh="自有代码。")
    authorities: tuple[AuthorityMapping, ...] = setting((), en="Its names of authorities.", zh="签发机构名称对照。")

    def path(self, name: str) -> str:
        """Where the sender puts a value of FIELDS."""
        return next((one.path for one in self.fields if one.name == name), FIELDS[name])

    def code(self, name: str, sent: str) -> str:
        """What a code of the sender means."""
        return next((one.meant for one in self.codes if one.name == name and one.sent == sent), sent)

    def authority(self, *sent: str) -> str | None:
        """What the first name that is known here means, None where none is."""
        known = {one.sent: one.meant for one in self.authorities}
        return next((known[name] for name in sent if name and name in known), None)

    def ignores(self, code: str, event: str) -> bool:
        """Whether a message of this type is accepted without effect."""
        return code in self.ignored or f"{code}^{event}" in self.ignored


def load_mapping(file: Path | None) -> MessageMapping:
    """The mapping of a file, or none. Raises SettingsError, which names file and key."""
    if file is None:
        return MessageMapping()
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(str(file), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(file), f"is not TOML: {error}") from error
    try:
        return read(MessageMapping, tables, folder=file.parent)
    except SettingsError as error:
        raise SettingsError(f"{file}: {error.key}", error.problem) from None
