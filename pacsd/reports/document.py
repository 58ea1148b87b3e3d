"""What every DICOM object of a report says: whose it is, of which study, by which device, and of which request.

Attributes are in the DICOM JSON Model (PS3.18 F.2). UIDs follow from the version and the study, so that an object that
is made twice is one object (PS3.5 B.2: a UUID, from a name).
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

import pacsd
from pacsd.codec.keys import keys_of
from pacsd.index.reports import StudyRow
from pacsd.reports.counting import Counting
from pacsd.reports.report import Code, Order, Person, Status
from pacsd.reports.wording import clean

Attributes = dict[str, dict[str, Any]]
UTF8, TITLE = "ISO_IR 192", Code("18748-4", "Diagnostic Imaging Report", "LN")       # PS3.16 CID 7000
MANUFACTURER = "pacsd"
_OFFSET = re.compile(r"[+-]\d{4}$")
_TIMEZONE = "00080201"                    # of an object's own times
_ABOVE = frozenset(key.hex for key in (*keys_of("patient"), *keys_of("study"))) - {_TIMEZONE}
_SEVERAL_LINES = frozenset(("UT", "ST", "LT"))
_LONGEST_CODE = 16                       # VR SH
_PLAIN = str.maketrans("\\\n\t", "   ")


@dataclass(frozen=True, slots=True)
class Subject:
    """A state of a report, to be made an object of in one study. `institution`: whose report it is."""

    study: StudyRow
    state: Counting
    report: str                          # its name
    institution: str
    predecessors: Sequence[str] = ()     # SOP Instance UIDs of the objects of its former states, of the same kind

    @property
    def is_final(self) -> bool:
        """Whether somebody stands for it."""
        return self.state.status is not Status.PRELIMINARY


def uid_of(*named: str) -> str:
    """A UID that follows from these names."""
    digest = hashlib.blake2b("\n".join(named).encode(), digest_size=16).digest()
    return f"2.25.{UUID(bytes=digest, version=5).int}"


def instance_uid(subject: Subject, kind: str, number: int = 0) -> str:
    """The SOP Instance UID of an object of this state."""
    return uid_of(kind, subject.study.study_instance_uid, subject.state.newest.uid, str(number))


def series_uid(subject: Subject, kind: str) -> str:
    """The Series Instance UID of a report's objects of a kind in one study."""
    return uid_of(kind, subject.study.study_instance_uid, subject.report)


def element(vr: str, *values: object) -> dict[str, Any]:
    """An attribute; without a value where there is none. A backslash divides values, and a tab is no text, in most."""
    told = (
        clean(value).translate(_PLAIN) if isinstance(value, str) and vr not in _SEVERAL_LINES else value
        for value in values
    )
    given = [value for value in told if value not in ("", None)]
    return {"vr": vr, "Value": given} if given else {"vr": vr}


def name(text: str) -> dict[str, Any]:
    """An attribute of VR PN."""
    return element("PN", {"Alphabetic": text}) if text else element("PN")


def sequence(*items: Mapping[str, Any]) -> dict[str, Any]:
    """An attribute of VR SQ."""
    return {"vr": "SQ", "Value": list(items)} if items else {"vr": "SQ"}


def coded(code: Code) -> Attributes:
    """An item of a code sequence (PS3.3 8.8); a local code is of the private scheme 99LOCAL."""
    scheme = code.scheme if code.scheme not in ("", "L") else "99LOCAL"
    tag, vr = ("00080100", "SH") if len(code.value) <= _LONGEST_CODE else ("00080119", "UC")
    meaning = (code.meaning or code.value)[:64]
    return {tag: element(vr, code.value), "00080102": element("SH", scheme[:16]), "00080104": element("LO", meaning)}


def common(subject: Subject, *, kind: str, sop_class_uid: str, modality: str, series_number: int,
           number: int = 0) -> Attributes:  # fmt: skip
    """The modules that all have: patient, study, series, equipment, SOP common, and whether it is verified."""
    content, (date, time) = subject.state.content, moment_of(subject)
    offset = _OFFSET.search(content.issued)
    return {
        **_above(subject.study),
        **({_TIMEZONE: element("SH", offset[0])} if offset else {}),
        "00080005": element("CS", UTF8),
        "00080012": element("DA", date),
        "00080013": element("TM", time),
        "00080016": element("UI", sop_class_uid),
        "00080018": element("UI", instance_uid(subject, kind, number)),
        "00080023": element("DA", date),
        "00080033": element("TM", time),
        "00080060": element("CS", modality),
        "00080070": element("LO", MANUFACTURER),
        "00080080": element("LO", subject.institution[:64]),
        "0008103E": element("LO", "Report"),
        "00081090": element("LO", "pacsd report"),
        "00081111": sequence(),
        "00181020": element("LO", pacsd.__version__),
        "0020000D": element("UI", subject.study.study_instance_uid),
        "0020000E": element("UI", series_uid(subject, kind)),
        "00200011": element("IS", series_number),
        "00200013": element("IS", subject.state.newest.number * 100 + number),
        "0040A493": element("CS", "VERIFIED" if subject.is_final and content.verifier else "UNVERIFIED"),
    }


