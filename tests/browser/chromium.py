"""The system's Chromium, driven by playwright: starting it, and fingers on its screen."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, CDPSession, Error, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / ".browser"                    # screenshots and the package of the viewer: kept, never committed
ARGUMENTS = (
    "--no-sandbox",                              # tests may run as root
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WITHOUT_WEBGL = ("--disable-gpu",)               # plain canvases are far quicker so
WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")     # without a graphics card
Point = tuple[float, float]


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """A headless browser with a profile of its own. The program must be there."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()


def phone(browser: Browser) -> BrowserContext:
    """A window the size of a phone, with a screen to touch."""
    return browser.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=2, has_touch=True, is_mobile=True, locale="zh-CN"
    )


def desk(browser: Browser) -> BrowserContext:
    """A window the size of a small monitor, with a mouse."""
    return browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")


@contextmanager
def kept_desk(profile: Path, *arguments: str) -> Iterator[BrowserContext]:
    """A monitor whose browser keeps in a folder what it loads, and what it compiles of it, as a reader's does."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=program,
            args=[*ARGUMENTS, *arguments],
            viewport={"width": 1280, "height": 800},
            locale="en-GB",
        )
        try:
            yield context
        finally:
            context.close()


class Watched:
    """A page whose errors are remembered: what it throws, what its policy forbids, whom else it asks."""

    def __init__(self, context: BrowserContext, origin: str, *, expected: tuple[str, ...] = ()) -> None:
        self.page = context.new_page()
        self.wrong: list[str] = []
        self.expected = expected
        self.page.on("pageerror", lambda error: self._wrong(f"threw {error.message}"))
        self.page.on("console", lambda message: self._said(message.type, message.text))
        self.page.on("request", lambda request: self._asked(request.url, origin))

    def _said(self, kind: str, text: str) -> None:
        if kind == "error" or "Content Security Policy" in text:
            self._wrong(f"said {text}")

    def _asked(self, url: str, origin: str) -> None:
        if not url.startswith((origin, "blob:", "data:", "about:", "chrome:", "chrome-extension:")):
            self._wrong(f"asked {url}")

    def _wrong(self, text: str) -> None:
        if not any(one in text for one in self.expected):
            self.wrong.append(text[:300])


class Fingers:
    """Touches, as the browser's own protocol knows them: several at once, and slow ones."""

    def __init__(self, page: Page) -> None:
        self._protocol: CDPSession = page.context.new_cdp_session(page)
        self._page = page

    def _send(self, kind: str, *points: Point) -> None:
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self._protocol.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def drag(self, *paths: tuple[Point, Point], steps: int = 10, lift: bool = True) -> None:
        """Fingers that go down together, each along its path, and up."""
        self._send("touchStart", *(start for start, _ in paths))
        for step in range(1, steps + 1):
            self._send("touchMove", *(between(start, end, step / steps) for start, end in paths))
        if lift:
            self.lift()

    def lift(self) -> None:
        """Take all fingers away."""
        self._send("touchEnd")


def between(start: Point, end: Point, share: float) -> Point:
    """The point that lies a share of the way from start to end."""
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def artefact(name: str) -> Path:
    """Where a screenshot goes."""
    folder = ARTEFACTS / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.png"


def picture(page: Page, name: str) -> None:
    """Keep a screenshot for people to look at. A browser short of processors may fail to make one."""
    for left in (2, 1, 0):
        try:
            page.screenshot(path=artefact(name))
            return
        except Error:
            if not left:
                raise
            page.wait_for_timeout(500)
