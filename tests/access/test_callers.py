"""Callers of associations, from the first request to the last: nobody is served who is nobody any more."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from config.oauth import OAuthSettings
from config.settings import RemoteAESettings, SecuritySettings
from pacsd.access.callers import Callers
from pacsd.access.directory import Directory, Identity, Peer, Refusal
from pacsd.access.origin import Origin
from pacsd.access.peer_certificate import PeerCertificate
from pacsd.access.principal import Principal, Role
from pacsd.access.register import Caller, Register, RegisteredAE
from pacsd.access.tokens import thumbprint
from pacsd.archive.services import open_archive
from pacsd.dimse.query import as_query
from pacsd.dimse.statuses import RETRIEVE_STATUS, STORE_STATUS
from pacsd.faults import Fault, PacsdError
from pacsd.main import _callers
from pacsd.supervise.roles import RoleContext
from tests.access.minting import Mint
from tests.access.region import CODES, SETTINGS, STUDIES, Region, somebody
from tests.access.test_associations import identity
from tests.dimse.fakes import Server, running
from tests.synthetic import ct_slice, study

HOME = Origin("127.0.0.1")
TOKEN = Identity(5, b"abc")
WEST = STUDIES["west"].study_instance_uid


@dataclass
class Revocable:
    """One token, of whoever it is now; nobody's once it is taken back. `calls`: how often it still counts, and `fault`
    what it is then."""

    principal: Principal | None = field(default_factory=lambda: somebody(Role.RADIOLOGIST, "west"))
    calls: int = 1_000_000
    fault: Fault = Fault.UNAUTHENTICATED

    def verify(self, token: str, **_told: Any) -> Principal:
        self.calls -= 1
        if self.principal is None or self.calls < 0:
            raise PacsdError(self.fault, "the token was revoked")
        return self.principal


@dataclass
class House:
    callers: Callers
    directory: Directory
    tokens: Revocable
    keys: dict[str, int]

    def register(self, *entries: Caller) -> None:
        """From now on these AEs are registered, and no others."""
        self.directory.learn(self.keys, Register(entities=tuple(RegisteredAE("west", one, None) for one in entries)))

    def opened(self, calling: str = "CT_WEST", said: Identity | None = None) -> Peer:
        found = self.callers.peer(calling=calling, called="PACSD", origin=HOME, identity=said)
        assert isinstance(found, Peer)
        return found

    def over(self, peer: Peer) -> str:
        """Why a peer is nobody any more."""
        with pytest.raises(PacsdError) as caught:
            self.callers.renewed(peer)
        assert caught.value.fault is Fault.UNAUTHENTICATED
        return caught.value.message


@pytest.fixture
def house(region: Region) -> House:
    settings = replace(SETTINGS, remote_aes=(
        RemoteAESettings("CT_WEST", "127.0.0.1", 1, "west", addresses=("127.0.0.1",)),))  # fmt: skip
    keys, tokens = {code: region.key(code) for code in CODES}, Revocable()
    directory = Directory(settings, keys)
    return House(Callers(directory, region.resolution, required=True, tokens=tokens), directory, tokens, keys)


@pytest.fixture
def server(region: Region, house: House) -> Iterator[Server]:
    with running(archive=region.archive, directory=house.callers, query=as_query) as made:
        yield made


def associated(server: Server, received: list[str] | None = None) -> Any:
    def keep(event: Any) -> int:
        if received is not None:
            received.append(event.request.AffectedSOPInstanceUID)
        return 0

    ae = AE("CT_WEST")
    for model in (StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelGet):
        ae.add_requested_context(model)
    ae.add_requested_context(CTImageStorage)
    made = ae.associate("127.0.0.1", server.port, ae_title="PACSD", evt_handlers=[(evt.EVT_C_STORE, keep)],
                        ext_neg=[build_role(CTImageStorage, scp_role=True), identity(5, "abc")])  # fmt: skip
    assert made.is_established
    return made


def asked() -> Dataset:
    made = Dataset()
    made.QueryRetrieveLevel, made.StudyInstanceUID = "STUDY", WEST
    return made


def found(association: Any) -> int:
    answers = association.send_c_find(asked(), StudyRootQueryRetrieveInformationModelFind)
    return sum(one is not None for _, one in answers)


def test_a_token_taken_back_ends_the_association_at_its_next_request(server: Server, house: House) -> None:
    association = associated(server)
    assert found(association) == 1
    house.tokens.principal = None
    assert found(association) == 0
    association.join(10)
    assert association.is_aborted


def test_a_retrieval_does_not_go_on_for_whom_the_token_was_taken_back(server: Server, house: House) -> None:
    received: list[str] = []
    association = associated(server, received)
    house.tokens.calls = 2                   # the request itself, and the first of two images
    list(association.send_c_get(asked(), StudyRootQueryRetrieveInformationModelGet))
    association.join(10)
    assert association.is_aborted and len(received) == 1


def test_where_it_cannot_be_found_out_who_asks_a_retrieval_says_that_it_failed(server: Server, house: House) -> None:
    received: list[str] = []
    association = associated(server, received)
    house.tokens.calls, house.tokens.fault = 2, Fault.UNAVAILABLE
    answers = list(association.send_c_get(asked(), StudyRootQueryRetrieveInformationModelGet))
    assert answers[-1][0].Status == RETRIEVE_STATUS[Fault.UNAVAILABLE] and len(received) == 1
    house.tokens.calls = 1_000_000
    assert found(association) == 1           # the association goes on
    association.release()


def test_where_it_cannot_be_found_out_who_stores_an_object_is_to_be_sent_again(server: Server, house: House) -> None:
    ae = AE("CT_WEST")
    ae.add_requested_context(CTImageStorage)
    association = ae.associate("127.0.0.1", server.port, ae_title="PACSD", ext_neg=[identity(5, "abc")])
    house.tokens.calls, house.tokens.fault = 0, Fault.UNAVAILABLE
    sent = dcmread(BytesIO(ct_slice(study(90), rows=8, columns=8)))
    assert association.send_c_store(sent).Status == STORE_STATUS[Fault.UNAVAILABLE]
    association.release()


def test_who_asks_is_found_out_while_queries_hold_all_connections(database: str, tmp_path: Path) -> None:
    settings = replace(SETTINGS, data_dir=tmp_path)
    archive = open_archive(settings, database, readers=1)
    context = RoleContext(settings, database, "queries", 0, tmp_path)
    with closing(archive), _callers(context, archive) as found, archive.pool.connection():
        assert isinstance(found.peer(calling="ANYBODY", called="PACSD", origin=HOME), Peer)


def test_the_patient_of_a_token_is_looked_for_while_queries_hold_all_connections(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mint = Mint()
    monkeypatch.setattr("pacsd.main.fetch", mint.fetch)
    oauth = OAuthSettings(issuers=(mint.settings(),))
    settings = replace(SETTINGS, data_dir=tmp_path, security=SecuritySettings(oauth=oauth))
    archive = open_archive(settings, database, readers=1)
    context = RoleContext(settings, database, "queries", 0, tmp_path)
    said = Identity(5, mint.token("west", scope="patient/ImagingStudy.rs", patient="nobody").encode())
    with closing(archive), _callers(context, archive) as found, archive.pool.connection():
        answer = found.peer(calling="ANYBODY", called="PACSD", origin=HOME, identity=said)
    assert answer is Refusal.IDENTITY        # it is known that there is no such patient



def test_a_user_who_may_do_less_is_not_the_user_who_was_let_in(house: House) -> None:
    peer = house.opened(said=TOKEN)
    assert house.callers.renewed(peer).principal is house.tokens.principal
    house.tokens.principal = somebody(Role.CLINICIAN, "west")
    assert "less" in house.over(peer)
    house.tokens.principal = replace(somebody(Role.RADIOLOGIST, "west"), organisation="east")
    assert house.over(peer)


def test_a_user_who_may_do_more_goes_on(house: House) -> None:
    house.tokens.principal = somebody(Role.CLINICIAN, "west")
    peer = house.opened(said=TOKEN)
    house.tokens.principal = somebody(Role.RADIOLOGIST, "west")
    renewed = house.callers.renewed(peer)
    assert renewed.services > peer.services and renewed.principal is house.tokens.principal


def test_an_ae_that_is_withdrawn_or_becomes_anothers_is_nobody(house: House) -> None:
    mine = Caller("CT_NEW", "west", addresses=("127.0.0.1",))
    house.register(mine)
    peer = house.opened("CT_NEW")
    house.register(mine, Caller("OTHER", "east"))        # something else was registered: that changes nothing
    peer = house.callers.renewed(peer)
    for change in ((), (replace(mine, organisation="east"),), (replace(mine, addresses=("10.0.0.9",)),),
                   (replace(mine, services=("echo",)),), (replace(mine, certificate="ct1.example"),)):  # fmt: skip
        house.register(*change)
        assert house.over(peer)
        house.register(mine)
        assert house.callers.renewed(peer) == peer


def test_what_stands_in_the_settings_is_asked_for_anew_only_when_something_changed(house: House) -> None:
    peer = house.opened()
    assert house.callers.renewed(peer) is peer
    house.register(Caller("OTHER", "east"))
    assert house.callers.renewed(peer) == peer


def test_a_token_bound_to_a_certificate_is_its_holders_alone(region: Region, house: House) -> None:
    der = b"the certificate of a workstation"
    mint = Mint()
    tokens = mint.verifier(organisation="west")
    callers = Callers(house.directory, region.resolution, required=True, tokens=tokens)
    said = Identity(5, mint.token("west", cnf={"x5t#S256": thumbprint(der)}).encode())

    def opened(shown: bytes | None) -> Peer | Refusal:
        certificate = None if shown is None else PeerCertificate("CN=x", (), hashlib.sha256(shown).hexdigest())
        origin = Origin("127.0.0.1", certificate)
        return callers.peer(calling="CT_WEST", called="PACSD", origin=origin, identity=said)

    peer = opened(der)
    assert isinstance(peer, Peer) and callers.renewed(peer) == peer
    assert opened(b"another's") is Refusal.IDENTITY and opened(None) is Refusal.IDENTITY
