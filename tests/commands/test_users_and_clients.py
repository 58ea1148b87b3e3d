"""`pacsd users` and `pacsd clients`, from the command line to the rows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from config.settings import Settings
from pacsd.audit.message import AuditMessage
from pacsd.commands import cli
from pacsd.index import oauth_clients, oauth_users
from pacsd.index.connect import Pool, pool
from pacsd.index.organisations import register
from pacsd.oauth.administration import Administration


class Wired:
    """What the commands are handed."""

    def __init__(self, opened: Pool) -> None:
        self.opened = opened
        self.recorded: list[AuditMessage] = []

    def record(self, _settings: Settings, message: AuditMessage) -> None:
        self.recorded.append(message)

    @contextmanager
    def administration(self, _settings: Settings) -> Iterator[Administration]:
        yield Administration(self.opened)


@pytest.fixture
def wired(database: str) -> Iterator[Wired]:
    opened = pool(database)
    register(opened, [("default", "default", "default")])
    yield Wired(opened)
    opened.close()


def run(wired: Wired, *arguments: str) -> int:
    made: Any = wired
    return cli.run(arguments, made)


def test_users_are_made_listed_changed_and_locked(
    wired: Wired, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse battery\n")
    kept = ("--password-file", str(file))
    assert run(wired, "users", "add", "Wang", "--name", "王医生", "--role", "radiologist", *kept) == 0
    assert run(wired, "users", "add", "wang", "--role", "radiologist", *kept) == 1
    assert run(wired, "users", "add", "li", "--role", "patient", *kept) == 1
    assert run(wired, "users", "add", "li", "--role", "patient", "--patient", "A", "1", *kept) == 0
    assert run(wired, "users", "add", "x", "--role", "auditor", "--organisation", "north", *kept) == 1
    assert run(wired, "users", "role", "wang", "clinician", "technologist") == 0
    assert run(wired, "users", "lock", "wang") == 0
    capsys.readouterr()
    assert run(wired, "users", "list") == 0
    assert capsys.readouterr().out.splitlines()[1] == "wang\tdefault\tclinician,technologist\t-\tlocked\t王医生"
    assert run(wired, "users", "lock", "wang", "--undo") == 0
    assert run(wired, "users", "passwd", "wang", "--forget-second-factor", *kept) == 0
    assert run(wired, "users", "passwd", "nobody", *kept) == 1
    file.write_text("short")
    assert run(wired, "users", "passwd", "wang", *kept) == 1
    found = oauth_users.user(wired.opened, "wang")
    assert found is not None and not found.locked and found.password.startswith("$argon2id$")
    assert "correct" not in capsys.readouterr().out


def test_clients_are_registered_listed_and_removed(
    wired: Wired, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [ECKey.generate_key("P-384", {"kid": "a"}).as_dict(private=True)]}))
    web = ("--redirect-uri", "https://a.example/cb", "--scope", "openid user/*.rs")
    assert run(wired, "clients", "add", "viewer", *web) == 0
    assert "secret" not in capsys.readouterr().out
    assert run(wired, "clients", "add", "his", "--method", "client_secret_basic", "--scope", "system/*.rs") == 0
    told = capsys.readouterr().out.strip().rpartition(" ")[2]
    assert run(wired, "clients", "add", "backend", "--method", "private_key_jwt", "--keys", str(keys)) == 0
    for wrong in (("bad id",), ("a", "--method", "magic"), ("a", "--redirect-uri", "http://a.example/"),
                  ("a", "--scope", "everything"), ("a", "--method", "private_key_jwt"), ("viewer",),
                  ("a", "--keys", str(tmp_path / "none"))):  # fmt: skip
        assert run(wired, "clients", "add", *wrong) == 1, wrong
    assert run(wired, "clients", "remove", "viewer") == 0
    assert run(wired, "clients", "remove", "viewer") == 1
    capsys.readouterr()
    assert run(wired, "clients", "list") == 0
    listed = capsys.readouterr().out
    assert [line.split("\t")[0] for line in listed.splitlines()] == ["backend", "his"] and told not in listed
    client = oauth_clients.client(wired.opened, "backend")
    assert client is not None and client.keys is not None and "d" not in client.keys["keys"][0]
    assert client.grants == ("client_credentials",)
