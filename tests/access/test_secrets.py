"""Files of secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.settings import AuditSettings, Settings, SettingsError, load_settings
from pacsd.access.secrets import refuse_open, secret_in, secret_of, secret_text
from pacsd.audit.services import anchor_key
from pacsd.faults import Fault, PacsdError
from pacsd.oauth.secret_file import read_secret


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o601])
def test_what_everybody_may_use_is_refused_for_whatever_it_is(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"s" * 32)
    file.chmod(mode)
    settings = Settings(audit=AuditSettings(anchor_key=file))
    for read in (
        lambda: refuse_open(file), lambda: secret_text(file), lambda: anchor_key(settings), lambda: secret_in(file),
        lambda: secret_of(f"file:{file}"), lambda: read_secret(file, tmp_path),
    ):  # fmt: skip
        with pytest.raises(PacsdError) as refused:
            read()
        assert refused.value.fault is Fault.INVALID and "chmod 600" in refused.value.message
    file.chmod(0o640)
    assert secret_text(file) == secret_of(f"file:{file}") == "s" * 32 and anchor_key(settings) == b"s" * 32


def test_the_database_too_is_read_from_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("postgresql://pacs@db/pacs\n")
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_settings(None, {"database": f"file:{file}"})
    file.chmod(0o600)
    assert load_settings(None, {"database": f"file:{file}"}).database == "postgresql://pacs@db/pacs"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x80"])
def test_what_is_no_text_is_told_as_such(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "binary"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(PacsdError) as refused:
        secret_text(file)
    assert refused.value.fault is Fault.INVALID


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PacsdError) as refused:
        refuse_open(tmp_path / "absent")
    assert refused.value.fault is Fault.INVALID and "absent" in refused.value.message