def moment_of(subject: Subject) -> tuple[str, str]:
    """Date and time of the content, as its sender said them; else when it came."""
    return date_and_time(subject.state.content.issued, subject.state.newest.said_at)


def date_and_time(said: str, otherwise: datetime) -> tuple[str, str]:
    """VR DA and TM of an HL7 time that names a whole day, with as much of the time as it has."""
    digits = said.partition("+")[0].partition("-")[0].partition(".")[0]
    if len(digits) < 8:
        return f"{otherwise:%Y%m%d}", f"{otherwise:%H%M%S}"
    return digits[:8], digits[8:14].ljust(6, "0") if len(digits) > 8 else "000000"


def requests(subject: Subject) -> dict[str, Any]:
    """What it answers (PS3.3 C.17.2, Referenced Request Sequence)."""
    content = subject.state.content
    items = [_request(order, subject, content.procedure) for order in content.orders]
    return {"0040A370": sequence(*items)} if items else {}


def verifying_observers(subject: Subject) -> dict[str, Any]:
    """Who stands for it (PS3.3 C.17.2, type 1C: where it is verified)."""
    content = subject.state.content
    if not subject.is_final or content.verifier is None:
        return {}
    date, time = date_and_time(content.verified or content.issued, subject.state.newest.said_at)
    observer = {
        "0040A027": element("LO", subject.institution[:64]), "0040A030": element("DT", f"{date}{time}"),
        "0040A075": name(content.verifier.name), "0040A088": _identified(content.verifier),
    }  # fmt: skip
    return {"0040A073": sequence(observer)}


def author_observers(subject: Subject) -> dict[str, Any]:
    """Who wrote it (PS3.3 C.17.2, Author Observer Sequence)."""
    author = subject.state.content.author
    if author is None:
        return {}
    observer = {
        "00080080": element("LO", subject.institution[:64]), "00080082": sequence(),
        "0040A084": element("CS", "PSN"), "0040A123": name(author.name), "00401101": _identified(author),
    }  # fmt: skip
    return {"0040A078": sequence(observer)}


def predecessors(subject: Subject, *, kind: str, sop_class_uid: str) -> dict[str, Any]:
    """The objects that this one amends (PS3.3 C.17.2, Predecessor Documents Sequence)."""
    if not subject.predecessors:
        return {}
    instances = [
        {"00081150": element("UI", sop_class_uid), "00081155": element("UI", uid)} for uid in subject.predecessors
    ]
    series = {"0020000E": element("UI", series_uid(subject, kind)), "00081199": sequence(*instances)}
    study = {"0020000D": element("UI", subject.study.study_instance_uid), "00081115": sequence(series)}
    return {"0040A360": sequence(study)}


def _above(study: StudyRow) -> Attributes:
    """What patient and study read like now, corrections included."""
    text = ",".join(filter(None, (study.attributes, study.more)))
    shown: Attributes = orjson.loads("{" + text + "}")
    needed: Attributes = {
        "00080020": element("DA"), "00080030": element("TM"), "00080050": element("SH"), "00080090": element("PN"),
        "00100010": element("PN"), "00100020": element("LO"), "00100030": element("DA"), "00100040": element("CS"),
        "00200010": element("SH"),
    }  # fmt: skip
    return {**needed, **{tag: value for tag, value in shown.items() if tag in _ABOVE}}


def _request(order: Order, subject: Subject, procedure: Code) -> Attributes:
    description = (procedure.meaning or procedure.value)[:64]
    return {
        "00080050": element("SH", order.accession_number if len(order.accession_number) <= _LONGEST_CODE else ""),
        "00081110": sequence(),
        "0020000D": element("UI", order.study_instance_uid or subject.study.study_instance_uid),
        "00321060": element("LO", description),
        "00321064": sequence(*([coded(procedure)] if procedure.value else [])),
        "00401001": element("SH"),
        "00402016": element("LO", order.placer_order_number[:64]),
        "00402017": element("LO", order.filler_order_number[:64]),
    }


def _identified(person: Person) -> dict[str, Any]:
    if not person.identifier:
        return sequence()
    return sequence(coded(Code(person.identifier, person.name.replace("^", " ").strip() or person.identifier, "")))
