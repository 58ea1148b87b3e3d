"""The parts of a report: what senders call them, and what DICOM does (PS3.16 CID 7001, CID 7002, TID 2000)."""

from collections.abc import Mapping
from dataclasses import dataclass

from pacsd.reports.report import Code


@dataclass(frozen=True, slots=True)
class Section:
    """A part. `heading`: of its container; `element`: of what it holds; `loinc`: as it is sent by HL7."""

    name: str
    heading: Code
    element: Code
    loinc: Code
    also: tuple[str, ...] = ()           # other codes: LOINC, and the suffixes of HL7 v2.5.1 7.2.4


def _dcm(value: str, meaning: str) -> Code:
    return Code(value, meaning, "DCM")


def _ln(value: str, meaning: str) -> Code:
    return Code(value, meaning, "LN")


FINDINGS = Section(
    "findings", _dcm("121070", "Findings"), _dcm("121071", "Finding"), _ln("59776-5", "Procedure findings"),
    ("18782-3", "18748-4", "GDT", "121070", "121071"),
)  # fmt: skip
SECTIONS = (
    Section(
        "indications", _dcm("121109", "Indications for Procedure"), _ln("55115-0", "Request"),
        _ln("18785-6", "Radiology reason for study"), ("121109", "55115-0"),
    ),
    Section("history", _dcm("121060", "History"), _ln("11329-0", "History"), _ln("11329-0", "History general"),
            ("121060",)),
    Section(
        "procedure", _dcm("121064", "Current Procedure Descriptions"), _dcm("121065", "Procedure Description"),
        _ln("55111-9", "Current imaging procedure descriptions"), ("121064", "121065"),
    ),
    Section(
        "previous", _dcm("121068", "Previous Findings"), _dcm("121069", "Previous Finding"),
        _ln("18834-2", "Radiology comparison study"), ("55114-3", "121068", "121069"),
    ),
    FINDINGS,
    Section(
        "impression", _dcm("121072", "Impressions"), _dcm("121073", "Impression"),
        _ln("19005-8", "Radiology Imaging study [Impression]"), ("IMP", "121072", "121073"),
    ),
    Section(
        "recommendation", _dcm("121074", "Recommendations"), _dcm("121075", "Recommendation"),
        _ln("18783-1", "Radiology study recommendation"), ("REC", "121074", "121075"),
    ),
    Section(
        "conclusion", _dcm("121076", "Conclusions"), _dcm("121077", "Conclusion"),
        _ln("55110-1", "Conclusions"), ("121076", "121077"),
    ),
    Section("addendum", _dcm("121078", "Addendum"), _dcm("121071", "Finding"), _ln("55107-7", "Addendum"),
            ("ADT", "ADD", "121078")),
)  # fmt: skip
BY_NAME: Mapping[str, Section] = {one.name: one for one in SECTIONS}
BY_CODE: Mapping[str, str] = {code: one.name for one in SECTIONS for code in (one.name, one.loinc.value, *one.also)}
DEFAULT = FINDINGS.name
ADDENDUM = "addendum"


def section_of(*codes: str) -> str:
    """The part that the first known of these codes means; empty where none is known."""
    return next((BY_CODE[code] for code in codes if code in BY_CODE), "")
