"""`pacsd certs`: what it makes is taken by programs that are not ours."""

import stat
import subprocess
from pathlib import Path

import pytest

from pacsd.commands import cli
from tests.clients import require


def certs(folder: Path, *arguments: str) -> int:
    wiring: object = None
    return cli.run(["certs", *arguments, "--folder", str(folder)], wiring)  # type: ignore[arg-type]


def verified(folder: Path, name: str, *options: str) -> bool:
    command = ["openssl", "verify", "-CAfile", str(folder / "ca.pem"), "-x509_strict", *options, str(folder / name)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_an_authority_issues_what_openssl_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    require("openssl")
    assert certs(tmp_path, "init") == 0
    assert certs(tmp_path, "issue", "ae", "pacs", "pacs.example", "10.0.0.7", "urn:oid:1.2.3") == 0
    assert certs(tmp_path, "issue", "client", "viewer") == 0
    assert verified(tmp_path, "pacs.pem", "-purpose", "sslserver", "-verify_hostname", "pacs.example")
    assert verified(tmp_path, "pacs.pem", "-purpose", "sslclient", "-verify_ip", "10.0.0.7")
    assert not verified(tmp_path, "pacs.pem", "-verify_hostname", "other.example")
    assert verified(tmp_path, "viewer.pem", "-purpose", "sslclient")
    assert not verified(tmp_path, "viewer.pem", "-purpose", "sslserver")
    for key in ("ca.key.pem", "pacs.key.pem", "viewer.key.pem"):
        assert stat.S_IMODE((tmp_path / key).stat().st_mode) == 0o600
    capsys.readouterr()
    assert certs(tmp_path, "list") == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(one[0], one[2], one[3]) for one in lines] == [
        ("good", "pacs", "pacs.example,10.0.0.7,urn:oid:1.2.3"), ("good", "viewer", ""),
    ]  # fmt: skip


def test_what_is_revoked_stands_on_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    require("openssl")
    certs(tmp_path, "init")
    certs(tmp_path, "issue", "client", "viewer")
    certs(tmp_path, "issue", "client", "other")
    checking = ("-crl_check", "-CRLfile", str(tmp_path / "crl.pem"))
    kept = (tmp_path / "viewer.pem").read_bytes()
    assert verified(tmp_path, "viewer.pem", *checking)
    assert certs(tmp_path, "revoke", "viewer") == 0
    assert not (tmp_path / "viewer.key.pem").exists()
    (tmp_path / "again.pem").write_bytes(kept)
    assert not verified(tmp_path, "again.pem", *checking) and verified(tmp_path, "other.pem", *checking)
    capsys.readouterr()
    certs(tmp_path, "list")
    assert "revoked" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("init",), ("issue", "server", "nameless"), ("issue", "ae", "../out", "a.example"),
        ("issue", "client", "viewer"), ("issue", "client", "brief", "--days", "0"),
        ("issue", "ae", "bad", "not a name"), ("issue", "client", "ca"), ("revoke", "nobody"), ("revoke", "ca"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_changes_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    certs(tmp_path, "init")
    certs(tmp_path, "issue", "client", "viewer")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.pem")}
    assert certs(tmp_path, *arguments) == cli.NOT_DONE
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.pem")} == before


def test_without_an_authority_nothing_is_issued(tmp_path: Path) -> None:
    assert certs(tmp_path, "issue", "client", "viewer") == cli.NOT_DONE
    assert certs(tmp_path, "list") == cli.NOT_DONE
