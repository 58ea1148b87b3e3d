"""From opening a page to its first image, and to 100 images: OHIF and the film page, over each side's DICOMweb.

`floor` gives the answers of ours again from memory: what is left of a time there is the page's own, and no server can
take it away.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from pacsd.commands import npm
from pacsd.commands.viewer import PACKAGE, VERSION
from tests.bench.archives import archive
from tests.bench.measures import Bench, Row, Samples, alternate
from tests.bench.pages import put_beside
from tests.bench.peers import Server, replaying
from tests.browser.chromium import ARTEFACTS, WEBGL, WITHOUT_WEBGL, kept_desk
from tests.synthetic import Study

BOTH = ("pacsd", "orthanc")
FLOOR = "floor"
IMAGES = 100
WARM_UP = 3  # openings after which a browser keeps the scripts and what it compiled of them
TIMEOUT_S = 180.0
KEEPING_MS = 1000  # the browser writes what it compiled when it has nothing else to do

# Both are asked at each turn of the screen: is an image drawn, and how many are decoded in memory?
OHIF = """() => {
    const { cornerstone } = window;
    const drawn = cornerstone?.getEnabledElements?.()[0]?.viewport.getImageData?.();
    return [Boolean(drawn), cornerstone?.cache?._imageCache?.size ?? 0];
}"""
FILM = """() => {
    const drawn = document.querySelector(".pane[data-shown*='/']");
    return [Boolean(drawn), Number(document.documentElement?.dataset.loaded ?? 0)];
}"""
WATCH = """
window.benchmark = {};
localStorage?.setItem('shownTours', JSON.stringify(['basicViewerTour']));
(function look() {
    requestAnimationFrame(look);
    const [drawn, count] = (%s)();
    if (drawn) window.benchmark.first ??= performance.now();
    if (count >= %d) window.benchmark.all ??= performance.now();
})();
"""


def installed_viewer(bench: Bench) -> Path:
    """The package of OHIF, installed once into ours."""
    ours = archive(bench, "pacsd").folder / "data"
    package = Path(os.environ.get("PACSD_TEST_VIEWER", ARTEFACTS / f"ohif-app-{VERSION}.tgz"))
    if not package.exists():
        package = npm.fetch(PACKAGE, VERSION, bench.folder, registry=None, configured=None).path
    if not (ours / "viewer").exists():
        command = [sys.executable, "-m", "pacsd", "viewer", "install", "--data", str(ours), "--from", str(package)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return package


def opened(context: BrowserContext, server: Server, name: str, of: Study) -> tuple[float, float]:
    """Seconds from the navigation to the first image and to IMAGES images. Raises TimeoutError."""
    page = context.new_page()
    if name == "ohif":
        path = f"viewer/viewer?StudyInstanceUIDs={of.study_instance_uid}"
        if server.side == "orthanc":  # its plug-in knows no paths that only the page understands: the page takes it
            page.add_init_script(f"history.replaceState(null, '', '/{path}')")
            path = "viewer/index.html"
    else:
        path = f"film/{of.study_instance_uid}" + (".html" if server.side == "orthanc" else "")
    try:
        page.goto(f"http://127.0.0.1:{server.http_port}/{path}")
        times = waited(page)
        page.wait_for_timeout(KEEPING_MS)
        return times
    finally:
        page.close()


def waited(page: Page) -> tuple[float, float]:
    """Both times, once the page has them."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        found = page.evaluate("() => window.benchmark")
        if "first" in found and "all" in found:
            return found["first"] / 1000, found["all"] / 1000
        page.wait_for_timeout(100)
    raise TimeoutError(f"the page has {found} after {TIMEOUT_S:.0f} s")


def timings(bench: Bench, name: str) -> dict[str, list[tuple[float, float]]]:
    """Both times of each opening, measured once for the two rows that show them."""
    if name in _measured:
        return _measured[name]
    watch, arguments = (OHIF, WEBGL) if name == "ohif" else (FILM, WITHOUT_WEBGL)
    package = installed_viewer(bench)
    studies = bench.corpora.series_studies()
    images = min(IMAGES, bench.corpora.scaled(500))
    found: dict[str, list[tuple[float, float]]] = {}
    profiles: dict[str, Path] = {}

    def open_once(side: str, of: Study) -> tuple[float, float]:
        with kept_desk(profiles[side], *arguments) as context:
            context.add_init_script(WATCH % (watch, images))
            return opened(context, servers[side], name, of)

    def once(side: str) -> float:
        if side not in profiles:
            profiles[side] = Path(tempfile.mkdtemp(prefix=f"profile-{side}-", dir=bench.folder))
            for of in (studies[-1],) * WARM_UP:
                open_once(side, of)
        turn = len(found.setdefault(side, []))
        if side == FLOOR:                                            # it must hold every answer before it is measured
            opened_before(servers[side], name, watch, images, studies[turn % (len(studies) - 1)], arguments)
        found[side].append(open_once(side, studies[turn % (len(studies) - 1)]))
        return found[side][-1][0]

    servers = {side: archive(bench, side) for side in bench.available(BOTH)}
    if "orthanc" in servers:
        put_beside(servers["orthanc"], archive(bench, "pacsd"), package, studies)
    with replaying(archive(bench, "pacsd")) as floor:
        servers[FLOOR] = floor
        alternate(bench, list(servers), once)
    bench.note(f"viewer rows: headless Chromium on the same cores, its profile {WARM_UP} openings old, no image kept")
    bench.note(f"viewer rows: OHIF {VERSION}, ours as `pacsd viewer install` makes it, Orthanc's as npm gives it")
    _measured[name] = found
    return found


def opened_before(
    server: Server, name: str, watch: str, images: int, of: Study, arguments: tuple[str, ...]
) -> None:
    """Open a study in a profile that is thrown away."""
    with tempfile.TemporaryDirectory() as profile, kept_desk(Path(profile), *arguments) as context:
        context.add_init_script(WATCH % (watch, images))
        opened(context, server, name, of)


_measured: dict[str, dict[str, list[tuple[float, float]]]] = {}


def measured(bench: Bench, name: str, which: int) -> Samples:
    """One of the two times, by side."""
    return {side: [pair[which] for pair in pairs] for side, pairs in timings(bench, name).items()}


ROWS = (
    Row("ohif-first", "OHIF: first image of a 500-slice CT", "s", lambda bench: measured(bench, "ohif", 0),
        sides=(*BOTH, FLOOR), targets=(("orthanc", 2.0),)),
    Row("ohif-100", f"OHIF: {IMAGES} images of it", "s", lambda bench: measured(bench, "ohif", 1),
        sides=(*BOTH, FLOOR), targets=(("orthanc", 2.0),)),
    Row("film-first", "Film page: first image of a 500-slice CT", "s", lambda bench: measured(bench, "film", 0),
        sides=(*BOTH, FLOOR), targets=(("orthanc", 2.0),)),
    Row("film-100", f"Film page: {IMAGES} images of it", "s", lambda bench: measured(bench, "film", 1),
        sides=(*BOTH, FLOOR), targets=(("orthanc", 2.0),)),
)  # fmt: skip
