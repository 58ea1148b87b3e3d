"""Organisations and AEs by FHIR are those that DIMSE serves and reaches, from the moment they are known."""

from pathlib import Path
from typing import Any

import pytest

from config.settings import OwnAESettings, RemoteAESettings
from pacsd.access.directory import Peer, Refusal
from pacsd.access.origin import Origin
from pacsd.access.peer_certificate import PeerCertificate
from pacsd.access.principal import Proof
from pacsd.archive.upkeep import Upkeep
from tests.fhir.projection.hospital import Hospital, opened

EXTENSION = "urn:pacsd:fhir:StructureDefinition:"
CLINIC = {
    "resourceType": "Organization", "id": "clinic", "name": "Clinic",
    "identifier": [{"system": "urn:pacsd:organisation", "value": "clinic"}],
    "extension": [{"url": EXTENSION + "assigning-authority", "valueString": "CLINIC"}],
}  # fmt: skip


def device(title: str = "CT1", code: str = "east", **more: Any) -> dict[str, Any]:
    return {"resourceType": "Device", "id": title.lower(), "status": "active",
            "identifier": [{"system": f"urn:pacsd:ae:{code}", "value": title}], **more}  # fmt: skip


def endpoint(title: str = "CT1", code: str = "east", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Endpoint", "id": title.lower(), "status": "active",
        "connectionType": {"system": "urn:pacsd:connection-type", "code": "dicom-dimse"},
        "identifier": [{"system": f"urn:pacsd:ae:{code}", "value": title}], "payloadType": [{"text": "DICOM"}],
        "address": "dicom://10.1.2.3:11112", **more,
    }  # fmt: skip


def says(name: str, **value: Any) -> dict[str, Any]:
    return {"url": EXTENSION + name, **value}


def put(hospital: Hospital, resource: dict[str, Any], **headers: str) -> int:
    answer = hospital.ask("PUT", f"{resource['resourceType']}/{resource['id']}", resource, **headers)
    hospital.archive.register.refresh()
    return answer.status_code


def peer(hospital: Hospital, title: str = "CT1", address: str = "10.0.0.1") -> Peer | Refusal:
    return hospital.archive.directory.peer(calling=title, called="PACSD", origin=Origin(address))


@pytest.fixture
def strict(database: str, tmp_path: Path) -> Any:
    """A hospital that serves nobody whom it does not know."""
    from config.settings import DimseSettings

    remote = RemoteAESettings("WS", "10.9.9.9", 104, "west")
    with opened(database, tmp_path, dimse=DimseSettings(accept_unknown_callers=False), remote_aes=(remote,),
                own_aes=(OwnAESettings("PACSD", "east"),)) as made:  # fmt: skip
        yield made


@pytest.fixture
def walled(database: str, tmp_path: Path) -> Any:
    """The same; the AE of west calls from its own network."""
    from config.settings import DimseSettings

    remote = RemoteAESettings("WS", "10.9.9.9", 104, "west", addresses=("10.9.0.0/16",))
    with opened(database, tmp_path, dimse=DimseSettings(accept_unknown_callers=False), remote_aes=(remote,),
                own_aes=(OwnAESettings("PACSD", "east"),)) as made:  # fmt: skip
        yield made


def calls_from(*networks: str) -> list[dict[str, Any]]:
    return [says("calling-address", valueString=one) for one in networks]


def test_a_title_that_anybody_of_another_organisation_may_call_by_is_nobody_elses(strict: Hospital) -> None:
    assert put(strict, device("WS")) == 409                  # the settings have one in west, which calls from anywhere
    assert put(strict, device("WS", extension=calls_from("10.7.0.0/24"))) == 409
    assert isinstance(peer(strict, "WS", "10.9.9.9"), Peer)


