"""The prebuilt viewer's files: what is handed out, with which headers, and what never is."""

import gzip
from pathlib import Path

import pytest

from pacsd.web.viewer import HEADERS
from tests.web.fakes import Web

SCRIPT = b"console.log('viewer');" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An installed viewer beside a file that nobody may read."""
    (tmp_path / "secret.txt").write_text("secret")
    viewer = tmp_path / "viewer"
    (viewer / "assets").mkdir(parents=True)
    (viewer / "index.html").write_text("<title>index</title>")
    (viewer / "app-config.js").write_text("window.config = {};")
    (viewer / "app.bundle.0123456789abcdef.js").write_bytes(SCRIPT)
    (viewer / "app.bundle.0123456789abcdef.js.gz").write_bytes(gzip.compress(SCRIPT))
    (viewer / "assets" / "logo.svg").write_text("<svg/>")
    (viewer / "link.txt").symlink_to(tmp_path / "secret.txt")
    return viewer


@pytest.fixture
def web(folder: Path) -> Web:
    return Web(viewer_dir=folder)


@pytest.mark.parametrize("path", ["/viewer/", "/viewer/viewer?StudyInstanceUIDs=1.2", "/viewer/segmentation"])
def test_paths_of_the_page_get_the_page(web: Web, path: str) -> None:
    answer = web.request("GET", path)
    assert (answer.status_code, answer.text) == (200, "<title>index</title>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


def test_headers_isolate_the_page_and_let_it_ask_nobody_else(web: Web) -> None:
    headers = web.request("GET", "/viewer/").headers
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["x-content-type-options"] == "nosniff"
    directives = dict(one.strip().split(" ", 1) for one in headers["content-security-policy"].split(";"))
    assert directives["default-src"] == "'self'"
    assert directives["script-src"] == "'self' 'wasm-unsafe-eval' blob:"
    assert not any("http" in one or "*" in one for one in directives.values())


@pytest.mark.parametrize("path", ["/", "/viewer"])
def test_the_root_leads_to_the_viewer(web: Web, path: str) -> None:
    answer = web.request("GET", f"{path}?StudyInstanceUIDs=1.2")
    assert (answer.status_code, answer.headers["location"]) == (308, "/viewer/?StudyInstanceUIDs=1.2")


def test_compressed_twin_goes_to_who_takes_it(web: Web) -> None:
    path = "/viewer/app.bundle.0123456789abcdef.js"
    answer = web.request("GET", path, headers={"Accept-Encoding": "br, gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) < len(SCRIPT)
    assert (answer.content, answer.headers["content-type"]) == (SCRIPT, "text/javascript; charset=utf-8")
    for refused in ("identity", "gzip;q=0", "br", "*;q=0"):
        plain = web.request("GET", path, headers={"Accept-Encoding": refused})
        assert "content-encoding" not in plain.headers
        assert plain.headers["vary"] == "Accept-Encoding"
        assert plain.content == SCRIPT


def test_names_with_a_hash_are_kept_for_ever(web: Web) -> None:
    kept = web.request("GET", "/viewer/app.bundle.0123456789abcdef.js").headers["cache-control"]
    assert kept == "public, max-age=31536000, immutable"
    assert web.request("GET", "/viewer/app-config.js").headers["cache-control"] == "no-cache"


def test_what_the_client_has_is_not_sent_again(web: Web) -> None:
    first = web.request("GET", "/viewer/assets/logo.svg")
    again = web.request("GET", "/viewer/assets/logo.svg", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


def test_head_has_no_body(web: Web) -> None:
    answer = web.request("HEAD", "/viewer/app-config.js")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "19")


@pytest.mark.parametrize(
    "path",
    [
        "/viewer/../secret.txt",
        "/viewer/..%2fsecret.txt",
        "/viewer/%2e%2e/secret.txt",
        "/viewer/assets/..%2f..%2fsecret.txt",
        "/viewer/..%5csecret.txt",
        "/viewer/%2fetc%2fpasswd.txt",
        "/viewer/link.txt",
        "/viewer/secret.txt%00.js",
        "/viewer/app.bundle.0123456789abcdef.js.gz",
        "/viewer/assets/",
        "/viewer/assets/none",
        "/viewer/none.js",
    ],
)
def test_nothing_else_is_handed_out(web: Web, path: str) -> None:
    answer = web.request("GET", path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_a_name_beyond_what_a_file_system_takes(web: Web) -> None:
    assert web.request("GET", "/viewer/" + "a" * 5000 + ".js").status_code == 404


@pytest.mark.parametrize("missing", [True, False])
def test_not_installed_says_how(tmp_path: Path, missing: bool) -> None:
    answer = Web(viewer_dir=None if missing else tmp_path / "viewer").request("GET", "/viewer/")
    assert answer.status_code == 404
    assert "pacsd viewer install" in answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_nothing_can_be_written_there(web: Web) -> None:
    answer = web.request("PUT", "/viewer/index.html")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
