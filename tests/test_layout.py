"""The house keeps its shape: what stands at the top, and who may import what.

The rules are those of the design; they are read from the source (ast), never from what happens to be imported.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pacsd", "fhir", "hl7", "ihe_profiles", "conformance", "config")
TOP = {*PACKAGES, "tests", "setup.cfg", "README.md", "README.zh-CN.md", "CHANGELOG.md", "LICENSE", "Makefile"}
TOP |= {"pyproject.toml"}

MAIN = "pacsd.main"
EDGES = ("pacsd.dimse", "pacsd.web", "pacsd.oauth", "pacsd.commands")
CORE = (
    "pacsd.codec", "pacsd.access", "pacsd.blobs", "pacsd.index", "pacsd.events", "pacsd.archive", "pacsd.workflow",
    "pacsd.identity", "pacsd.messages", "pacsd.reports", "pacsd.deidentify", "pacsd.audit", "pacsd.links",
)  # fmt: skip
CORE_BELOW_EDGES = (
    "pacsd.archive", "pacsd.workflow", "pacsd.access", "pacsd.audit", "pacsd.deidentify", "pacsd.links", "pacsd.codec",
    "pacsd.faults", "config",
)  # fmt: skip
PACSD_CORE = (*CORE, "pacsd.faults")

# room -> what of ours its modules may import, beside themselves; main.py may import everything
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "config": (),
    "hl7": ("config",),
    "conformance": ("config",),
    "fhir": (*PACSD_CORE, "config"),
    "ihe_profiles": ("fhir", "hl7", *PACSD_CORE, "config"),
    "pacsd.faults": (),
    "pacsd.soon": (),
    "pacsd.__main__": (MAIN,),
    "pacsd.codec": ("pacsd.faults", "config"),
    "pacsd.access": ("pacsd.codec", "pacsd.faults", "config"),
    "pacsd.deidentify": ("pacsd.codec", "pacsd.faults", "config"),
    "pacsd.blobs": ("pacsd.codec", "pacsd.faults", "config"),
    "pacsd.index": ("pacsd.codec", "pacsd.access", "pacsd.faults", "pacsd.soon", "config"),
    "pacsd.index.links": ("pacsd.index", "pacsd.links", "pacsd.access"),
    "pacsd.index.link_notices": ("pacsd.index", "pacsd.links"),
    "pacsd.links": ("pacsd.index", "pacsd.audit", "pacsd.access", "pacsd.faults", "config"),
    "pacsd.events": ("pacsd.index", "pacsd.codec", "pacsd.access", "pacsd.faults", "config"),
    "pacsd.archive": (
        "pacsd.index", "pacsd.blobs", "pacsd.codec", "pacsd.access", "pacsd.deidentify", "pacsd.events", "pacsd.faults",
        "config",
    ),
    "pacsd.workflow": (
        "pacsd.index", "pacsd.blobs", "pacsd.codec", "pacsd.access", "pacsd.events", "pacsd.faults", "config",
    ),
    "pacsd.identity": (
        "pacsd.archive", "pacsd.index", "pacsd.codec", "pacsd.access", "pacsd.events", "pacsd.faults", "config",
    ),
    "pacsd.messages": ("pacsd.index", "pacsd.codec", "pacsd.access", "pacsd.events", "pacsd.faults", "config"),
    "pacsd.reports": (
        "pacsd.archive", "pacsd.index", "pacsd.blobs", "pacsd.codec", "pacsd.access", "pacsd.events", "pacsd.faults",
        "config",
    ),
    "pacsd.audit": ("pacsd.index", "pacsd.blobs", "pacsd.access", "pacsd.faults", "config"),
    "pacsd.dimse": (*CORE_BELOW_EDGES, "pacsd.soon"),
    "pacsd.web": CORE_BELOW_EDGES,
    "pacsd.commands": CORE_BELOW_EDGES,
    "pacsd.oauth": ("pacsd.index", "pacsd.access", "pacsd.audit", "pacsd.codec", "pacsd.faults", "config"),
    "pacsd.supervise": ("pacsd.faults", "config"),
    "pacsd": (),
}  # fmt: skip

# other people's packages that only some rooms may touch
ONLY_IN: dict[str, tuple[str, ...]] = {
    "psycopg": ("pacsd.index", "fhir.store"),
    "psycopg_pool": ("pacsd.index", "fhir.store"),
    "sqlalchemy": ("pacsd.index", "fhir.store"),
    "alembic": ("pacsd.index", "fhir.store"),
    "boto3": ("pacsd.blobs",),
    "botocore": ("pacsd.blobs",),
    "pynetdicom": ("pacsd.dimse", "pacsd.commands", "conformance"),
    "starlette": ("pacsd.web", "pacsd.oauth", "fhir.http"),
    "uvicorn": ("pacsd.web",),
    "uvloop": ("pacsd.web",),
    "websockets": ("pacsd.web",),
    "socket": (*EDGES, "pacsd.supervise", "hl7", "conformance", "fhir.outgoing", "ihe_profiles.atna",
               "pacsd.access.secure_connection", "pacsd.access.handshakes"),
    "ssl": (*EDGES, "pacsd.access", "hl7", "conformance", "ihe_profiles.atna", "pacsd.links.mail"),
    "cryptography": ("pacsd.access", "pacsd.oauth.sealing", "pacsd.oauth.webauthn"),
    "socketserver": (*EDGES, "hl7"),
    "rich": ("pacsd.commands",),
    "argon2": ("pacsd.oauth", "pacsd.links.pins"),
    "joserfc": ("pacsd.access", "pacsd.oauth", "conformance.security"),
    "fido2": ("pacsd.oauth",),
}

NO_FILES = ("pacsd.codec", "pacsd.access", "pacsd.index", "pacsd.events", "pacsd.archive", "pacsd.workflow",
            "pacsd.identity", "pacsd.messages", "pacsd.reports", "pacsd.deidentify", "pacsd.audit", "pacsd.links",
            "pacsd.dimse", "pacsd.web", "hl7", "ihe_profiles")  # fmt: skip
# mapping a descriptor is not among them: the port to the blobs hands descriptors out
FILE_CALLS = {"os.open", "os.rename", "os.replace", "os.unlink", "os.remove", "os.mkdir", "os.makedirs", "os.rmdir",
              "os.scandir", "os.listdir", "os.walk", "io.open"}  # fmt: skip
PATH_METHODS = {"write_bytes", "write_text", "read_bytes", "read_text", "touch", "rmdir", "symlink_to", "hardlink_to"}
FILE_MODULES = {"shutil", "tempfile", "glob"}

SQL = re.compile(
    r"\b(select\s.+\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|"
    r"(create|alter|drop)\s+(table|index|role|schema|database|view)\s|truncate\s+table\s|copy\s+\w+\s*(\(|from\s+std|to\s+std))",
    re.IGNORECASE | re.DOTALL,
)
SQL_ROOMS = ("pacsd.index", "fhir.store")


@dataclass(frozen=True)
class Import:
    """One imported name; `typing_only` when it stands under TYPE_CHECKING."""

    module: str
    line: int
    typing_only: bool


@dataclass(frozen=True)
class Module:
    """A source file of ours."""

    name: str
    path: Path
    tree: ast.Module
    imports: tuple[Import, ...]

    def at(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found.append(Module(name, path, tree, tuple(imports(tree, name, path.name == "__init__.py"))))
    return tuple(found)


def imports(tree: ast.Module, name: str, is_package: bool) -> Iterator[Import]:
    guarded = {id(node) for guard in ast.walk(tree) if is_typing_guard(guard) for node in ast.walk(guard)}
    for node in ast.walk(tree):
        typing_only = id(node) in guarded
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, typing_only) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = name.split(".")[: None if is_package and node.level == 1 else -node.level + is_package]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (Import(f"{base}.{alias.name}", node.lineno, typing_only) for alias in node.names)


def is_typing_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def inside(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def room_of(module: str) -> str:
    """The most exact room with a rule."""
    return max((room for room in MAY_IMPORT if inside(module, room)), key=len)


def is_ours(module: str) -> bool:
    """Whether that import leads into this checkout; `fhir.resources` does not."""
    return module.split(".")[0] in PACKAGES and not inside(module, "fhir.resources")


def test_only_what_the_owner_fixed_stands_at_the_top() -> None:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        names = {line.split("/")[0] for line in done.stdout.splitlines()}
    else:  # an unpacked archive
        names = {path.name for path in ROOT.iterdir()} - {"build", "dist", "pacsd.egg-info", "pacsd-data"}
    assert {name for name in names if not name.startswith(".")} <= TOP


def test_rooms_import_only_what_they_may() -> None:
    wrong = []
    for module in modules():
        if module.name == MAIN:
            continue
        room = room_of(module.name)
        for one in module.imports:
            allowed = inside(one.module, room) or any(inside(one.module, other) for other in MAY_IMPORT[room])
            if is_ours(one.module) and not allowed and one.module != "pacsd":
                wrong.append(f"{module.at(one.line)} {module.name} imports {one.module}")
    assert not wrong, "\n".join(wrong)


def test_only_the_rooms_meant_for_it_touch_a_foreign_package() -> None:
    wrong = []
    for module in modules():
        for one in module.imports:
            top = one.module.split(".")[0]
            rooms = (*ONLY_IN.get(top, PACKAGES), MAIN)
            if not any(inside(module.name, room) for room in rooms):
                wrong.append(f"{module.at(one.line)} {module.name} imports {one.module}")
    assert not wrong, "\n".join(wrong)


def test_extras_are_imported_by_nobody_yet() -> None:
    found = [one for module in modules() for one in module.imports if one.module.split(".")[0] in ("torch", "monai")]
    assert not found


def test_no_cycles_between_modules() -> None:
    names = {module.name for module in modules()}
    edges = {module.name: set(runtime_targets(module, names)) - {module.name} for module in modules()}
    while leaves := {name for name, targets in edges.items() if not targets & edges.keys()}:
        for name in leaves:
            del edges[name]
    in_cycles = {name: sorted(targets & edges.keys()) for name, targets in edges.items()}
    assert not in_cycles, in_cycles


def runtime_targets(module: Module, names: set[str]) -> Iterator[str]:
    """Modules that run when this one is imported, or later in a function of it."""
    for one in module.imports:
        if not one.typing_only and is_ours(one.module):
            parent = one.module.rpartition(".")[0]
            if one.module in names:
                yield one.module
            elif parent in names:
                yield parent


def test_only_the_index_speaks_sql() -> None:
    wrong = []
    for module in modules():
        if any(inside(module.name, room) for room in SQL_ROOMS):
            continue
        prose = docstrings(module.tree)
        for node in ast.walk(module.tree):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and id(node) not in prose and SQL.search(text):
                wrong.append(f"{module.at(node.lineno)} {text[:60]!r}")
    assert not wrong, "\n".join(wrong)


def docstrings(tree: ast.Module) -> set[int]:
    """Strings that stand alone."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def test_only_blobs_touches_the_file_system() -> None:
    wrong = []
    for module in modules():
        if not any(inside(module.name, room) for room in NO_FILES) or inside(module.name, "pacsd.index.migrate"):
            continue
        wrong += [f"{module.at(one.line)} imports {one.module}" for one in module.imports
                  if one.module.split(".")[0] in FILE_MODULES]  # fmt: skip
        wrong += [f"{module.at(line)} calls {call}" for line, call in file_calls(module.tree)]
    assert not wrong, "\n".join(wrong)


