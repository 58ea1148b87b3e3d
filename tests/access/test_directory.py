"""Who sees what of rejections: the asker's own setting, else that of the title it calls."""

import pytest

from config.settings import Settings, SettingsError, load_settings
from pacsd.access.directory import Directory, Peer
from pacsd.access.origin import Origin
from pacsd.access.scope import Rejected


def directory(**overrides: object) -> Directory:
    settings: Settings = load_settings(None, overrides)
    return Directory(settings, {one.code: n for n, one in enumerate(settings.organisations, 1)})


def remote(title: str, **more: object) -> dict[str, object]:
    return {"title": title, "host": "127.0.0.1", "port": 104, "organisation": "default", **more}


AES = {
    "own_aes": [{"title": "QA", "organisation": "default", "rejected": "keep"}],
    "remote_aes": [remote("HIDES", rejected="hide"), remote("NOTES", rejected="notes"), remote("PLAIN")],
}


@pytest.mark.parametrize(
    ("calling", "called", "expected"),
    [
        ("ANY", "PACSD", Rejected.HIDE),
        ("ANY", "QA", Rejected.KEEP),
        ("PLAIN", "PACSD", Rejected.HIDE),
        ("PLAIN", "QA", Rejected.KEEP),
        ("HIDES", "QA", Rejected.HIDE),
        ("NOTES", "PACSD", Rejected.NOTES),
    ],
)
def test_what_an_ae_sees_of_rejections(calling: str, called: str, expected: Rejected) -> None:
    peer = directory(**AES).peer(calling=calling, called=called, origin=Origin("127.0.0.1"))
    assert isinstance(peer, Peer) and peer.scope.rejected is expected


def test_what_the_web_sees_of_rejections_is_a_setting_of_its_own() -> None:
    assert directory(**AES).web_reader().scope.rejected is Rejected.HIDE
    assert directory(**AES, **{"web.rejected": "keep"}).web_reader().scope.rejected is Rejected.KEEP
    assert directory(**AES, **{"web.rejected": "keep"}).member("default").scope.rejected is Rejected.HIDE


def test_a_rule_that_tells_nobody_we_know_is_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {"retention": [{"keep_days": 30, "notes_to": ["NOBODY"]}]})
    assert str(caught.value).startswith("retention[0].notes_to")
