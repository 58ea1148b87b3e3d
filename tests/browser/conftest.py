"""One browser and one server for the tests of this folder; a page of its own for each test."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacsd.commands.viewer import PACKAGE, VERSION
from tests.browser.studies import Studies, collect
from tests.clients import missing, require
from tests.server import Server, free_port, remove_folder, scratch_folder

playwright = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")

from tests.browser.chromium import ARTEFACTS, WEBGL, WITHOUT_WEBGL, Watched, chromium, desk, phone  # noqa: E402

SEEN = """
localStorage?.setItem('shownTours', JSON.stringify(['basicViewerTour']));
localStorage?.setItem('investigationalUseDialog', JSON.stringify({ expiryDate: '2099-01-01' }));
"""


@dataclass(frozen=True)
class Served:
    """A server and what it holds."""

    server: Server
    studies: Studies
    other_port: int                      # of an origin whose pages may ask

    @property
    def origin(self) -> str:
        """Where the pages are."""
        return f"http://127.0.0.1:{self.server.http_port}"


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    """Headless Chromium; ended with the module, for its driver keeps an event loop and others need theirs."""
    require("chromium")
    with chromium(*WITHOUT_WEBGL) as started:
        yield started


@pytest.fixture(scope="module")
def webgl_browser() -> Iterator["playwright.Browser"]:
    """The same with WebGL, drawn by the processor."""
    require("chromium")
    with chromium(*WEBGL) as started:
        yield started


@pytest.fixture(scope="package")
def served(data_folder: Path) -> Iterator[Served]:
    """A server with a CT, an MR, a multi-frame US, two SR and a PDF."""
    require("pdf2dcm")
    folder = scratch_folder("pacsd-browser-")
    other_port = free_port()
    allowed = f'[web]\nallowed_origins = ["http://127.0.0.1:{other_port}"]\n'
    server = Server(folder / "data", config=f"[storage]\nquiet_s = 1.0\n{allowed}")
    try:
        studies = collect(data_folder, folder / "files")
        server.start()
        brought = server.command("import", str(folder / "files"))
        assert brought.returncode == 0, brought.stdout
        yield Served(server, studies, other_port)
    finally:
        server.kill()
        remove_folder(folder)


@pytest.fixture(scope="package")
def viewer(served: Served) -> Served:
    """The same with OHIF installed below /viewer/; its package is fetched once and kept."""
    package = Path(os.environ.get("PACSD_TEST_VIEWER", ARTEFACTS / f"ohif-app-{VERSION}.tgz"))
    if not package.exists():
        fetch(package)
    done = served.server.command("viewer", "install", "--from", str(package))
    assert done.returncode == 0, done.stdout
    return served


def fetch(package: Path) -> None:
    """Get the package with the npm client into the folder of artefacts."""
    if shutil.which("npm") is None:
        missing("needs npm, or the package of @ohif/app named by $PACSD_TEST_VIEWER")
    package.parent.mkdir(parents=True, exist_ok=True)
    scratch = scratch_folder("pacsd-npm-")
    try:
        command = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", str(scratch)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=scratch)
        made = list(scratch.glob("*.tgz"))
        if done.returncode or not made:
            missing(f"the npm registry cannot be reached: {done.stderr[-300:]}")
        shutil.move(made[0], package)
    finally:
        remove_folder(scratch)


@pytest.fixture
def handy(browser: "playwright.Browser", served: Served) -> Iterator[Watched]:
    """A page on a phone; whatever it does wrong by itself fails the test."""
    with phone(browser) as context:
        watched = Watched(context, served.origin, expected=("status of 404", "status of 406"))
        yield watched
        assert not watched.wrong, watched.wrong


@pytest.fixture(scope="module")
def reader(webgl_browser: "playwright.Browser") -> Iterator["playwright.BrowserContext"]:
    """A monitor of a reader who has seen OHIF's tour and its notice before; what it loads, it keeps."""
    with desk(webgl_browser) as context:
        context.add_init_script(SEEN)
        yield context


@pytest.fixture
def ohif(reader: "playwright.BrowserContext", viewer: Served) -> Iterator[Watched]:
    """A page on that monitor."""
    watched = Watched(reader, viewer.origin, expected=("status of 404", "status of 406"))
    yield watched
    watched.page.close()
    assert not watched.wrong, watched.wrong


@pytest.fixture
def monitor(browser: "playwright.Browser", served: Served) -> Iterator[Watched]:
    """A page on a monitor."""
    with desk(browser) as context:
        watched = Watched(context, served.origin, expected=("status of 404", "status of 406"))
        yield watched
        assert not watched.wrong, watched.wrong
