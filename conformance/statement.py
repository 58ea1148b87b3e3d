"""Statements of conformance in Markdown, rendered from the claims that `pacsd claims` prints as JSON.

A document holds a table between `<!-- generated: NAME -->` and `<!-- end -->`. To write all tables anew:

    pacsd claims | python -m conformance.statement README.md README.zh-CN.md
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from config.table import Language, settings_table
from conformance import integration
from conformance.words import HEADS, WORDS

Claims = Mapping[str, Any]

GENERATED = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
LEVELS = ("patient", "study", "series", "instance")


class StatementError(ValueError):
    """A document that asks for a table that does not exist."""


def tables(claims: Claims, language: Language) -> dict[str, str]:
    """Every table by name, each ending with a newline."""
    made = {name: _table(HEADS[language][name], rows(claims, WORDS[language])) for name, rows in ROWS.items()}
    words = integration.WORDS[language]
    made["integration"] = _table(integration.head(words), integration.rows(claims, words))
    return {"settings": settings_table(language), **made}


def renewed(document: str, made: Mapping[str, str]) -> str:
    """The document with its tables written anew. Raises StatementError for a name that is none of them."""

    def renew(found: re.Match[str]) -> str:
        if found[2] not in made:
            raise StatementError(f"there is no table {found[2]}; there is {', '.join(made)}")
        return f"{found[1]}{made[found[2]]}{found[3]}"

    return GENERATED.sub(renew, document)


def language_of(file: Path) -> Language:
    """By the file's name: README.zh-CN.md is Chinese."""
    return "zh" if file.name.endswith(".zh-CN.md") else "en"


def main(arguments: Sequence[str]) -> int:
    """Renew the tables of these files with the claims on standard input; the exit status."""
    claims = json.load(sys.stdin)
    for file in map(Path, arguments):
        text = file.read_text(encoding="utf-8")
        file.write_text(renewed(text, tables(claims, language_of(file))), encoding="utf-8")
    return 0


Words = Mapping[str, str]
Rows = Callable[[Claims, Words], Iterable[Sequence[str]]]


def _services(claims: Claims, words: Words) -> Iterator[Sequence[str]]:
    for one in claims["dimse"]["services"]:
        scu = words["sub-operations of"].format(", ".join(one["scu_of"])) if one["scu_of"] else words["no"]
        count = words["of them retired"].format(one["sop_classes"], one["retired"])
        yield one["name"], words["yes"] if one["scp"] else words["no"], scu, count


def _query_classes(claims: Claims, words: Words) -> Iterator[Sequence[str]]:
    for one in claims["dimse"]["sop_classes"]:
        if one["service"].startswith("C-") and one["service"] != "C-STORE":
            levels = ", ".join(one["levels"])
            yield one["service"], _retired(one, words), f"`{one['uid']}`", levels


def _normalized_classes(claims: Claims, words: Words) -> Iterator[Sequence[str]]:
    for one in claims["dimse"]["sop_classes"]:
        if not one["service"].startswith("C-"):
            yield one["service"], _retired(one, words), f"`{one['uid']}`", ", ".join(one["operations"])
    for one in claims["dimse"]["scu_classes"]:
        yield words["SCU"], one["name"], f"`{one['uid']}`", ", ".join(one["operations"])


def _storage_classes(claims: Claims, words: Words) -> Iterator[Sequence[str]]:
    for one in claims["dimse"]["sop_classes"]:
        if one["service"] == "C-STORE":
            yield _retired(one, words), f"`{one['uid']}`"


def _transfer_syntaxes(claims: Claims, words: Words) -> Iterator[Sequence[str]]:
    for rank, one in enumerate(claims["dimse"]["storage_transfer_syntaxes"], 1):
        identifiers = claims["dimse"]["identifier_transfer_syntaxes"]
        also = words["yes"] if one["uid"] in identifiers else ""
        pixels = words["separator"].join(words[what] for what in ("decoded", "encoded") if one[what])
        yield str(rank), _retired(one, words), f"`{one['uid']}`", words[one["kind"]], pixels, also


def _query_keys(claims: Claims, words: Words) -> Iterator[Sequence[str]]:
    for one in claims["query"]:
        kinds = words["separator"].join(words[kind] for kind in one["matching"])
        marks = [words[mark] for mark in ("required", "default", "indexed") if one[mark]]
        tag = f"({one['tag'][:4]},{one['tag'][4:]})"
        yield words[one["level"]], one["keyword"], tag, one["vr"], kinds, words["separator"].join(marks)


def _dicomweb(claims: Claims, _words: Words) -> Iterator[Sequence[str]]:
    for one in claims["web"]["transactions"]:
        path = re.sub(r":path(?=})", "", one["path"])
        media_types = "<br>".join(f"`{name}`" for name in one["media_types"])
        yield one["name"], f"`{one['method']} {path}`", one["clause"], media_types


def _worklist_keys(claims: Claims, words: Words) -> Iterator[Sequence[str]]:
    for one in claims["worklist"]["keys"]:
        kinds = words["separator"].join(words[kind] for kind in one["matching"])
        yield f"`{one['keyword']}`", kinds, words["indexed"] if one["indexed"] else ""


def _modality_worklist(claims: Claims, words: Words) -> Iterator[Sequence[str]]:
    for one in claims["worklist"]["modality_keys"]:
        kinds = words["separator"].join(words[kind] for kind in one["matching"])
        marks = [words[mark] for mark in ("required", "indexed") if one[mark]]
        yield f"`{one['keyword']}`", kinds, words["separator"].join(marks)


def _operations(claims: Claims, words: Words) -> Iterator[Sequence[str]]:
    for one in claims["web"]["operations"]:
        yield f"`{one['method']} {one['path']}`", words[one["name"]]


def _hl7_messages(claims: Claims, words: Words) -> Iterator[Sequence[str]]:
    for one in claims["hl7"]["messages"]:
        yield f"`{one['type']}`", f"`{one['structure']}`", ", ".join(one["transactions"]), words[one["effect"]]


def _retired(one: Claims, words: Words) -> str:
    return words["retired name"].format(one["name"]) if one["retired"] else str(one["name"])


ROWS: Mapping[str, Rows] = {
    "dimse-services": _services,
    "query-retrieve-classes": _query_classes,
    "normalized-classes": _normalized_classes,
    "storage-classes": _storage_classes,
    "transfer-syntaxes": _transfer_syntaxes,
    "query-keys": _query_keys,
    "dicomweb": _dicomweb,
    "worklist-keys": _worklist_keys,
    "modality-worklist": _modality_worklist,
    "operations": _operations,
    "messages": _hl7_messages,
}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