def test_a_title_that_another_organisation_calls_by_takes_addresses_of_its_own(walled: Hospital) -> None:
    assert put(walled, device("WS")) == 409
    for networks in (("10.9.9.0/24",), ("10.0.0.0/8",), ("10.7.0.0/24", "10.9.9.9"), ("0.0.0.0/0",)):
        assert put(walled, device("WS", extension=calls_from(*networks))) == 409, networks
    assert put(walled, device("WS", extension=calls_from("10.7.0.0/24", "fd00::/8"))) == 201
    found = [peer(walled, "WS", address) for address in ("10.9.9.9", "10.7.0.1", "fd00::1")]
    assert [one.organisation_code for one in found if isinstance(one, Peer)] == ["west", "east", "east"]
    assert put(walled, device("WS", extension=calls_from("10.7.0.0/24", "10.9.1.1"))) == 409
    assert put(walled, CLINIC) == 201
    assert put(walled, device("WS", "clinic", extension=calls_from("10.7.0.0/16")) | {"id": "theirs"}) == 409
    assert put(walled, device("WS", "clinic", extension=calls_from("10.8.0.0/16")) | {"id": "theirs"}) == 201


def test_objects_are_not_sent_to_whoever_registers_anothers_title(strict: Hospital) -> None:
    directory = strict.archive.directory
    west, east = directory.member("west"), directory.member("east")
    assert put(strict, endpoint("WS")) == 201                # who is asked for by others is told by the settings
    assert [directory.remote("WS", one).host for one in (None, west)] == ["10.9.9.9"] * 2    # type: ignore[union-attr]
    assert directory.remote("WS", east).host == "10.1.2.3"                                  # type: ignore[union-attr]
    assert put(strict, CLINIC) == 201 and put(strict, device("CT9", "clinic")) == 201
    assert put(strict, endpoint("CT9") | {"id": "squat"}) == 201
    assert directory.remote("CT9", directory.member("clinic")) is None       # its own is not registered, and the other
    assert directory.remote("CT9") is None                                   # is not what anybody means
    assert put(strict, endpoint("CT9", "clinic", address="dicom://10.4.4.4:104") | {"id": "own"}) == 201
    assert directory.remote("CT9", directory.member("clinic")).host == "10.4.4.4"             # type: ignore[union-attr]
    assert strict.ask("DELETE", "Endpoint/squat").status_code == 204
    strict.archive.register.refresh()
    assert directory.remote("CT9", west).host == "10.4.4.4"                                   # type: ignore[union-attr]


def test_a_device_is_served_and_an_endpoint_reached_as_long_as_they_are_there(strict: Hospital) -> None:
    assert peer(strict) is Refusal.CALLING_TITLE
    told = [says("service", valueCode="store"), says("character-set", valueString="GB18030"),
            says("calling-address", valueString="10.0.0.0/24"), says("rejected", valueCode="keep")]  # fmt: skip
    assert put(strict, device(extension=told)) == 201
    found = peer(strict)
    assert isinstance(found, Peer) and found.organisation_code == "east" and found.assigning_authority == "EAST"
    assert (found.services, found.character_set) == (frozenset({"store"}), "GB18030")
    assert peer(strict, address="10.0.1.1") is Refusal.CALLING_TITLE
    assert strict.archive.directory.remote("CT1") is None
    assert put(strict, endpoint()) == 201
    remote = strict.archive.directory.remote("CT1", found)
    assert remote is not None and (remote.host, remote.port, remote.character_set) == ("10.1.2.3", 11112, "GB18030")
    assert strict.ask("DELETE", "Device/ct1").status_code == 204
    assert put(strict, endpoint(status="suspended")) == 200
    assert peer(strict) is Refusal.CALLING_TITLE and strict.archive.directory.remote("CT1") is None
    assert put(strict, endpoint()) == 200 and strict.archive.directory.remote("CT1") is not None
    assert put(strict, endpoint(title="CT2") | {"id": "ct1"}) == 200
    assert [one.title for one in strict.archive.directory.remotes()] == ["WS", "CT2"]


def bound_to(certificate: str) -> list[dict[str, Any]]:
    return [says("certificate", valueString=certificate)]


def shows(hospital: Hospital, *names: str) -> bool:
    shown = PeerCertificate("CN=ct1", names, "ab" * 32) if names else None
    called = hospital.archive.directory.peer(calling="CT1", called="PACSD", origin=Origin("10.0.0.1", shown))
    return isinstance(called, Peer)


