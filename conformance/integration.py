"""The IHE Integration Statement, rendered from the claims that `pacsd claims` prints as JSON.

    pacsd claims | python -m conformance.integration [en|zh]

Which transactions an actor must support, and which messages and SOP classes these take, is written from the technical
frameworks, never from our tables. An actor stands in the statement when everything it must support is claimed.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Claims = Mapping[str, Any]

BASIC_TEXT_SR, ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.88.22"
STUDY_FIND, STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2"
PATIENT_FIND, PATIENT_MOVE = "1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.1.2.1.2"


@dataclass(frozen=True, slots=True)
class Transaction:
    """One that an actor must support: the HL7 messages it takes, the SOP classes it is an SCP of, the FHIR interactions
    and operations that it answers (`search Patient`, `$match Patient`)."""

    name: str
    messages: tuple[str, ...] = ()
    sop_classes: tuple[str, ...] = ()
    fhir: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor of a profile, or one with an option, and all that it must support."""

    profile: str
    name: str
    transactions: tuple[Transaction, ...]
    option: str = ""


ACTORS = (
    # RAD TF-1 Table 9.1-1; RAD TF-2 4.25 to 4.28
    Actor("Simple Image and Numeric Report (SINR)", "Enterprise Report Repository", (
        Transaction("RAD-28", messages=("ORU^R01",)),
    )),
    Actor("Simple Image and Numeric Report (SINR)", "Report Repository", (
        Transaction("RAD-25", sop_classes=(BASIC_TEXT_SR, ENHANCED_SR)),
        Transaction("RAD-26", sop_classes=(STUDY_FIND, PATIENT_FIND)),
        Transaction("RAD-27", sop_classes=(STUDY_MOVE, PATIENT_MOVE)),
    )),
    # ITI TF-1 Table 14.1-1, 14.3.1; ITI TF-2 3.30
    Actor("Patient Administration Management (PAM)", "Patient Demographics Consumer", (
        Transaction("ITI-30", messages=("ADT^A28", "ADT^A31", "ADT^A47", "ADT^A40")),
    ), option="Merge"),
    Actor("Patient Administration Management (PAM)", "Patient Demographics Consumer", (
        Transaction("ITI-30", messages=("ADT^A28", "ADT^A31", "ADT^A47", "ADT^A24", "ADT^A37")),
    ), option="Link/Unlink"),
    # ITI TF-1 Table 5.1-1; ITI TF-2 3.8, 3.9
    Actor("Patient Identifier Cross-referencing (PIX)", "Patient Identifier Cross-reference Manager", (
        Transaction("ITI-8", messages=("ADT^A01", "ADT^A04", "ADT^A05", "ADT^A08", "ADT^A40")),
        Transaction("ITI-9", messages=("QBP^Q23",)),
    )),
    # ITI TF PIXm 1:41.1, 2:3.83, 2:3.104
    Actor("Patient Identifier Cross-referencing for mobile (PIXm)", "Patient Identifier Cross-reference Manager", (
        Transaction("ITI-83", fhir=("GET $ihe-pix Patient",)),
        Transaction("ITI-104", fhir=("PUT Patient?criteria",)),
    )),
    # ITI TF PDQm 1:38.1, 1:38.2, 2:3.78, 2:3.119
    Actor("Patient Demographics Query for mobile (PDQm)", "Patient Demographics Supplier", (
        Transaction("ITI-78", fhir=("GET Patient?criteria", "POST Patient/_search", "GET Patient/id")),
    )),
    Actor("Patient Demographics Query for mobile (PDQm)", "Patient Demographics Supplier", (
        Transaction("ITI-78", fhir=("GET Patient?criteria", "POST Patient/_search", "GET Patient/id")),
        Transaction("ITI-119", fhir=("POST $match Patient",)),
    ), option="Match Operation"),
)  # fmt: skip
WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "IHE Integration Statement", "product": "Product", "version": "Version",
        "profile": "Integration profile", "actor": "Actor", "options": "Options", "transactions": "Transactions",
        "none": "none", "nothing": "No actor is complete.",
    },
    "zh": {
        "title": "IHE 集成声明", "product": "产品", "version": "版本",
        "profile": "集成规范", "actor": "角色", "options": "选项", "transactions": "事务",
        "none": "无", "nothing": "尚无完整的角色。",
    },
}  # fmt: skip


def claimed(claims: Claims) -> list[Actor]:
    """The actors that are complete; an option without which an actor is none makes it one."""
    messages = {one["type"] for one in claims["hl7"]["messages"]}
    sop_classes = {one["uid"] for one in claims["dimse"]["sop_classes"]}
    fhir = set(claims["fhir"]["requests"])
    return [
        one for one in ACTORS
        if all(messages.issuperset(each.messages) and sop_classes.issuperset(each.sop_classes)
               and fhir.issuperset(each.fhir) for each in one.transactions)
    ]  # fmt: skip


def rows(claims: Claims, words: Mapping[str, str]) -> Iterator[Sequence[str]]:
    """The table of a statement: profile, actor, options, transactions."""
    for one in claimed(claims):
        names = ", ".join(each.name for each in one.transactions)
        yield one.profile, one.name, one.option or words["none"], names


def statement(claims: Claims, language: str = "en") -> str:
    """The whole statement in Markdown."""
    words = WORDS[language]
    product = claims["product"]
    lines = [head(words), ("---",) * 4, *rows(claims, words)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    about = f"- {words['product']}: {product['name']}\n- {words['version']}: {product['version']}\n"
    return f"# {words['title']}\n\n{about}\n{table if claimed(claims) else words['nothing']}"


def head(words: Mapping[str, str]) -> Sequence[str]:
    """The table's first line."""
    return words["profile"], words["actor"], words["options"], words["transactions"]


def main(arguments: Sequence[str]) -> int:
    """Print the statement of the claims on standard input; the exit status."""
    language = arguments[0] if arguments else "en"
    if language not in WORDS:
        print(f"there is {', '.join(WORDS)}", file=sys.stderr)
        return 2
    print(statement(json.load(sys.stdin), language), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
