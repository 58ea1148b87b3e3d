"""The README files say what the code says, both the same, and their examples can be used as they stand."""

import argparse
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from config.settings import load_settings
from config.table import rows
from conformance.statement import GENERATED, language_of, renewed, tables
from pacsd.commands.arguments import build_parser
from pacsd.commands.cli import OVERRIDES
from pacsd.main import Wiring
from tests.clients import require

ROOT = Path(__file__).resolve().parent.parent
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
BOTH = pytest.mark.parametrize("file", [ENGLISH, CHINESE], ids=lambda file: file.name)
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def prose(file: Path) -> str:
    """What was written by hand, without code blocks."""
    return FENCED.sub("", GENERATED.sub("", file.read_text(encoding="utf-8")))


def code(file: Path, language: str) -> list[str]:
    return [found[2] for found in FENCED.finditer(file.read_text(encoding="utf-8")) if found[1] == language]


@cache
def commands() -> dict[str, argparse.ArgumentParser]:
    groups = [action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(groups[0].choices)


def options(parser: argparse.ArgumentParser) -> set[str]:
    """Every option of a command, those of its actions included."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    actions = [one for group in inner for one in group.choices.values()]
    return set(parser._option_string_actions).union(*map(options, actions))


@BOTH
def test_generated_tables_are_current(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    made = tables(Wiring().claims(), language_of(file))
    assert {found[2] for found in GENERATED.finditer(text)} == set(made)
    assert text == renewed(text, made), "run `make readme`"


def test_both_languages_have_the_same_sections() -> None:
    levels = [re.findall(r"^(#+) ", prose(file), re.MULTILINE) for file in (ENGLISH, CHINESE)]
    assert levels[0] == levels[1]


def test_both_languages_show_the_same_code() -> None:
    blocks = [FENCED.findall(file.read_text(encoding="utf-8")) for file in (ENGLISH, CHINESE)]
    assert blocks[0] == blocks[1]


def test_both_languages_name_the_same_commands_settings_and_files() -> None:
    english, chinese = (set(re.findall(r"`([^`\n]+)`", prose(file))) for file in (ENGLISH, CHINESE))
    assert english == chinese


@BOTH
def test_every_command_is_described(file: Path) -> None:
    described = {found.split()[1] for found in re.findall(r"^\| `(pacsd [^`]+)` \|", prose(file), re.MULTILINE)}
    assert described == set(commands())


@BOTH
def test_settings_that_are_named_exist(file: Path) -> None:
    keys = {row.key for row in rows("en")}
    sections = {key.partition(".")[0] for key in keys if "." in key and "[]" not in key}
    named = re.findall(rf"`((?:{'|'.join(sections)})\.\w+)`", prose(file))
    assert named and set(named) <= keys


@BOTH
def test_options_that_are_named_exist(file: Path) -> None:
    known = {option for parser in commands().values() for option in options(parser)}
    named = set(re.findall(r"`[^`\n]*?(--[a-z-]+)", prose(file)))
    assert named <= known
    assert {"--" + name.replace("_", "-") for name in OVERRIDES} <= known


@BOTH
def test_make_targets_that_are_named_exist(file: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", file.read_text(encoding="utf-8"))) - {"s"}
    assert {one for one in named if re.search(rf"`make {one}\b", prose(file))} <= targets
    assert targets <= named


@BOTH
def test_links_lead_somewhere(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", prose(file)):
        assert target.removeprefix("#") in anchors if target.startswith("#") else (ROOT / target).exists()


def test_example_settings_are_good(tmp_path: Path) -> None:
    files = re.findall(r"^cat > \S+\.toml <<'END'\n(.*?)^END$", "".join(code(ENGLISH, "sh")), re.DOTALL | re.MULTILINE)
    examples = [*code(ENGLISH, "toml"), *files]
    assert len(examples) == 6
    for example in examples:
        file = tmp_path / "pacsd.toml"
        file.write_text(example, encoding="utf-8")
        load_settings(file, {})


def test_shell_examples_can_be_read_by_a_shell() -> None:
    require("bash")
    for block in code(ENGLISH, "sh"):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)
        for program in re.findall(r"python - <<'END'\n(.*?)^END$", block, re.DOTALL | re.MULTILINE):
            compile(program, "README.md", "exec")


def test_claims_are_a_command_for_other_programs(capsys: pytest.CaptureFixture[str]) -> None:
    from pacsd.main import main

    assert main(["claims"]) == 0
    assert '"1.2.840.10008.1.1"' in capsys.readouterr().out


def test_changelog_has_a_place_for_what_is_not_released() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## Unreleased" in text
    entries = text.split("## Unreleased")[1].splitlines()
    assert all(line.startswith(("- ", "#")) for line in entries if line.strip())
