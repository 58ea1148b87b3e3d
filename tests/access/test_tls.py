"""Contexts of TLS: what they speak, which files they refuse, and where secrets may stand."""

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from config.settings import RemoteAESettings, SecuritySettings, Settings, TlsSettings, load_settings
from pacsd.access.peer_certificate import PeerCertificate
from pacsd.access.tls import SUITES_OF_1_2, check_files, client_context, server_context
from pacsd.faults import Fault, PacsdError
from tests.certificates import Authority


def test_contexts_speak_what_the_profile_says_and_nothing_else(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    settings = authority.settings(authority.make("pacs"))
    for context in (server_context(settings, "required"), client_context(settings)):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        names = {one["name"] for one in context.get_ciphers()}
        assert {one for one in names if not one.startswith("TLS_")} == set(SUITES_OF_1_2)
        assert context.options & ssl.OP_NO_RENEGOTIATION and context.options & ssl.OP_NO_COMPRESSION
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF
    assert server_context(settings, "required").num_tickets == 0         # a resumed session is not looked at again
    assert server_context(replace(settings, minimum_version="1.3")).minimum_version is ssl.TLSVersion.TLSv1_3


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    good, other = authority.make("pacs"), authority.make("other")
    settings = authority.settings(good)
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    wrong = {
        "other.key": replace(settings, key=tmp_path / "other.key"),
        "pacs.pem": replace(settings, key=other.key),
        "text.pem": replace(settings, certificate=text),
        "gone.pem": replace(settings, authorities=tmp_path / "gone.pem"),
    }
    for name, changed in wrong.items():
        with pytest.raises(PacsdError) as refusal:
            server_context(changed, "required")
        assert refusal.value.fault is Fault.INVALID and name in refusal.value.message
    with pytest.raises(PacsdError):
        server_context(replace(settings, authorities=text), "required")


def test_a_key_that_everybody_may_read_is_no_secret(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.make("pacs")
    files.key.chmod(0o644)
    with pytest.raises(PacsdError) as refusal:
        check_files(Settings(security=SecuritySettings(tls=authority.settings(files))))
    assert "chmod 600" in refusal.value.message
    files.key.chmod(0o640)
    check_files(Settings(security=SecuritySettings(tls=authority.settings(files))))


def test_callers_are_looked_at_before_anything_begins(tmp_path: Path) -> None:
    remote = RemoteAESettings("A", "127.0.0.1", 104, "default", tls=True)
    with pytest.raises(PacsdError):
        security = SecuritySettings(tls=TlsSettings(authorities=tmp_path / "no"))
        check_files(Settings(remote_aes=(remote,), security=security))


def test_a_passphrase_comes_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    files = authority.make("pacs")
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    how = serialization.BestAvailableEncryption(b"open sesame")
    encrypted = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    files.key.write_bytes(encrypted)
    settings = authority.settings(files)
    with pytest.raises(PacsdError):                      # and nobody is asked at the terminal
        server_context(settings)
    monkeypatch.setenv("PACSD_TEST_PASSPHRASE", "open sesame")
    server_context(replace(settings, key_passphrase="env:PACSD_TEST_PASSPHRASE"))
    (tmp_path / "pass").write_text("open sesame\n")
    (tmp_path / "pass").chmod(0o600)
    server_context(replace(settings, key_passphrase=f"file:{tmp_path / 'pass'}"))
    with pytest.raises(PacsdError, match="PACSD_TEST_NOWHERE"):
        server_context(replace(settings, key_passphrase="env:PACSD_TEST_NOWHERE"))


def test_the_database_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text("postgresql://pacsd:secret@db/pacsd\n")
    (tmp_path / "dsn").chmod(0o600)
    assert load_settings(None, {"database": f"file:{tmp_path / 'dsn'}"}).database == "postgresql://pacsd:secret@db/pacsd"


def test_a_certificate_is_known_by_its_thumbprint_or_a_name() -> None:
    one = PeerCertificate("CN=ct1", ("ct1.example", "urn:oid:1.2.3"), "ab" * 32)
    for name in ("ab" * 32, "AB:" * 31 + "AB", "CT1.example", "urn:oid:1.2.3"):
        assert one.answers_to(name)
    for name in ("ct1", "CN=ct1", "ct1.example.org", "cd" * 32, ""):
        assert not one.answers_to(name)
    assert PeerCertificate.from_data(one.as_data()) == one
