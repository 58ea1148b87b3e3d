"""A share link as a patient has it: QR code, PIN, images and report on a phone, until it is over; and after a crash."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pydicom
import pytest

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Browser, Page, Route, expect
from pydicom.uid import generate_uid

from pacsd.main import main
from tests.browser.chromium import Watched, artefact, phone, picture
from tests.server import Server, remove_folder, scratch_folder

zxingcpp = pytest.importorskip("zxingcpp", reason="needs the Python package zxing-cpp")
Image = pytest.importorskip("PIL.Image", reason="needs the Python package pillow")
EXPECTED = ("status of 401", "status of 403", "status of 404", "status of 406")


@dataclass(frozen=True)
class Hospital:
    """A server that lets nobody in without a token, or a link; a CT with its report, and another study."""

    server: Server
    study: str
    other: str
    gateway: "Gateway"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server.http_port}"

    def command(self, *arguments: str) -> str:
        """What `pacsd link` says; in this process, for another one takes ten times as long to begin."""
        common = ["--config", str(self.server.config), "--data", str(self.server.data)]
        with redirect_stdout(StringIO()) as told:
            assert main(["link", *arguments, *common]) == 0
        return told.getvalue()

    def link(self, *arguments: str) -> dict[str, str]:
        """A new link: what the command tells of it, by name."""
        told = self.command("make", "--study", self.study, *arguments)
        return dict(line.split("\t") for line in told.splitlines() if "\t" in line)


class Gateway(ThreadingHTTPServer):
    """A gateway of messages on this machine; the first time it is asked it is away."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.taken: Queue[dict[str, str]] = Queue()
        self.asked = 0
        Thread(target=self.serve_forever, daemon=True).start()


class Taking(BaseHTTPRequestHandler):
    """Takes a message."""

    def do_POST(self) -> None:
        """As BaseHTTPRequestHandler has it."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        gateway: Any = self.server
        gateway.asked += 1
        self.send_response(503 if gateway.asked == 1 else 204)
        self.end_headers()
        if gateway.asked > 1:
            gateway.taken.put(body)

    def log_message(self, *values: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def hospital(data_folder: Path) -> Iterator[Hospital]:
    folder = scratch_folder("pacsd-links-")
    server, gateway = Server(folder / "data"), Gateway()
    server.configure(f"""
