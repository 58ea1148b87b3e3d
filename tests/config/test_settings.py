"""Settings: every default usable, every mistake named by its key."""

import dataclasses
from pathlib import Path

import pytest

from config.settings import (
    DimseSettings,
    OrganisationSettings,
    OwnAESettings,
    RemoteAESettings,
    Settings,
    SettingsError,
    load_settings,
)


def load(folder: Path, text: str, **overrides: object) -> Settings:
    file = folder / "pacsd.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, overrides)


def test_defaults_serve_one_organisation_on_loopback() -> None:
    settings = load_settings(None, {})
    assert settings.host == "127.0.0.1"
    assert settings.own_aes == (OwnAESettings("PACSD", "default"),)
    assert settings.organisations == (OrganisationSettings("default", "default", "default"),)
    assert settings.web.organisation == "default"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_settings(None, {}).host = "::"  # type: ignore[misc]


def test_file_is_read_into_the_tree(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
        ae_title = "MAIN"
        [dimse]
        receivers = 4
        artim_timeout_s = 5
        [[organisations]]
        code = "east"
        assigning_authority = "EAST-HIS"
        reads = ["west"]
        [[organisations]]
        code = "west"
        [[own_aes]]
        title = "OLD_PACS"
        organisation = "west"
        [[remote_aes]]
        title = "CT1"
        host = "ct1"
        port = 104
        organisation = "east"
        character_set = "GB18030"
        services = ["echo", "store"]
        addresses = ["10.1.0.0/16", "2001:db8::7"]
        """,
    )
    assert settings.dimse.receivers == 4
    assert settings.dimse.artim_timeout_s == 5.0
    assert settings.own_aes == (OwnAESettings("MAIN", "east"), OwnAESettings("OLD_PACS", "west"))
    assert settings.organisations[1].assigning_authority == "west"
    assert settings.remote_aes == (
        RemoteAESettings("CT1", "ct1", 104, "east", None, "GB18030", ("echo", "store"), ("10.1.0.0/16", "2001:db8::7")),
    )
    assert settings.web.organisation == "east"


def test_command_line_wins_over_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, "http_port = 1\n[dimse]\nreceivers = 4", http_port=2, **{"dimse.receivers": 3})
    assert (settings.http_port, settings.dimse.receivers) == (2, 3)


def test_data_directory_of_a_file_is_relative_to_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, 'data_dir = "here"').data_dir == tmp_path / "here"
    assert load(tmp_path, 'data_dir = "here"', data_dir=Path("there")).data_dir == Path("there")


def test_making_settings_twice_shares_nothing() -> None:
    first = Settings(organisations=(OrganisationSettings("a"),))
    assert first.web.organisation == "a"
    assert Settings().web.organisation == "default"


REFUSED = [
    ("[[htj2k]]\nkeep = 'both'", "htj2k[0].keep: 'both' is none of original, htj2k"),
    ("colour = 1", "colour: no such setting"),
    ("[dimse]\nrecievers = 1", "dimse.recievers: no such setting"),
    ("http_port = '8080'", "http_port: must be a whole number, not '8080'"),
    ("http_port = true", "http_port: must be a whole number, not True"),
    ("http_port = 70000", "http_port: must be from 0 to 65535"),
    ("dimse = 3", "dimse: must be a table"),
    ("organisations = 'x'", "organisations: must be a list of tables"),
    ("organisations = []", "organisations: there must be at least one"),
    ("roles = 'web'", "roles: must be a list of texts"),
    ("roles = ['web', 'film']", "roles[1]: 'film' is none of dimse, web, hl7, worker"),
    ("roles = ['web', 'web']", "roles[1]: 'web' stands there twice"),
    ("ae_title = 'SEVENTEEN LETTERS'", "ae_title: an AE title has 1 to 16 characters, this has 17"),
    ("ae_title = ''", "ae_title: an AE title has 1 to 16 characters, this has 0"),
    ("ae_title = 'A\\B'", "ae_title: an AE title has no backslash"),
    ('ae_title = "A\\tB"', "ae_title: an AE title has no backslash"),
    ("ae_title = '影像'", "ae_title: an AE title has no backslash, no control and no non-ASCII"),
    ("ae_title = ' A'", "ae_title: an AE title neither begins nor ends with a space"),
    ("[[organisations]]\nname = 'x'", "organisations[0].code: is missing"),
    ("[[organisations]]\ncode = 'a/b'", "organisations[0].code: a code has 1 to 32"),
    ("[[organisations]]\ncode = 'a'\nreads = ['b']", "organisations[0].reads: unknown organisation 'b'; there is a"),
    ("[[organisations]]\ncode = 'a'\n[[organisations]]\ncode = 'a'", "organisations[1].code: 'a' stands there twice"),
    ("[[own_aes]]\ntitle = 'A'\norganisation = 'b'", "own_aes[1].organisation: unknown organisation 'b'"),
    ("[web]\norganisation = 'b'", "web.organisation: unknown organisation 'b'"),
    ("[web]\npublic_url = 'pacs.example'", "web.public_url: not an http:// or https:// URL"),
    ("[storage]\nduplicates = 'drop'", "storage.duplicates: 'drop' is none of keep, replace, quarantine"),
    ("[storage]\nquiet_s = -1", "storage.quiet_s: must be from 0"),
    ("[storage]\nquiet_s = nan", "storage.quiet_s: must be from 0"),
    ("[dimse]\nprivate_sop_classes = ['1.02']", "dimse.private_sop_classes[0]: not a UID"),
    ("[postgres]\noptions = ['jit']", "postgres.options[0]: 'jit' is not name=value"),
    ("database = ''", "database: may not be empty"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_mistake_is_refused_and_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(tmp_path, text)
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("addresses = ['10.0.0.0/33']", "addresses[0]: '10.0.0.0/33' is neither an address nor a network"),
        ("port = 0", "port: must be from 1 to 65535"),
        ("character_set = 'BIG-5'", "character_set: 'BIG-5' is not a defined term"),
        ("services = ['print']", "services[0]: 'print' is none of echo, store"),
        ("organisation = 'b'", "organisation: unknown organisation 'b'"),
    ],
)
def test_mistake_in_a_remote_ae_is_named_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    good = {"title": "'A'", "host": "'h'", "port": "104", "organisation": "'default'"}
    good.pop(line.split(" ")[0], None)
    text = "\n".join(["[[remote_aes]]", *(f"{key} = {value}" for key, value in good.items()), line])
    with pytest.raises(SettingsError) as refusal:
        load(tmp_path, text)
    assert str(refusal.value).startswith(f"remote_aes[0].{message}")


def test_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"pacsd\.toml: is not TOML"):
        load(tmp_path, "a = = b")
    with pytest.raises(SettingsError, match=r"gone\.toml: cannot be read"):
        load_settings(tmp_path / "gone.toml", {})


def test_branch_made_in_code_is_checked_too() -> None:
    with pytest.raises(SettingsError, match="receivers: must be from 1 to 256"):
        DimseSettings(receivers=0)


def test_postgres_parameters_are_those_of_the_settings() -> None:
    settings = load_settings(None, {"postgres.options": ["work_mem = 8MB"], "postgres.shared_buffers_mb": 32})
    assert settings.postgres.parameters() == {"shared_buffers": "32MB", "max_connections": "100", "work_mem": "8MB"}


TLS = {"security.tls.certificate": "pacs.pem", "security.tls.key": "pacs.key.pem", "security.tls.authorities": "ca.pem"}
OWN = {"security.oauth.enabled": True}


@pytest.mark.parametrize("where", [{"host": "0.0.0.0"}, {"host": "10.0.0.5"}, TLS, {**TLS, "security.tls.host": "::"}])
def test_an_authorization_server_for_others_knows_its_https_url(where: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"security\.oauth\.issuer: this or web\.public_url must say"):
        load_settings(None, {**OWN, **where})
    for name in ("security.oauth.issuer", "web.public_url"):
        assert load_settings(None, {**OWN, **where, name: "https://pacs.example/"})
        with pytest.raises(SettingsError, match=f"{name}: http://pacs.example/ is not https"):
            load_settings(None, {**OWN, **where, name: "http://pacs.example/"})


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.1:8080/", "http://[::1]:8080"])
def test_on_this_machine_alone_no_tls_is_needed_to_sign_in(url: str) -> None:
    assert load_settings(None, OWN) and load_settings(None, {**OWN, "security.oauth.issuer": url})
    with pytest.raises(SettingsError, match="is not https"):
        load_settings(None, {**OWN, "security.oauth.issuer": "http://[broken/"})
