"""Where a server listens, and where it refuses to."""

from pathlib import Path
from typing import Any

import pytest

from config.listening import openings
from config.settings import (
    DimseSettings,
    Hl7Settings,
    SecuritySettings,
    Settings,
    SettingsError,
    TlsSettings,
    WebSettings,
)

FILE = Path("pacs.pem")
TLS = TlsSettings(certificate=FILE, key=FILE, authorities=FILE)
REQUIRED = SecuritySettings(authentication="required")


def opened(settings: Settings) -> list[tuple[str, str, int, bool, bool]]:
    return [(one.role, one.host, one.port, one.is_secure, one.networks is None) for one in openings(settings)]


def test_loopback_needs_nothing() -> None:
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        assert [one[:2] for one in opened(Settings(host=host))] == [("web", host), ("dimse", host), ("hl7", host)]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "pacs.example"])
@pytest.mark.parametrize("role", ["web", "dimse", "hl7"])
def test_beyond_this_machine_nothing_listens_in_plain_text(host: str, role: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        openings(Settings(host=host, roles=(role,), security=REQUIRED))
    assert refusal.value.key == "host" and role in str(refusal.value)


def test_with_tls_the_plain_ports_stay_closed() -> None:
    settings = Settings(host="0.0.0.0", security=SecuritySettings(authentication="required", tls=TLS))
    assert opened(settings) == [
        ("web", "0.0.0.0", 8443, True, True), ("dimse", "0.0.0.0", 2762, True, True),
        ("hl7", "0.0.0.0", 2576, True, True),
    ]  # fmt: skip


def test_plain_ports_may_stay_on_this_machine_beside_tls_for_all() -> None:
    tls = TlsSettings(certificate=FILE, key=FILE, authorities=FILE, host="0.0.0.0")
    settings = Settings(roles=("dimse",), security=SecuritySettings(tls=tls))
    assert opened(settings) == [
        ("dimse", "127.0.0.1", 11112, False, True), ("dimse", "0.0.0.0", 2762, True, True),
    ]  # fmt: skip


def test_old_devices_get_a_plain_port_for_their_networks() -> None:
    networks = ("10.9.0.0/24",)
    settings = Settings(
        host="0.0.0.0", security=REQUIRED, dimse=DimseSettings(plain_networks=networks),
        hl7=Hl7Settings(plain_networks=networks), web=WebSettings(plain_networks=networks),
    )  # fmt: skip
    assert [one.networks for one in openings(settings)] == [networks] * 3


@pytest.mark.parametrize("security", [{"tls": TLS}, {}])
def test_http_is_not_answered_to_everybody(security: dict[str, Any]) -> None:
    web = WebSettings(plain_networks=("10.9.0.0/24",))
    with pytest.raises(SettingsError) as refusal:
        openings(Settings(host="0.0.0.0", roles=("web",), web=web, security=SecuritySettings(**security)))
    assert refusal.value.key == "security.authentication"


def test_required_client_certificates_say_who_asks() -> None:
    tls = TlsSettings(certificate=FILE, key=FILE, authorities=FILE, web_clients="required")
    assert len(openings(Settings(host="0.0.0.0", roles=("web",), security=SecuritySettings(tls=tls)))) == 1


def test_a_certificate_goes_with_its_key_and_asking_with_authorities() -> None:
    with pytest.raises(SettingsError):
        TlsSettings(certificate=FILE)
    with pytest.raises(SettingsError) as refusal:
        TlsSettings(certificate=FILE, key=FILE)
    assert refusal.value.key == "authorities"
    TlsSettings(certificate=FILE, key=FILE, dicom_clients="none", mllp_clients="none")


def test_secrets_are_never_written_in_the_settings() -> None:
    with pytest.raises(SettingsError):
        TlsSettings(key_passphrase="correct horse")
    TlsSettings(key_passphrase="env:PACSD_KEY")