[security]
authentication = "required"
[web]
public_url = "http://127.0.0.1:{server.http_port}/"
[links]
networks = ["127.0.0.1/32"]
[[link_channels]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:{gateway.server_port}/links"
""")
    try:
        study, other = collect(data_folder / "dicom", folder / "files")
        server.start()
        brought = server.command("import", str(folder / "files"))
        assert brought.returncode == 0, brought.stdout
        yield Hospital(server, study, other, gateway)
    finally:
        gateway.shutdown()
        gateway.server_close()
        server.kill()
        remove_folder(folder)


def collect(data: Path, folder: Path) -> tuple[str, str]:
    """Some slices of a CT, a structured report in the same study, and a study of somebody else."""
    folder.mkdir(parents=True)
    slices = sorted((data / "series_ct_phantom_28_slices").glob("*.dcm"))[:8]
    for file in slices:
        shutil.copy(file, folder / file.name)
    shutil.copy(data / "modality/us/examples_ybr_color.dcm", folder / "us.dcm")
    ct, report = pydicom.dcmread(slices[0]), pydicom.dcmread(data / "modality/sr/test-SR.dcm")
    for name in ("StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate"):
        setattr(report, name, ct.get(name, ""))
    report.SeriesInstanceUID, report.SOPInstanceUID = generate_uid(), generate_uid()
    report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID
    report.save_as(folder / "sr.dcm")
    return str(ct.StudyInstanceUID), str(pydicom.dcmread(folder / "us.dcm").StudyInstanceUID)


@pytest.fixture
def held(browser: Browser, hospital: Hospital) -> Iterator[Watched]:
    """A patient's phone."""
    with phone(browser) as context:
        watched = Watched(context, hospital.origin, expected=EXPECTED)
        yield watched
        assert not watched.wrong, watched.wrong


@pytest.fixture
def another(browser: Browser, hospital: Hospital) -> Iterator[Watched]:
    """Somebody else's."""
    with phone(browser) as context:
        watched = Watched(context, hospital.origin, expected=EXPECTED)
        yield watched
        assert not watched.wrong, watched.wrong


def scanned(picture: Path) -> str:
    """What a QR code says, read by a decoder that is not ours."""
    with Image.open(picture) as image:
        (found,) = zxingcpp.read_barcodes(image.convert("L"))
    return str(found.text)


def shown(page: Page) -> None:
    page.wait_for_selector(".pane[data-shown*='/']")


def over(page: Page) -> None:
    """The page learns by itself that its link is over, and shows nothing any more."""
    expect(page.locator("#over")).to_have_text("链接已过期或已失效，请向医院索取新的链接。", timeout=30_000)
    assert page.locator("canvas").count() == 0 and page.title() == "影像"


def test_qr_code_leads_to_images_and_report_until_the_link_is_over(
    hospital: Hospital, held: Watched, another: Watched, tmp_path: Path
) -> None:
    expiring = hospital.link("--no-pin", "--until", (datetime.now(UTC) + timedelta(seconds=14)).isoformat())
    late = another.page
    late.goto(expiring["link"])
    picture(late, "link-touch")
    late.get_by_role("button", name="查看").tap()
    shown(late)

    code = tmp_path / "link.png"
    link = hospital.link("--qr", str(code))
    shutil.copy(code, artefact("link-qr"))
    page, url = held.page, scanned(code)
    assert url == link["link"]
    page.goto(url)
    expect(page.get_by_role("heading", name="检查影像")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    picture(page, "link-pin")
    page.get_by_label("查看码").fill("000001")
    page.get_by_role("button", name="查看").tap()
    expect(page.get_by_role("alert")).to_have_text("查看码不正确。")
    picture(page, "link-wrong-pin")
    page.get_by_label("查看码").fill(link["PIN"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{hospital.origin}/film/{hospital.study}")
    shown(page)
    assert page.evaluate("document.cookie") == ""                          # scripts do not see the session
    assert page.locator("#toolbar button[data-name=download]").count() == 0
    picture(page, "link-images")
    page.locator("#toolbar button[data-name=report]").tap()
    expect(page.locator("dialog article.report")).to_be_visible()
    picture(page, "link-report")
    page.keyboard.press("Escape")
    other = page.evaluate("async path => (await fetch(path)).status", f"/dicom-web/studies/{hospital.other}/metadata")
    whole = page.evaluate("async path => (await fetch(path)).status", f"/dicom-web/studies/{hospital.study}")
    assert (other, whole) == (404, 403)

    over(late)
    picture(late, "link-expired")
    late.goto(expiring["link"])
    expect(late.get_by_role("heading", name="链接无效或已过期")).to_be_visible()
    picture(late, "link-over")

    assert page.locator("canvas").count()
    hospital.command("revoke", link["name"], "--reason", "lost phone")
    over(page)
    picture(page, "link-revoked")
    page.goto(f"{hospital.origin}/film/{hospital.study}")
    expect(page.get_by_role("heading", name="链接无效或已过期")).to_be_visible()


def test_history_is_a_list_and_a_study_may_be_taken_away(hospital: Hospital, held: Watched) -> None:
    link = hospital.link("--study", hospital.other, "--download", "--pin", "271828", "--send", "hook", "her phone")
    message = hospital.gateway.taken.get(timeout=60)                       # sent again, for it was away
    assert message["to"] == "her phone" and message["link"] == link["name"] and "271828" not in json.dumps(message)
    url = message["text"].rpartition("：")[2]
    assert url == link["link"]
    page = held.page
    page.goto(url)
    page.get_by_label("查看码").fill("271828")
    page.get_by_role("button", name="查看").tap()
    page.wait_for_url(f"{hospital.origin}/film")
    expect(page.locator("#studies a")).to_have_count(2)
    picture(page, "link-history")
    page.route("**/dicom-web/studies?*", more_than_it_shows)
    page.reload()
    expect(page.locator("#studies a")).to_have_count(1000)
    expect(page.locator("#more")).to_have_text("检查过多，只显示 1000 项")
    page.unroute("**/dicom-web/studies?*")
    page.reload()
    expect(page.locator("#studies a")).to_have_count(2)
    page.locator(f"#studies a[href$='{hospital.study}']").tap()
    shown(page)
    with page.expect_download() as downloading:
        page.locator("#toolbar button[data-name=download]").tap()
    assert re.match(rb"PK", Path(downloading.value.path()).read_bytes()[:2])


def more_than_it_shows(route: Route) -> None:
    """A page of an endless history (PS3.18 8.3.4)."""
    asked = parse_qs(urlsplit(route.request.url).query)
    first, count = int(asked["offset"][0]), int(asked["limit"][0])
    uids = [{"0020000D": {"vr": "UI", "Value": [f"1.2.{first + number}"]}} for number in range(count)]
    route.fulfill(json=uids, headers={"Warning": "299 here: There are additional results that can be requested"})


def entered(hospital: Hospital, link: dict[str, str]) -> httpx.Response:
    path = urlsplit(link["link"]).path
    return httpx.post(f"{hospital.origin}{path}", data={"pin": link.get("PIN", "")})


def looks(hospital: Hospital, answer: httpx.Response) -> int:
    cookie = answer.headers["set-cookie"].partition(";")[0]
    path = f"{hospital.origin}/dicom-web/studies/{hospital.study}/metadata"
    return httpx.get(path, headers={"cookie": cookie}).status_code


def test_links_outlive_a_killed_server_and_a_lost_index(hospital: Hospital) -> None:
    twice, gone = hospital.link("--views", "2"), hospital.link()
    session = entered(hospital, twice)
    hospital.command("revoke", gone["name"], "--reason", "a wrong number")
    hospital.server.kill()
    hospital.server.start()
    assert looks(hospital, session) == 200 and entered(hospital, gone).status_code == 404
    assert hospital.server.stop() == 0
    shutil.rmtree(hospital.server.data / "postgres")
    done = hospital.server.command("rebuild")
    assert done.returncode == 0, done.stdout
    hospital.server.start()
    assert looks(hospital, session) == 401                                 # it is begun anew, by the link
    assert looks(hospital, entered(hospital, twice)) == 200
    assert entered(hospital, twice).status_code == entered(hospital, gone).status_code == 404
