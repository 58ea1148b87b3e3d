"""`pacsd viewer install`: from a file, from the npm client, from a registry over HTTP; and what is refused."""

import base64
import hashlib
import http.server
import io
import json
import os
import stat
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pacsd.commands.cli import run
from pacsd.commands.viewer_bundle import rewritten, rewritten_page
from pacsd.faults import PacsdError
from tests.commands.test_cli import Played

INDEX = (
    b'<html><head><link href="/app.bundle.css" rel="stylesheet"><meta content="/assets/b.xml">'
    b'<script>window.PUBLIC_URL="/"</script><script type="module" src="/init-service-worker.js"></script>'
    b'<script defer src="/app.bundle.0123456789abcdef.js"></script><a href="//elsewhere">x</a></head></html>'
)
ENTRY = b'__webpack_require__.p = "/";\nwindow.browserImportFunction(\'/dicom-microscopy-viewer/x.js\');'
GOOD: Mapping[str, bytes] = {
    "package/package.json": b'{"name": "@ohif/app", "version": "9.9.9"}',
    "package/dist/index.html": INDEX,
    "package/dist/app.bundle.0123456789abcdef.js": ENTRY + b"//" + b"x" * 4000,
    "package/dist/app.bundle.css": b"@font-face { src: url(/font.woff2) }",
    "package/dist/app-config.js": b"window.config = 'theirs';",
    "package/dist/sw.js": b"importScripts('elsewhere');",
    "package/dist/ort/ort.wasm": b"model",
    "package/dist/app.bundle.js.map": b"{}",
    "package/README.md": b"read me",
}