def test_an_ae_is_bound_to_the_certificate_that_its_device_or_its_endpoint_names(strict: Hospital) -> None:
    directory = strict.archive.directory
    assert put(strict, device(extension=bound_to("ct1.example"))) == 201
    assert [shows(strict, *names) for names in (("ct1.example",), ("ct2.example",), ())] == [True, False, False]
    assert directory.proof("CT1", "east") is Proof.CERTIFICATE
    assert put(strict, endpoint(address="dicom-tls://10.1.2.3:2762")) == 201
    remote = directory.remote("CT1")
    assert remote is not None and (remote.tls, remote.port, remote.certificate) == (True, 2762, "ct1.example")
    assert put(strict, endpoint(extension=bound_to("ct2.example"))) == 409
    assert put(strict, device()) == 200 and shows(strict)
    assert put(strict, endpoint(extension=bound_to("AB:" * 31 + "AB"))) == 200
    remote = directory.remote("CT1")
    assert remote is not None and (remote.tls, remote.certificate) == (False, "AB:" * 31 + "AB")
    assert shows(strict, "any.example") and not shows(strict)
    assert put(strict, device(extension=bound_to("ab" * 32))) == 200 and shows(strict, "any.example")
    assert strict.ask("DELETE", "Endpoint/ct1").status_code == 204


def test_beside_another_organisations_ae_a_title_is_had_by_the_thumbprint_of_its_device(strict: Hospital) -> None:
    mine, its = "ab" * 32, "cd" * 32
    other, named = device("CT1", "clinic") | {"id": "theirs"}, endpoint("CT1", "clinic") | {"id": "theirs"}
    assert put(strict, CLINIC) == 201 and put(strict, device(extension=bound_to(mine))) == 201
    for alike in ("ct2.example", mine.upper()):          # a certificate has several names
        assert put(strict, other | {"extension": bound_to(alike)}) == 409
    assert put(strict, named | {"extension": bound_to(its)}) == 201 and put(strict, other) == 409
    assert put(strict, other | {"extension": bound_to(its)}) == 201
    assert put(strict, device(extension=bound_to("ct1.example"))) == 409
    assert shows(strict, "any.example") and not shows(strict)


def test_what_the_settings_say_of_tls_is_seen(database: str, tmp_path: Path) -> None:
    secure = RemoteAESettings("WS", "10.9.9.9", 2762, "west", tls=True, certificate="ws.example")
    with opened(database, tmp_path, remote_aes=(secure,)) as made:
        made.project()
        seen = [*made.all("Endpoint", "west")[1:], *made.all("Device", "west")]
    assert [one.get("address") for one in seen] == ["dicom-tls://10.9.9.9:2762", None]
    assert [one["extension"] for one in seen] == [bound_to("ws.example")] * 2


def test_an_organisation_owns_what_its_aes_store_and_has_a_view_of_its_own(strict: Hospital) -> None:
    assert put(strict, device("CT9", "clinic")) == 422
    assert put(strict, CLINIC) == 201
    assert put(strict, device("CT9", "clinic", owner={"reference": "Organization/clinic"})) == 201
    assert put(strict, device("CT8", owner={"reference": "Organization/clinic"})) == 422
    found = peer(strict, "CT9")
    assert isinstance(found, Peer) and (found.organisation_code, found.assigning_authority) == ("clinic", "CLINIC")
    strict.project()
    assert strict.only("Organization", "clinic")["name"] == "Clinic"
    (seen,) = strict.all("Device", "clinic")
    assert seen["identifier"] == [{"system": "urn:pacsd:ae:clinic", "value": "CT9"}]
    assert strict.ask("DELETE", "Device/ct9").status_code == 204
    strict.archive.register.refresh()
    strict.project()
    assert strict.all("Device", "clinic") == []
    assert put(strict, device("CT9", "clinic")) == 201
    assert put(strict, CLINIC | {"active": False}) == 200
    assert peer(strict, "CT9") is Refusal.CALLING_TITLE
    assert strict.ask("DELETE", "Organization/clinic").status_code == 409
    strict.project()
    assert strict.only("Organization", "clinic")["active"] is False