def file_calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        if call == "open" or call in FILE_CALLS or call.rpartition(".")[2] in PATH_METHODS:
            yield node.lineno, call


def test_only_config_reads_the_environment() -> None:
    wrong = []
    for module in modules():
        if inside(module.name, "config"):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv", "os.environb"):
                wrong.append(module.at(node.lineno))
    assert not wrong, "\n".join(wrong)


def test_only_main_knows_every_room() -> None:
    for module in modules():
        known = {room_of(one.module) for one in module.imports if is_ours(one.module) and "." in one.module}
        assert module.name == MAIN or not {"pacsd.dimse", "pacsd.web"} <= known, module.name


def test_nothing_is_named_for_nothing() -> None:
    wrong = [module.name for module in modules()
             if re.fullmatch(r".*(utils?|helpers?|common|misc|manager)", module.name.rpartition(".")[2])]  # fmt: skip
    assert not wrong


def test_package_files_hold_only_what_the_package_hands_out() -> None:
    for module in modules():
        if module.path.name == "__init__.py" and module.name != "fhir":
            for node in module.tree.body:
                assert isinstance(node, ast.Expr | ast.Import | ast.ImportFrom | ast.Assign), module.at(node.lineno)


@pytest.mark.parametrize(
    ("text", "is_sql"),
    [
        ("SELECT a FROM b", True),
        ("insert into study values (1)", True),
        ("update study set a = 1", True),
        ("select the frames of one", False),
        ("Delete from the worklist", True),
        ("updates are set apart", False),
        ("copy study (a) from stdin", True),
        ("copy everything to a folder", False),
    ],
)
def test_sql_is_recognised(text: str, is_sql: bool) -> None:
    assert (SQL.search(text) is not None) is is_sql