def package(path: Path, members: Mapping[str, bytes] = GOOD, *, links: Mapping[str, str] | None = None) -> Path:
    """An npm package file."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return path


def integrity(path: Path) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def install(tmp_path: Path, *options: str) -> int:
    return run(["viewer", "install", "--data", str(tmp_path / "data"), *options], Played())


def install_file(tmp_path: Path, path: Path, *options: str) -> int:
    return install(tmp_path, "--from", str(path), "--integrity", integrity(path), *options)


@pytest.fixture
def viewer(tmp_path: Path) -> Path:
    return tmp_path / "data" / "viewer"


def test_from_a_file(tmp_path: Path, viewer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install_file(tmp_path, package(tmp_path / "app.tgz")) == 0
    assert "@ohif/app 9.9.9" in capsys.readouterr().out
    index = (viewer / "index.html").read_text()
    assert 'href="/viewer/app.bundle.css"' in index
    assert 'content="/viewer/assets/b.xml"' in index
    assert 'href="//elsewhere"' in index
    assert "service-worker" not in index
    assert "<script>" not in index
    inline = next(viewer.glob("inline.*.js"))
    assert inline.read_text() == 'window.PUBLIC_URL="/viewer/"'
    assert f'src="/viewer/{inline.name}"' in index
    script = (viewer / "app.bundle.0123456789abcdef.js").read_text()
    assert '__webpack_require__.p = "/viewer/"' in script
    assert "'/viewer/dicom-microscopy-viewer/x.js'" in script
    assert "url(/viewer/font.woff2)" in (viewer / "app.bundle.css").read_text()
    assert "/dicom-web" in (viewer / "app-config.js").read_text()
    assert (viewer / "app.bundle.0123456789abcdef.js.gz").stat().st_size < 1000
    assert not (viewer / "sw.js").exists() and not (viewer / "ort").exists()
    assert not list(viewer.glob("*.map")) and not (viewer / "README.md").exists()
    assert stat.S_IMODE(viewer.stat().st_mode) == 0o755
    assert [one.name for one in viewer.parent.iterdir()] == ["viewer"]


def test_again_replaces_the_whole(tmp_path: Path, viewer: Path) -> None:
    assert install_file(tmp_path, package(tmp_path / "app.tgz")) == 0
    (viewer / "left-over.js").write_text("old")
    assert install_file(tmp_path, package(tmp_path / "app.tgz")) == 0
    assert not (viewer / "left-over.js").exists()
    assert [one.name for one in viewer.parent.iterdir()] == ["viewer"]


def test_configuration_of_ones_own(tmp_path: Path, viewer: Path) -> None:
    own = tmp_path / "own.js"
    own.write_text("window.config = 'own';")
    assert install_file(tmp_path, package(tmp_path / "app.tgz"), "--app-config", str(own)) == 0
    assert (viewer / "app-config.js").read_text() == own.read_text()


def test_folder_of_the_settings(tmp_path: Path) -> None:
    settings = tmp_path / "pacsd.toml"
    settings.write_text('[web]\nviewer_dir = "elsewhere/viewer"\n')
    assert install_file(tmp_path, package(tmp_path / "app.tgz"), "--config", str(settings)) == 0
    assert (tmp_path / "elsewhere" / "viewer" / "index.html").exists()


@pytest.mark.parametrize(
    ("members", "links", "said"),
    [
        ({**GOOD, "package/dist/../../evil.js": b"evil"}, {}, "outside its folder"),
        ({**GOOD, "/package/dist/evil.js": b"evil"}, {}, "outside its folder"),
        ({**GOOD, "package/dist/index.html": b"<html></html>"}, {}, "PUBLIC_URL"),
        ({name: data for name, data in GOOD.items() if "app.bundle.0" not in name}, {}, "no bundle of OHIF"),
        ({"package/dist/index.html": INDEX}, {}, "no npm package"),
    ],
)
def test_packages_that_are_refused_leave_what_there_was(
    tmp_path: Path, viewer: Path, capsys: pytest.CaptureFixture[str],
    members: Mapping[str, bytes], links: Mapping[str, str], said: str,
) -> None:  # fmt: skip
    assert install_file(tmp_path, package(tmp_path / "good.tgz")) == 0
    before = sorted(one.name for one in viewer.iterdir())
    assert install_file(tmp_path, package(tmp_path / "bad.tgz", members, links=links)) == 1
    assert said in capsys.readouterr().err
    assert sorted(one.name for one in viewer.iterdir()) == before
    assert [one.name for one in viewer.parent.iterdir()] == ["viewer"]
    assert not list(tmp_path.rglob("evil.js"))


def test_links_in_a_package_are_passed_over(tmp_path: Path, viewer: Path) -> None:
    path = package(tmp_path / "app.tgz", links={"package/dist/passwd.txt": "/etc/passwd"})
    assert install_file(tmp_path, path) == 0
    assert not (viewer / "passwd.txt").is_symlink()


@pytest.mark.parametrize("cut", [0, 100, 300])
def test_truncated_package(tmp_path: Path, viewer: Path, capsys: pytest.CaptureFixture[str], cut: int) -> None:
    path = package(tmp_path / "app.tgz")
    path.write_bytes(path.read_bytes()[:cut])
    assert install_file(tmp_path, path) == 1
    assert "no npm package" in capsys.readouterr().err
    assert not viewer.exists()


def test_other_content_than_the_hash_says(tmp_path: Path, viewer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = package(tmp_path / "app.tgz")
    wrong = "sha512-" + base64.b64encode(bytes(64)).decode()
    assert install(tmp_path, "--from", str(path), "--integrity", wrong) == 1
    assert "is not what it should be" in capsys.readouterr().err
    assert install(tmp_path, "--from", str(path)) == 1
    assert "no hash is known" in capsys.readouterr().err
    assert install(tmp_path, "--from", str(path), "--integrity", "md5-abc=") == 1
    assert not viewer.exists()


def test_file_that_says_the_version_we_know_but_is_another(
    tmp_path: Path, viewer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = {**GOOD, "package/package.json": b'{"version": "3.13.2"}'}
    assert install(tmp_path, "--from", str(package(tmp_path / "app.tgz", forged))) == 1
    assert "is not what it should be" in capsys.readouterr().err
    assert not viewer.exists()


def test_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install(tmp_path, "--from", str(tmp_path / "none.tgz")) == 1
    assert "none.tgz" in capsys.readouterr().err


class Registry(http.server.BaseHTTPRequestHandler):
    """As much of a registry as one package needs."""

    file: Path
    integrity: str

    def do_GET(self) -> None:
        if self.path == "/@ohif/app/9.9.9":
            tarball = f"http://127.0.0.1:{self.server.server_address[1]}/app.tgz"
            body = json.dumps({"dist": {"tarball": tarball, "integrity": type(self).integrity}}).encode()
        elif self.path == "/app.tgz":
            body = type(self).file.read_bytes()
        else:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    Registry.file = package(tmp_path / "published.tgz")
    Registry.integrity = integrity(Registry.file)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def without_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))
    for name in [*os.environ]:
        if name.lower().startswith("npm_config"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NPM_CONFIG_USERCONFIG", str(tmp_path / "npmrc"))
    return monkeypatch


def test_from_a_registry_without_npm(
    tmp_path: Path, viewer: Path, registry: str, without_npm: pytest.MonkeyPatch
) -> None:
    assert install(tmp_path, "--version", "9.9.9", "--registry", registry) == 0
    assert (viewer / "index.html").exists()


@pytest.mark.parametrize("where", ["environment", "file"])
def test_registry_that_npm_is_set_up_for(
    tmp_path: Path, viewer: Path, registry: str, without_npm: pytest.MonkeyPatch, where: str
) -> None:
    if where == "environment":
        without_npm.setenv("npm_config_registry", registry)
    else:
        (tmp_path / "npmrc").write_text(f"; mine\nregistry = {registry}/\n")
    assert install(tmp_path, "--version", "9.9.9") == 0
    assert (viewer / "index.html").exists()


def test_registry_whose_package_is_not_what_it_says(
    tmp_path: Path, viewer: Path, registry: str, without_npm: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    Registry.integrity = "sha512-" + base64.b64encode(bytes(64)).decode()
    assert install(tmp_path, "--version", "9.9.9", "--registry", registry) == 1
    assert "is not what it should be" in capsys.readouterr().err
    Registry.integrity = ""
    assert install(tmp_path, "--version", "9.9.9", "--registry", registry) == 1
    assert "gives no hash" in capsys.readouterr().err
    assert not viewer.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "npm is not installed here"),
        (("--registry", "http://127.0.0.1:9"), "cannot be reached"),
        (("--registry", "file:///etc"), "not one of HTTP"),
    ],
)
def test_no_registry(
    tmp_path: Path, without_npm: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...], said: str,
) -> None:  # fmt: skip
    assert install(tmp_path, *options) == 1
    assert said in capsys.readouterr().err


def test_npm_client_is_asked_where_there_is_one(
    tmp_path: Path, viewer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = package(tmp_path / "published.tgz")
    said = json.dumps([{"filename": "app.tgz", "integrity": integrity(published)}])
    programs = tmp_path / "programs"
    programs.mkdir()
    npm = programs / "npm"
    npm.write_text(
        f"#!/bin/sh\n[ \"$1 $2 $3 $4\" = 'pack @ohif/app@9.9.9 --json --pack-destination' ] || exit 1\n"
        f"cp {published} \"$5\"/app.tgz\ncat <<'END'\n{said}\nEND\n"
    )
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert install(tmp_path, "--version", "9.9.9") == 0
    assert (viewer / "index.html").exists()


def test_npm_client_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error 404 Not Found' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert install(tmp_path, "--version", "9.9.9") == 1
    assert "404 Not Found" in capsys.readouterr().err


def test_only_what_names_the_root_is_rewritten() -> None:
    assert rewritten("a.js", b'x = "/elsewhere"; n.p = "/"') == b'x = "/elsewhere"; n.p = "/"'
    assert rewritten("a.css", b"url(//cdn) url('/a') url(data:x)") == b"url(//cdn) url('/viewer/a') url(data:x)"
    with pytest.raises(PacsdError):
        rewritten_page(b"<html></html>")
