"""A page of another origin asks DICOMweb with the browser's own fetch (CORS, Fetch 3.2)."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Browser, Page

from tests.browser.chromium import desk
from tests.browser.conftest import Served
from tests.synthetic import small_object, sop_instance_uid, study

ASK = """async ([url, method, headers, body]) => {
    const bytes = body === null ? undefined : Uint8Array.from(body);
    try {
        const answer = await fetch(url, { method, headers, body: bytes });
        const content = new Uint8Array(await answer.arrayBuffer());
        const text = new TextDecoder('latin1').decode(content.slice(0, 4000));
        return { status: answer.status, size: content.length, text, headers: Object.fromEntries(answer.headers) };
    } catch (error) {
        return { failed: error.name };
    }
}"""


class Blank(http.server.BaseHTTPRequestHandler):
    """An empty page at every path."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere(served: Served) -> Iterator[int]:
    """A web server beside ours, of the port whose origin is allowed; by the name localhost it is another one."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", served.other_port), Blank)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield served.other_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def allowed(browser: Browser, elsewhere: int) -> Iterator[Page]:
    """A page of the allowed origin."""
    with desk(browser) as context:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{elsewhere}/")
        yield page


def asked(page: Page, url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> dict[str, Any]:
    """What fetch gives the page."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return dict(page.evaluate(ASK, [url, method, named, None if body is None else list(body)]))


def test_a_page_of_an_allowed_origin_searches_retrieves_and_stores(allowed: Page, served: Served) -> None:
    base, ct = f"{served.origin}/dicom-web", served.studies.ct
    found = asked(allowed, f"{base}/studies?StudyInstanceUID={ct.study}", Accept="application/dicom+json")
    assert found["status"] == 200 and f'"{ct.study}"' in found["text"]

    instance = f"{base}/studies/{ct.study}/series/{ct.series}/instances/{ct.first.SOPInstanceUID}"
    octets = 'multipart/related; type="application/octet-stream"'        # quotes: the browser asks first (OPTIONS)
    frame = asked(allowed, f"{instance}/frames/1", Accept=octets)
    assert frame["status"] == 200 and frame["size"] > 512 * 512 * 2
    assert frame["headers"]["content-type"].startswith("multipart/related") and frame["text"].startswith("--")
    again = asked(allowed, f"{instance}/frames/1", Accept=octets, If_None_Match=frame["headers"]["etag"])
    assert again["status"] in (200, 304)                                 # of its own cache, or ours

    file = small_object(study(77))
    boundary, kind = b"elsewhere", 'multipart/related; type="application/dicom"; boundary=elsewhere'
    body = b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n--%s--\r\n" % (boundary, file, boundary)
    stored = asked(allowed, f"{base}/studies", "POST", body, Content_Type=kind, Accept="application/dicom+json")
    assert stored["status"] == 200 and sop_instance_uid(file) in stored["text"]


def test_a_refusal_can_be_read_by_the_page_too(allowed: Page, served: Served) -> None:
    refused = asked(allowed, f"{served.origin}/dicom-web/studies/1.2.3/rendered", Accept="video/mp4")
    assert refused["status"] in (404, 406) and refused["text"].startswith("{")


def test_a_page_of_any_other_origin_gets_nothing(browser: Browser, elsewhere: int, served: Served) -> None:
    with desk(browser) as context:
        page = context.new_page()
        page.goto(f"http://localhost:{elsewhere}/")
        url = f"{served.origin}/dicom-web/studies"
        assert asked(page, url) == {"failed": "TypeError"}
        assert asked(page, url, "POST", b"x", Content_Type="application/dicom") == {"failed": "TypeError"}
