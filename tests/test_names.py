"""The name trap: fhir.resources installs a regular package `fhir` with an empty __init__.py, and so do we.

Whichever of the two is installed last writes fhir/__init__.py; both must work either way, and in a checkout.
No network: our wheel is built here, that of fhir.resources is made again from its installed files.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("pacsd", "fhir", "hl7", "ihe_profiles", "conformance", "config")
# What `import fhir.resources` needs; linked one by one, so that no other `fhir` is on the path.
NEEDED = (
    "annotated_types",
    "fhir_core",
    "pydantic",
    "pydantic_core",
    "typing_extensions.py",
    "typing_inspection",
)
BOTH = """
import pacsd, config.settings, hl7, ihe_profiles, conformance
from fhir.resources.R4B.patient import Patient
from fhir.version import FHIR_VERSION
assert FHIR_VERSION == "4.0.1"
assert Patient(active=True).active
print(pacsd.__file__)
"""


def run(*command: object, cwd: Path | None = None) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PIP_NO_INPUT": "1"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Our wheel and that of fhir.resources."""
    folder = tmp_path_factory.mktemp("wheels")
    source = folder / "source"
    source.mkdir()
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source)
    readme = ROOT / "README.md"
    (source / "README.md").write_text(readme.read_text(encoding="utf-8") if readme.exists() else "pacsd\n")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet")
    run(sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", folder, source)
    return {"pacsd": next(folder.glob("pacsd-*.whl")), "fhir.resources": repack(folder, "fhir.resources")}


def repack(folder: Path, name: str) -> Path:
    """A wheel from the files of an installed distribution (binary distribution format, 'File contents')."""
    installed = distribution(name)
    stem = f"{name.replace('.', '_')}-{installed.version}"
    wheel = folder / f"{stem}-py3-none-any.whl"
    record = f"{stem}.dist-info/RECORD"
    lines = []
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in contents(installed):
            archive.writestr(path, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{path},sha256={digest},{len(data)}")
        archive.writestr(record, "\n".join([*lines, f"{record},,", ""]))
    return wheel


def contents(installed: Distribution) -> Iterator[tuple[str, bytes]]:
    """All but STU3, which only costs time."""
    yield "fhir/__init__.py", b""  # what its wheel holds; ours may have been written over it here
    for path in installed.files or ():
        text = str(path)
        unwanted = text.endswith((".pyc", "RECORD", "INSTALLER", "REQUESTED", "fhir/__init__.py"))
        unwanted = unwanted or text.startswith(("..", "fhir/resources/STU3"))
        if not unwanted:
            yield text, path.read_binary()


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with what fhir.resources needs, and no `fhir`."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    here = Path(str(distribution("pydantic").locate_file("")))
    for name in NEEDED:
        (packages / name).symlink_to(here / name)
    for name in ("pydantic_core", "fhir_core", "pydantic"):  # pydantic looks for its parts' versions
        for metadata in here.glob(f"{name}-*.dist-info"):
            (packages / metadata.name).symlink_to(metadata)
    return tmp_path / "venv"


def pip(environment: Path, *arguments: object) -> None:
    quiet = ("--quiet", "--disable-pip-version-check", "--python", environment / "bin" / "python")
    run(sys.executable, "-m", "pip", *quiet, *arguments)


def install(environment: Path, *wheels: Path) -> None:
    for wheel in wheels:
        pip(environment, "install", "--no-deps", "--no-index", "--no-compile", "--force-reinstall", wheel)


def imports(environment: Path, cwd: Path) -> str:
    return run(environment / "bin" / "python", "-c", BOTH, cwd=cwd)


@pytest.mark.slow
@pytest.mark.parametrize("order", [("pacsd", "fhir.resources"), ("fhir.resources", "pacsd")])
def test_wheels_work_in_either_order(
    wheels: dict[str, Path], environment: Path, tmp_path: Path, order: tuple[str, str]
) -> None:
    install(environment, *[wheels[name] for name in order])
    assert str(environment) in imports(environment, tmp_path)
    install(environment, wheels[order[0]])  # an upgrade writes fhir/__init__.py again
    assert str(environment) in imports(environment, tmp_path)


@pytest.mark.slow
def test_checkout_works_beside_an_installed_fhir_resources(
    wheels: dict[str, Path], environment: Path, tmp_path: Path
) -> None:
    install(environment, wheels["fhir.resources"])
    assert str(ROOT) in imports(environment, ROOT)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "pacsd-checkout.pth").write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n")  # as make does
    assert str(ROOT) in imports(environment, tmp_path)


def test_our_init_extends_the_path_and_does_nothing_else() -> None:
    text = (ROOT / "fhir" / "__init__.py").read_text()
    assert text == '__path__ = __import__("pkgutil").extend_path(__path__, __name__)\n'


def test_wheel_holds_every_room_and_no_tests(wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels["pacsd"]) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == set(ROOMS)
    for needed in ("config/pacsd.toml", "config/deploy/pacsd.service", "pacsd/index/migrations/script.py.mako"):
        assert needed in names
    modules = {str(path.relative_to(ROOT)) for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert modules <= set(names)
