"""The map of ASVS says what is so; and what no other room tests of it."""

import re
from functools import cache
from pathlib import Path

import pytest

from conformance.security.checks import CHECKS
from pacsd.index.connect import pool
from pacsd.oauth.administration import Administration
from pacsd.oauth.passwords import Passwords
from pacsd.oauth.sealing import new_token
from tests.security import asvs

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
SCRIPTS = sorted(one for room in ("pacsd", "config") for one in (ROOT / room).rglob("*.js"))


def test_every_requirement_of_level_2_is_in_the_map_once_and_nothing_else() -> None:
    wanted = {f"{section}.{number}" for section, numbers in asvs.LEVEL_2.items() for number in numbers}
    assert set(asvs.requirements()) == wanted and len(wanted) == 259


@pytest.mark.parametrize("one", asvs.requirements().values(), ids=lambda one: one.id)
def test_a_requirement_is_held_or_says_why_not(one: asvs.Requirement) -> None:
    told = [bool(one.tests or one.checks), bool(one.not_applicable), bool(one.open)]
    assert sum(told) == 1 and one.words
    for name in one.tests:
        file, _, function = name.partition("::")
        text = (TESTS / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {function}\(" if function else r"^def test_", text, re.MULTILINE), name
    ids = {check.id for check in CHECKS}
    assert set(one.checks) <= ids, set(one.checks) - ids


@pytest.mark.parametrize(("file", "language"), [("README.md", "en"), ("README.zh-CN.md", "zh")])
def test_the_table_of_the_readme_is_the_maps(file: str, language: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    found = re.search(r"<!-- asvs -->\n(.*?)\n<!-- end asvs -->", text, re.DOTALL)
    assert found is not None and found[1] == asvs.table(language), "python -m tests.security.asvs"


def test_the_build_runs_what_this_map_names() -> None:
    """Lint, an audit of dependencies and every test are part of each run, and a failure of one fails it."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "set -euo pipefail" in script
    for target in ("make lint", "make audit", "make test"):
        assert re.search(rf"^{target}\b(?!.*\|\| true)", script, re.MULTILINE), target
    recipe = re.search(r"^audit:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None and "tests.audit_dependencies" in recipe[1].splitlines()[-1]
    assert not recipe[1].splitlines()[-1].startswith("\t-")


@cache
def sources() -> dict[str, str]:
    """Every module of the packages by its dotted name."""
    found = {}
    for room in PACKAGES:
        for file in (ROOT / room).rglob("*.py"):
            found[".".join(file.relative_to(ROOT).with_suffix("").parts)] = file.read_text(encoding="utf-8")
    return found


def inside(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in rooms)


def imported(text: str) -> set[str]:
    return set(IMPORTS.findall(text))


def test_nothing_that_comes_in_is_run_or_unpickled() -> None:
    wrong = []
    for module, text in sources().items():
        wrong += [f"{module}: {one[0]}" for one in UNSAFE.finditer(text)]
        names = imported(text) & {"pickle", "marshal", "shelve", "dill", "jinja2"}
        starts = {"subprocess"} & imported(text) if not inside(module, MAY_START) else set()
        wrong += [f"{module} imports {one}" for one in names | starts]
    for script in SCRIPTS:
        wrong += [f"{script.name}: {found[0]}" for found in RUNS.finditer(_code(script))]
    assert not wrong, wrong


PACKAGES = ("pacsd", "fhir", "hl7", "ihe_profiles", "config", "conformance")
IMPORTS = re.compile(r"^\s*(?:import|from) ([\w.]+)", re.MULTILINE)
UNSAFE = re.compile(r"(?<![\w.\"'`])(?:eval|exec)\(|\bos\.(?:system|popen)\(|\bshell=True|\byaml\.load\(")
KEEPS = re.compile(r"localStorage|sessionStorage|indexedDB|document\.cookie|getUserMedia|geolocation|sendBeacon")
RUNS = re.compile(r"\beval\(|new Function\(|\.innerHTML\s*=|document\.write\(|insertAdjacentHTML")
MAY_START = ("pacsd.supervise", "pacsd.commands", "pacsd.main", "pacsd.web.film")
# who opens connections to others; all others are handed what was received
MAY_ASK = {
    "httpx": ("pacsd.oauth.fetch", "fhir.bulk", "fhir.outgoing", "fhir.subscription", "conformance"),
    "urllib.request": ("pacsd.commands.npm",), "http.client": ("pacsd.commands.npm",),
    "requests": (), "ftplib": (), "smtplib": ("pacsd.links.mail",),
    "telnetlib": (),
}  # fmt: skip


def test_only_rooms_meant_for_it_open_connections() -> None:
    wrong = [f"{module} imports {name}" for module, text in sources().items() for name, rooms in MAY_ASK.items()
             if name in imported(text) and not inside(module, rooms)]  # fmt: skip
    assert not wrong, wrong


def test_pages_keep_nothing_in_the_browser() -> None:
    assert SCRIPTS
    for script in SCRIPTS:
        found = KEEPS.findall(_code(script))
        assert not found, (script.name, found)


def _code(script: Path) -> str:
    return re.sub(r"/\*.*?\*/|^\s*//.*$", "", script.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def test_passwords_are_hashed_with_a_salt_of_their_own() -> None:
    passwords = Passwords()
    one, other = (passwords.hash("a phrase of many letters") for _ in range(2))
    assert one != other and one.startswith("$argon2id$") and len(one.split("$")[4]) >= 22        # 16 bytes in base64


def test_tokens_are_long_and_by_chance() -> None:
    made = {new_token() for _ in range(1000)}
    assert len(made) == 1000 and min(map(len, made)) >= 43               # 256 bits in base64url
    for module, text in sources().items():
        if inside(module, ("pacsd.oauth", "pacsd.access", "pacsd.audit")):
            assert "random" not in imported(text), module
        assert "uuid1(" not in text, module


def test_a_new_server_knows_nobody(database: str) -> None:
    opened = pool(database)
    try:
        administration = Administration(opened)
        assert list(administration.users()) == [] and list(administration.clients()) == []
    finally:
        opened.close()