REFUSED: list[tuple[dict[str, Any], int]] = [
    (CLINIC | {"identifier": [{"system": "urn:pacsd:organisation", "value": "west"}]}, 409),
    (CLINIC | {"identifier": [{"system": "urn:pacsd:organisation", "value": "a/b"}]}, 422),
    (CLINIC | {"extension": [says("assigning-authority", valueString="WEST")]}, 409),
    (CLINIC | {"extension": [says("reads", valueString="west")]}, 422),
    (device("PACSD"), 409),
    (device("WS", "west"), 403),
    (device("X", "west"), 403),
    (device("SEVENTEEN-LETTERS"), 422),
    (device(extension=[says("service", valueCode="fly")]), 422),
    (device(extension=[says("calling-address", valueString="10.0.0.0/99")]), 422),
    (device(extension=[says("assigning-authority", valueString="WEST")]), 409),
    (device(extension=[says("rejected", valueString="keep")]), 422),
    (endpoint(address="http://10.1.2.3:80"), 422),
    (endpoint(address="dicom://10.1.2.3"), 422),
    (endpoint(address="dicom://a@10.1.2.3:104"), 422),
    (endpoint(address="dicom://10.1.2.3:99999"), 422),
    (endpoint(address="dicom-tls://10.1.2.3"), 422),
    (endpoint(address="dicoms://10.1.2.3:2762"), 422),
    (endpoint(extension=[says("certificate", valueString="two, names")]), 422),
    (endpoint(extension=[says("certificate", valueString="AB" * 20)]), 422),
    (device(extension=[says("certificate", valueString="two, names")]), 422),
    (device(extension=[says("certificate", valueCode="ct1.example")]), 422),
    (endpoint(connectionType={"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
                              "code": "dicom-wado-rs"}), 422),
]  # fmt: skip


def test_what_is_anothers_or_cannot_be_is_refused_and_nothing_is_known_of_it(strict: Hospital) -> None:
    before = strict.archive.directory.known().register
    for resource, status in REFUSED:
        assert put(strict, resource) == status, resource
        assert strict.ask("GET", f"{resource['resourceType']}/{resource['id']}").status_code == 404
    assert strict.archive.directory.known().register == before


def test_one_resource_keeps_an_ae_and_versions_are_held_to(strict: Hospital) -> None:
    assert put(strict, device()) == 201
    assert put(strict, device() | {"id": "again"}) == 409
    assert put(strict, device(note=[{"text": "x"}]), if_match='W/"7"') == 412
    assert put(strict, device(note=[{"text": "x"}]), if_match='W/"1"') == 200
    assert put(strict, CLINIC) == 201 and put(strict, CLINIC | {"id": "other"}) == 409
    assert put(strict, CLINIC | {"identifier": [{"system": "urn:pacsd:organisation", "value": "other"}]}) == 409


def test_what_the_settings_name_is_seen_and_cannot_be_written(strict: Hospital) -> None:
    strict.project()
    seen = strict.only("Device")
    assert strict.ask("PUT", f"Device/{seen['id']}", seen | {"note": [{"text": "x"}]}).status_code == 409
    assert [one["address"] for one in strict.all("Endpoint", "west")][1:] == ["dicom://10.9.9.9:104"]


def test_plain_resources_register_nothing(strict: Hospital) -> None:
    plain = {"resourceType": "Organization", "id": "insurer", "name": "Insurer"}
    assert put(strict, plain) == 201 and put(strict, {"resourceType": "Device", "id": "pump"}) == 201
    assert strict.ask("DELETE", "Organization/insurer").status_code == 204
    assert strict.archive.directory.known().register.organisations == ()


def test_a_rebuild_brings_them_back_with_what_they_stored(
    strict: Hospital, postgres: Any, migrated_template: str
) -> None:
    assert put(strict, CLINIC) == 201 and put(strict, device("CT9", "clinic")) == 201
    assert put(strict, device("CT7")) == 201 and strict.ask("DELETE", "Device/ct7").status_code == 204
    assert put(strict, endpoint(address="dicom-tls://10.1.2.3:2762", extension=bound_to("ct1.example"))) == 201
    register = strict.archive.directory.known().register
    name, dsn = postgres.create(template=migrated_template)
    try:
        with opened(dsn, strict.settings.data_dir, dimse=strict.settings.dimse, remote_aes=strict.settings.remote_aes,
                    own_aes=strict.settings.own_aes) as anew:  # fmt: skip
            upkeep = Upkeep(anew.settings, anew.archive, also_rebuild=(anew.fhir.restoration.rebuild,))
            assert list(upkeep.rebuild(lambda done, of: None)) == []
            assert anew.archive.directory.known().register == register
            assert isinstance(peer(anew, "CT9"), Peer) and peer(anew, "CT7") is Refusal.CALLING_TITLE
            assert put(anew, device("CT9", "clinic", note=[{"text": "x"}])) == 200
    finally:
        postgres.drop(name)
