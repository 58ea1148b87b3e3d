"""Files of secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.settings import AuditSettings, Settings
from pacsd.access.secret_mode import refuse_open
from pacsd.audit.services import anchor_key
from pacsd.faults import Fault, PacsdError
from pacsd.oauth.secret_file import read_client_secret


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o601])
def test_what_everybody_may_use_is_refused_for_whatever_it_is(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"s" * 32)
    file.chmod(mode)
    settings = Settings(audit=AuditSettings(anchor_key=file))
    for read in (lambda: refuse_open(file), lambda: read_client_secret(file), lambda: anchor_key(settings)):
        with pytest.raises(PacsdError) as refused:
            read()
        assert refused.value.fault is Fault.INVALID and "chmod 600" in refused.value.message
    file.chmod(0o640)
    assert read_client_secret(file) == "s" * 32 and anchor_key(settings) == b"s" * 32


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PacsdError) as refused:
        refuse_open(tmp_path / "absent")
    assert refused.value.fault is Fault.INVALID and "absent" in refused.value.message
