"""How one sender's messages differ from the standard: a file, so that a hospital is connected without code."""

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from config import checks
from config.reading import Checked, SettingsError, read, setting

# name -> where HL7 puts it; empty where it has no place of its own
FIELDS = {
    "patient_id": "PID-3",
    "patient_name": "PID-5",
    "birth_date": "PID-7",
    "sex": "PID-8",
    "prior_patient_id": "MRG-1",
    "mother_name": "PID-6",
    "address": "PID-11",
    "phone": "PID-13",
    "account_number": "PID-18",
    "social_security_card": "PID-19",
    "multiple_birth": "PID-24",
    "id_card": "",
    "health_card": "",
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
# the same of orders: where HL7 puts it, by the kind of message; the first place that says something counts
ORDER_FIELDS = {
    "placer_order_number": ("ORC-2", "OBR-2"),
    "filler_order_number": ("ORC-3", "OBR-3"),
    "order_control": ("ORC-1",),
    "order_status": ("ORC-5",),
    "accession_number": ("IPC-1", "OBR-18"),
    "requested_procedure_id": ("IPC-2", "OBR-19"),
    "study_instance_uid": ("IPC-3", "ZDS-1"),
    "step_id": ("IPC-4", "OBR-20"),
    "modality": ("IPC-5", "OBR-24"),
    "procedure": ("OBR-44", "OBR-4"),
    "protocol": ("IPC-6",),
    "station_name": ("IPC-7",),
    "step_location": ("IPC-8",),
    "station_ae_title": ("IPC-9",),
    "start": ("TQ1-7", "ORC-7.4", "OBR-27.4", "OBR-36"),
    "priority": ("TQ1-9", "ORC-7.6", "OBR-27.6"),
    "ordered_at": ("ORC-9", "MSH-7"),
    "ordering_provider": ("OBR-16", "ORC-12"),
    "referring_doctor": ("PV1-8",),
    "performing_physician": ("OBR-34",),
    "requesting_service": ("ORC-17.2", "ORC-17.1"),
    "reason": ("OBR-31.2", "OBR-31.1", "ORC-16.2", "ORC-16.1"),
    "transport": ("OBR-30",),
    "danger_code": ("OBR-12.2", "OBR-12.1"),
    "clinical_information": ("OBR-13",),
    "admission_id": ("PV1-19", "PID-18"),
    "patient_location": ("PV1-3",),
    "ambulatory_status": ("PV1-15",),
    "confidentiality": ("PV1-16",),
    "entered_by": ("ORC-10",),
    "entering_location": ("ORC-13",),
    "callback_number": ("ORC-14",),
    "appointment_placer_order": ("SCH-26",),
    "appointment_filler_order": ("SCH-27",),
    "appointment_start": ("AIS-4", "TQ1-7", "SCH-11.4"),
    "appointment_location": ("AIL-3",),
    "appointment_resource": ("AIG-3",),
    "appointment_personnel": ("AIP-3",),
}
CODED = (
    "sex", "modality", "priority", "order_control", "order_status", "station_ae_title", "report_status",
    "report_section", "abnormal_flag",
)  # fmt: skip
CARDS = ("id_card", "health_card", "social_security_card")
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

    name: str = setting(en="What it is.", zh="含义。", check=checks.one_of(*FIELDS, *ORDER_FIELDS))
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
class ProcedureMapping(Checked):
    """A procedure as the sender calls it; what is empty stays as it was sent."""

    sent: str = setting(en="Its code (OBR-44 or OBR-4) as it comes.", zh="发送的项目代码。", check=checks.not_empty)
    code: str = setting("", en="The code here.", zh="本平台的代码。")
    scheme: str = setting("", en="Coding Scheme Designator (0008,0102).", zh="编码体系 (0008,0102)。")
    meaning: str = setting("", en="Code Meaning (0008,0104).", zh="代码含义 (0008,0104)。")
    modality: str = setting("", en="Modality where the message says none.", zh="未注明时的设备类型。",
                            check=checks.modality)  # fmt: skip
    ae_titles: tuple[str, ...] = setting(
        (), en="Stations where the message names none.", zh="未注明时的设备 AE 标题。",
        check=checks.each(checks.ae_title),
    )


@dataclass(frozen=True)
class StationMapping(Checked):
    """Where a modality's procedures are done, where the message names no station."""

    modality: str = setting(en="Modality (0008,0060).", zh="设备类型 (0008,0060)。", check=checks.modality)
    ae_titles: tuple[str, ...] = setting(en="AE titles.", zh="AE 标题。", check=checks.each(checks.ae_title))


@dataclass(frozen=True)
class CardMapping(Checked):
    """By what the identifiers of a list are cards, and no patient ids."""

    kind: str = setting(en="Which card.", zh="证件种类。", check=checks.one_of(*CARDS))
    types: tuple[str, ...] = setting((), en="Types (CX-5).", zh="标识类型（CX-5）。")
    authorities: tuple[str, ...] = setting((), en="Namespaces or OIDs (CX-4).", zh="命名空间或 OID（CX-4）。")


# HL7 table 0203; OIDs of WS/T 500
USUAL_CARDS = (
    CardMapping("id_card", ("NNCHN", "NNCN", "NI"), ("2.16.156.10011.1.3",)),
    CardMapping("health_card", ("HC", "JHN"), ("2.16.156.10011.1.19",)),
    CardMapping("social_security_card", ("SS",), ()),
)


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
    cards: tuple[CardMapping, ...] = setting(
        USUAL_CARDS, en="Which identifiers are cards.", zh="视为证件的标识。"
    )
    fields: tuple[FieldMapping, ...] = setting((), en="Values that stand elsewhere.", zh="位置不同的字段。")
    codes: tuple[CodeMapping, ...] = setting((), en="Codes of its own.", zh="自有代码。")
    authorities: tuple[AuthorityMapping, ...] = setting((), en="Its names of authorities.", zh="签发机构名称对照。")
    procedures: tuple[ProcedureMapping, ...] = setting((), en="Its procedures.", zh="检查项目对照。")
    stations: tuple[StationMapping, ...] = setting((), en="Stations by modality.", zh="按设备类型的设备。")
    coding_scheme: str = setting("L", en="Of codes that name none.", zh="未注明时的编码体系。", check=checks.not_empty)
    start_from_order: bool = setting(
        True, en="An order that says no start is to be done when it was ordered; otherwise it is refused.",
        zh="未注明预约时间的申请以开单时间为准；否则拒收。",
    )

    @cached_property
    def _own_paths(self) -> dict[str, str]:
        return {one.name: one.path for one in reversed(self.fields)}

    @cached_property
    def _own_codes(self) -> dict[tuple[str, str], str]:
        return {(one.name, one.sent): one.meant for one in reversed(self.codes)}

    @cached_property
    def _own_authorities(self) -> dict[str, str]:
        return {one.sent: one.meant for one in self.authorities}

    @cached_property
    def _said_of_cards(self) -> frozenset[str]:
        return frozenset(one for card in self.cards for one in (*card.types, *card.authorities) if one)

    def path(self, name: str) -> str:
        """Where the sender puts a value of FIELDS."""
        return self._own_paths.get(name) or FIELDS[name]

    def places(self, name: str) -> tuple[str, ...]:
        """Where the sender puts a value of ORDER_FIELDS, the first place that says something counts."""
        own = [one.path for one in self.fields if one.name == name]
        return (own[0],) if own else ORDER_FIELDS[name]

    def procedure(self, sent: str) -> ProcedureMapping | None:
        """What a procedure of the sender is here."""
        return next((one for one in self.procedures if one.sent == sent), None)

    def stations_of(self, modality: str) -> tuple[str, ...]:
        """Where a modality's procedures are done."""
        return next((one.ae_titles for one in self.stations if one.modality == modality), ())

    def code(self, name: str, sent: str) -> str:
        """What a code of the sender means."""
        return self._own_codes.get((name, sent), sent)

    def authority(self, *sent: str) -> str | None:
        """What the first name that is known here means, None where none is."""
        known = self._own_authorities
        return next((known[name] for name in sent if name and name in known), None)

    def card(self, kind: str, *authorities: str) -> str:
        """Which card an identifier of that type and those names of its authority is; empty for a patient id."""
        if self._said_of_cards.isdisjoint((kind, *authorities)):
            return ""
        for one in self.cards:
            if (kind and kind in one.types) or any(name and name in one.authorities for name in authorities):
                return one.kind
        return ""

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
