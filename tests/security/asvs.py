"""The map of OWASP ASVS 4.0.3 level 2 to tests: `python -m tests.security.asvs` prints its table for the README."""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MAP = Path(__file__).with_name("asvs.toml")

# requirements of level 2 by section: their numbers
LEVEL_2: Mapping[str, tuple[int, ...]] = {
    **{section: tuple(range(1, last + 1)) for section, last in {
        "1.1": 7, "1.2": 4, "1.5": 4, "1.6": 4, "1.7": 2, "1.8": 2, "1.9": 2, "1.10": 1, "1.11": 2, "1.14": 6,
        "2.1": 12, "2.2": 3, "2.3": 3, "2.4": 5, "2.5": 7, "2.6": 3, "2.7": 6, "2.8": 7, "2.9": 3, "2.10": 4,
        "3.1": 1, "3.2": 4, "3.3": 4, "3.4": 5, "3.5": 3, "3.7": 1, "4.2": 2, "4.3": 3,
        "5.1": 5, "5.2": 8, "5.3": 10, "5.4": 3, "5.5": 4, "6.1": 3, "6.2": 6, "6.3": 2, "6.4": 2,
        "7.1": 4, "7.2": 2, "7.4": 3, "8.1": 4, "8.2": 3, "8.3": 8, "9.1": 3, "9.2": 4, "10.2": 2, "10.3": 3,
        "11.1": 8, "12.1": 3, "12.2": 1, "12.3": 6, "12.4": 2, "12.5": 2, "12.6": 1, "13.3": 2, "13.4": 2,
        "14.1": 4, "14.2": 6, "14.4": 7, "14.5": 4,
    }.items()},
    "1.4": (1, 4, 5), "1.12": (2,), "4.1": (1, 2, 3, 5), "7.3": (1, 3, 4), "13.1": (1, 3, 4, 5),
    "13.2": (1, 2, 3, 5, 6), "14.3": (2, 3),
}  # fmt: skip

WORDS = {
    "en": ("ASVS 4.0.3, level 2", "requirements", "held by tests", "not applicable", "open"),
    "zh": ("ASVS 4.0.3 第 2 级", "要求", "由测试保证", "不适用", "未满足"),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One, and what holds it."""

    id: str
    words: str
    tests: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    not_applicable: str = ""
    open: str = ""


def requirements() -> Mapping[str, Requirement]:
    """All that the map names, by id."""
    found = {}
    for chapter in tomllib.loads(MAP.read_text(encoding="utf-8")).values():
        for name, told in chapter.items():
            if name != "title":
                found[name] = Requirement(
                    name, told["is"], tuple(told.get("tests", ())), tuple(told.get("checks", ())),
                    told.get("not_applicable", ""), told.get("open", ""),
                )  # fmt: skip
    return found


def chapters(language: str) -> Iterator[tuple[str, list[Requirement]]]:
    """Title and requirements of each chapter."""
    known = requirements()
    for name, chapter in tomllib.loads(MAP.read_text(encoding="utf-8")).items():
        yield f"{name} {chapter['title'][language]}", [known[one] for one in chapter if one != "title"]


def table(language: str = "en") -> str:
    """Each chapter: how many requirements, and what becomes of them."""
    head, *columns = WORDS[language]
    lines = [f"| {head} | {' | '.join(columns)} |", "| --- " * (len(columns) + 1) + "|"]
    total = [0, 0, 0, 0]
    for title, found in chapters(language):
        held, left = (sum(map(bool, one)) for one in (
            [one.tests or one.checks for one in found], [one.not_applicable for one in found]))  # fmt: skip
        counts = [len(found), held, left, len(found) - held - left]
        total = [one + other for one, other in zip(total, counts, strict=True)]
        lines.append(f"| {title} | {' | '.join(map(str, counts))} |")
    return "\n".join([*lines, f"| {'all' if language == 'en' else '合计'} | {' | '.join(map(str, total))} |"])


if __name__ == "__main__":
    print(table(*sys.argv[1:2]))
