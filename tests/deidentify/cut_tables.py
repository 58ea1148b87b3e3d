"""How the tables of `pacsd/deidentify` are cut from the text of PS3.15 Annex E; run by hand for a new edition.

    python -m tests.deidentify.cut_tables CONFIDENTIALITY.json LATER.py CHAPTER_E.rst FOLDER

CONFIDENTIALITY.json is `standard/confidentiality_profile_attributes.json` of innolitics/dicom-standard, which parses
Table E.1-1 out of the published HTML, options included. LATER.py is a module that lists the tags of a later edition by
action code (`dicomfields_2026c` of KitwareMedical/dicom-anonymizer): what only it has is added, with no option but
those that its VR implies. CHAPTER_E.rst is Annex E as restructured text, of which Table E.3.10-1 is read.
"""

import json
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

from pydicom.datadict import dictionary_VR, keyword_for_tag

# column of the source -> option, in the order of ours
OPTIONS = {
    "rtnSafePrivOpt": "safe_private", "rtnUIDsOpt": "uids", "rtnDevIdOpt": "device", "rtnInstIdOpt": "institution",
    "rtnPatCharsOpt": "characteristics", "rtnLongFullDatesOpt": "full_dates", "rtnLongModifDatesOpt": "modified_dates",
    "cleanDescOpt": "descriptors", "cleanStructContOpt": "structured", "cleanGraphOpt": "graphics",
}  # fmt: skip
LATER_CODES = {
    "X_TAGS": "X", "Z_TAGS": "Z", "D_TAGS": "D", "U_TAGS": "U", "Z_D_TAGS": "Z/D", "X_Z_TAGS": "X/Z",
    "X_D_TAGS": "X/D", "X_Z_D_TAGS": "X/Z/D", "X_Z_U_STAR_TAGS": "X/Z/U*",
}  # fmt: skip
_TEMPORAL = frozenset(("DA", "DT", "TM"))
_PRIVATE = "ggggeeee-where-gggg-is-odd"


def attributes(source: Path, later: Path) -> Iterator[str]:
    """The lines of e_1_1.tsv."""
    seen = set()
    for row in json.loads(source.read_text("utf-8")):
        tag = "private" if row["id"] == _PRIVATE else row["id"]
        seen.add(tag)
        options = ",".join(f"{name}={row[column]}" for column, name in OPTIONS.items() if row.get(column))
        yield f"{tag}\t{row['basicProfile']}\t{options}\t{' '.join(row['name'].split())}"
    groups = runpy.run_path(str(later))
    for group, code in LATER_CODES.items():
        for pair in groups[group]:
            tag = "".join(f"{half:04x}" for half in pair)
            if len(pair) == 2 and tag not in seen:
                yield f"{tag}\t{code}\t{_implied(int(tag, 16))}\t{keyword_for_tag(int(tag, 16))}"


def _implied(tag: int) -> str:
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return ""
    if vr in _TEMPORAL:
        return "full_dates=K,modified_dates=C"
    return "uids=K" if vr == "UI" else ""


def second(later: Path) -> Iterator[str]:
    """The lines of the second source that the tests compare with."""
    groups = runpy.run_path(str(later))
    for group, code in LATER_CODES.items():
        for pair in groups[group]:
            if len(pair) == 2:
                yield f"{code}\t{pair[0]:04x}{pair[1]:04x}"


def safe_private(chapter: Path) -> Iterator[str]:
    """The lines of safe_private.tsv (Table E.3.10-1)."""
    text = chapter.read_text("utf-8")
    table = text[text.index("table:: Safe Private Attributes"):]
    for entry in re.split(r"\n *\+-[+-]+\+\n", table)[1:]:
        lines = [line.strip()[1:-1].split("|") for line in entry.split("\n") if line.strip().startswith("|")]
        if not lines or len(lines[0]) != 5:
            break
        columns = zip(*lines, strict=True)
        element, creator, vr, *_ = (" ".join(part.strip() for part in column if part.strip()) for column in columns)
        found = re.fullmatch(r"\(([0-9A-Fa-f]{4}),xx([0-9A-Fa-f]{2})\)", element)
        if found:
            yield f"{found[1].lower()}\t{found[2].lower()}\t{vr}\t{creator}"


def main(source: str, later: str, chapter: str, folder: str) -> None:
    for name, lines in (
        ("e_1_1.tsv", sorted(attributes(Path(source), Path(later)))),
        ("safe_private.tsv", sorted(safe_private(Path(chapter)))),
    ):
        Path(folder, name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    Path(__file__).with_name("e_1_1_second.tsv").write_text(
        "".join(f"{line}\n" for line in sorted(second(Path(later)))), "utf-8"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
