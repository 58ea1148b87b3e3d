"""The server as a site runs it: certificates of `pacsd certs`, DICOM, HL7 and HTTP inside TLS, and nothing beside."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pacsd.commands import cli
from tests.clients import require
from tests.conftest import ROOT
from tests.dimse.objects import ROOT_UID, ct_file
from tests.end_to_end.test_registering import eventually
from tests.fhir.acting.test_administration import device, endpoint, says
from tests.server import Server, free_port, remove_folder, scratch_folder

SETTINGS = """
[[remote_aes]]
title = "CT1"
host = "127.0.0.1"
port = 104
organisation = "default"
certificate = "ct1.example"
[[remote_aes]]
title = "ARCHIVE"
host = "127.0.0.1"
port = {archive}
organisation = "default"
tls = true
certificate = "archive.example"
[[remote_aes]]
title = "STRANGER"
host = "127.0.0.1"
port = {archive}
organisation = "default"
tls = true
certificate = "another.example"
[security.tls]
certificate = "certs/pacs.pem"
key = "certs/pacs.key.pem"
authorities = "certs/ca.pem"
revocations = "certs/crl.pem"
https_port = {https}
dicom_port = {dicom}
mllp_port = {mllp}
web_clients = "optional"
"""


@dataclass(frozen=True)
class Site:
    """A running server with its certificates."""

    server: Server
    certs: Path
    https: int
    dicom: int
    mllp: int
    archive: int

    def dcmtk(self, program: str, title: str, *options: object, by: str = "ct1", of: Path | None = None) -> str | None:
        """What a program says, None where it fails."""
        require(program)
        folder = of or self.certs
        files = [folder / f"{by}.key.pem", folder / f"{by}.pem", "+cf", self.certs / "ca.pem"]
        head = [one for one in options if not isinstance(one, Path)]
        tail = [one for one in options if isinstance(one, Path)]
        command = [program, "-v", "-aet", title, "-aec", "PACSD", "+tls", *files, *head, "127.0.0.1", self.dicom, *tail]
        done = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=120, check=False)
        return done.stdout + done.stderr if done.returncode == 0 else None

    def curl(self, path: str, *options: object) -> "subprocess.CompletedProcess[str]":
        require("curl")
        command = ["curl", "--silent", "--include", "--cacert", self.certs / "ca.pem", *options,
                   f"https://localhost:{self.https}{path}"]  # fmt: skip
        return subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=60, check=False)

    def moves(self, title: str, study: str) -> bool:
        """movescu speaks no TLS itself."""
        keys = ["-S", "-aem", title, "-k", "QueryRetrieveLevel=STUDY", "-k", study]
        asking = ["movescu", "-aec", "PACSD", *keys, "127.0.0.1", str(self.server.dicom_port)]
        return subprocess.run(asking, capture_output=True, timeout=60, check=False).returncode == 0

    def put(self, resource: dict[str, Any]) -> None:
        path = f"/fhir/{resource['resourceType']}/{resource['id']}"
        answer = self.curl(path, "--request", "PUT", "--header", "Content-Type: application/fhir+json",
                           "--data", json.dumps(resource))  # fmt: skip
        assert answer.stdout.splitlines()[0].split()[1] in ("200", "201"), answer.stdout

    def make(self, *arguments: str) -> None:
        wiring: object = None
        assert cli.run(["certs", *arguments, "--folder", str(self.certs)], wiring) == 0  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    folder = scratch_folder("pacsd-tls-")
    ports = {name: free_port() for name in ("https", "dicom", "mllp", "archive")}
    made = Site(Server(folder / "data", config=SETTINGS.format(**ports)), folder / "certs", **ports)
    try:
        made.make("init")
        made.make("issue", "ae", "pacs", "localhost", "127.0.0.1")
        for name in ("ct1", "mr1", "archive"):
            made.make("issue", "ae", name, f"{name}.example")
        made.server.start()
        yield made
    finally:
        made.server.kill()
        remove_folder(folder)


def test_a_day_inside_tls(site: Site, tmp_path: Path) -> None:
    """Stored, found, moved on and read, every step encrypted, by programs that are not ours."""
    files = [ct_file(tmp_path, number=n, rows=64) for n in range(3)]
    study = f"StudyInstanceUID={ROOT_UID}.1"
    assert site.dcmtk("storescu", "CT1", *files)
    found = site.dcmtk("findscu", "MR1", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", study, by="mr1")
    assert found is not None and "Find Response: 1" in found
    with storescp(site, tmp_path / "got"):
        assert site.moves("ARCHIVE", study)
    assert len(list((tmp_path / "got").iterdir())) == 3
    with storescp(site, tmp_path / "again"):             # what it takes to echo is on the command line too
        assert site.server.command("echo", "ARCHIVE").returncode == 0
        assert site.server.command("echo", "STRANGER").returncode == 1
    answer = site.curl("/dicom-web/studies")
    head, _, body = answer.stdout.replace("\r", "").partition("\n\n")
    assert "strict-transport-security: max-age=31536000" in head.lower()
    assert json.loads(body)[0]["0020000D"]["Value"] == [f"{ROOT_UID}.1"]


def test_an_ae_that_fhir_registers_is_called_inside_tls_and_bound_to_its_certificate(
    site: Site, tmp_path: Path
) -> None:
    assert site.dcmtk("storescu", "CT1", ct_file(tmp_path, number=0, rows=64))
    address = f"dicom-tls://127.0.0.1:{site.archive}"
    site.put(device("KEPT", "default"))
    site.put(endpoint("KEPT", "default", address=address, extension=[says("certificate", valueString="mr1.example")]))
    eventually(lambda: site.dcmtk("echoscu", "KEPT", by="archive") is None)
    assert site.dcmtk("echoscu", "KEPT", by="mr1") is not None
    study = f"StudyInstanceUID={ROOT_UID}.1"
    with storescp(site, tmp_path / "got"):
        site.moves("KEPT", study)
        assert list((tmp_path / "got").iterdir()) == []          # whoever listens there has another certificate
        site.put(endpoint("KEPT", "default", address=address,
                          extension=[says("certificate", valueString="archive.example")]))  # fmt: skip
        eventually(lambda: site.dcmtk("echoscu", "KEPT", by="archive") is not None)
        eventually(lambda: site.moves("KEPT", study) and list((tmp_path / "got").iterdir()))
    eventually(lambda: site.dcmtk("echoscu", "KEPT", by="mr1") is None)


def test_nobody_takes_a_title_that_is_bound_to_a_certificate(site: Site) -> None:
    assert site.dcmtk("echoscu", "CT1") is not None
    assert site.dcmtk("echoscu", "CT1", by="mr1") is None
    plain = ["echoscu", "-aet", "CT1", "-aec", "PACSD", "127.0.0.1", str(site.server.dicom_port)]
    assert subprocess.run(plain, capture_output=True, timeout=30, check=False).returncode != 0


def test_a_revoked_certificate_is_refused_by_the_running_server(site: Site, tmp_path: Path) -> None:
    site.make("issue", "ae", "lost", "lost.example")
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("lost.pem", "lost.key.pem"):
        (kept / name).write_bytes((site.certs / name).read_bytes())
    assert site.dcmtk("echoscu", "LOST", by="lost", of=kept) is not None
    site.make("revoke", "lost")
    deadline = time.monotonic() + 20
    while site.dcmtk("echoscu", "LOST", by="lost", of=kept) is not None:
        assert time.monotonic() < deadline
    assert site.dcmtk("echoscu", "CT1") is not None


def test_curl_trusts_the_name_alone_that_the_certificate_has(site: Site) -> None:
    assert site.curl("/health/ready").returncode == 0
    elsewhere = f"other.example:{site.https}:127.0.0.1"
    command = ["curl", "--silent", "--cacert", str(site.certs / "ca.pem"), "--resolve", elsewhere,
               f"https://other.example:{site.https}/health/ready"]  # fmt: skip
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode != 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("", "security.tls.certificate"),
        ("[security]\nauthentication = 'off'\n[web]\nplain_networks = ['10.0.0.0/8']\n[dimse]\n"
         "plain_networks = ['10.0.0.0/8']\n[hl7]\nplain_networks = ['10.0.0.0/8']\n", "security.authentication"),
        ("[security]\nauthentication = 'required'\n[security.tls]\ncertificate = 'no.pem'\nkey = 'no.key'\n"
         "dicom_clients = 'none'\nmllp_clients = 'none'\n", "no.key: cannot be read"),
    ],
)  # fmt: skip
def test_a_server_that_would_stand_open_does_not_start(tmp_path: Path, settings: str, said: str) -> None:
    (tmp_path / "pacsd.toml").write_text(settings)
    options = ["--config", str(tmp_path / "pacsd.toml"), "--host", "0.0.0.0", "--data", str(tmp_path / "data")]
    command = [sys.executable, "-m", "pacsd", "serve", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (1, 2) and said in done.stderr
    assert not (tmp_path / "data").exists()


@contextmanager
def storescp(site: Site, folder: Path) -> Iterator[None]:
    require("storescp")
    folder.mkdir()
    files = [site.certs / "archive.key.pem", site.certs / "archive.pem", "+cf", site.certs / "ca.pem"]
    command = ["storescp", "-od", folder, "+tls", *files, site.archive]
    process = subprocess.Popen([str(one) for one in command], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not listens(site.archive):
            assert time.monotonic() < deadline
        yield
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
