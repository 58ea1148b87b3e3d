"""DIMSE, event channels and HL7 queries in the access matrix: a device is a program of its hospital, nothing more."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom import AE, build_role, evt
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

from config.settings import RemoteAESettings
from hl7.ports import Caller
from pacsd.access.callers import SERVICES, Callers, _may
from pacsd.access.directory import Directory
from pacsd.access.origin import Origin
from pacsd.access.principal import PatientKey, Role
from pacsd.dimse.query import as_query
from tests.access import matrix
from tests.access.region import CODES, SETTINGS, STUDIES, Region, Tokens, somebody
from tests.dimse.fakes import Server, running

WEST = STUDIES["west"].study_instance_uid


def callers(region: Region, **options: Any) -> Callers:
    remotes = (
        *(RemoteAESettings(f"CT_{code.upper()}", "127.0.0.1", 1, code, addresses=("127.0.0.1",)) for code in CODES),
        RemoteAESettings("ANYWHERE", "127.0.0.1", 1, "south"), RemoteAESettings("FAR", "10.0.0.1", 1, "south",
                                                                               addresses=("10.0.0.1",)),
    )  # fmt: skip
    settings = replace(SETTINGS, remote_aes=remotes)
    return Callers(Directory(settings, {code: region.key(code) for code in CODES}), region.resolution, **options)


@pytest.fixture(scope="module")
def server(region: Region) -> Iterator[Server]:
    with running(archive=region.archive, directory=callers(region, required=True, tokens=Tokens()),
                 query=as_query) as made:  # fmt: skip
        yield made


def identity(kind: int, primary: str, secondary: str = "") -> UserIdentityNegotiation:
    made = UserIdentityNegotiation()
    made.user_identity_type, made.positive_response_requested = kind, False
    made.primary_field = primary.encode()
    if secondary:
        made.secondary_field = secondary.encode()
    return made


def associated(server: Server, calling: str, *negotiated: Any) -> Any:
    ae = AE(calling)
    for model in (StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelGet, Verification):
        ae.add_requested_context(model)
    ae.add_requested_context(CTImageStorage)
    return ae.associate("127.0.0.1", server.port, ae_title="PACSD", evt_handlers=[(evt.EVT_C_STORE, lambda _: 0)],
                        ext_neg=[build_role(CTImageStorage, scp_role=True), *negotiated])  # fmt: skip


def finds(association: Any) -> list[str]:
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID, asked.PatientID = "STUDY", WEST, ""
    answers = association.send_c_find(asked, StudyRootQueryRetrieveInformationModelFind)
    return [found.StudyInstanceUID for _, found in answers if found is not None]


def gets(association: Any) -> int:
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", WEST
    last = [status for status, _ in association.send_c_get(asked, StudyRootQueryRetrieveInformationModelGet)][-1]
    assert last.Status == 0x0000
    return int(last.get("NumberOfCompletedSuboperations", 0))


@pytest.mark.parametrize("code", CODES)
def test_a_device_sees_its_own_and_what_was_granted(server: Server, code: str) -> None:
    association = associated(server, f"CT_{code.upper()}")
    assert association.is_established
    seen = code in matrix.seen_from(matrix.rule("read images", Role.SYSTEM))
    assert (finds(association) == [WEST]) is seen and (gets(association) == 2) is seen
    association.release()


@pytest.mark.parametrize(
    ("calling", "said", "accepted"),
    [
        ("CT_WEST", (), True), ("NOBODY", (), False), ("FAR", (), False), ("ANYWHERE", (), False),
        ("ANYWHERE", (5, "radiologist@south"), True), ("ANYWHERE", (5, "radiologist@west"), False),
        ("ANYWHERE", (5, "forged"), False), ("CT_SOUTH", (5, "forged"), False),
        ("ANYWHERE", (5, "radiologist@süd"), False), ("ANYWHERE", (2, "radiologist@south", "passcode"), False),
        ("ANYWHERE", (1, "radiologist@south"), False), ("CT_SOUTH", (1, "whoever"), True),
    ],
)  # fmt: skip
def test_who_may_associate(server: Server, calling: str, said: tuple[Any, ...], accepted: bool) -> None:
    association = associated(server, calling, *([identity(*said)] if said else []))
    assert association.is_established is accepted
    if accepted:
        association.release()


def test_a_title_is_believed_where_nothing_is_required(region: Region) -> None:
    open_to_all = callers(region)
    for calling in ("ANYWHERE", "CT_EAST"):
        found = open_to_all.peer(calling=calling, called="PACSD", origin=Origin("127.0.0.1"))
        assert getattr(found, "principal", None) is not None


@pytest.mark.parametrize("role", Role, ids=lambda one: one.value)
def test_services_of_a_user_are_those_of_its_role(role: Role) -> None:
    rules = {"store": "store images", "find": "read images", "move": "take images", "get": "take images",
             "commitment": "commit storage"}  # fmt: skip
    assert set(rules) < set(SERVICES)
    for service, rule in rules.items():
        assert _may(somebody(role, "west"), service) is (matrix.rule(rule, role) not in ("-", "D"))


def test_an_open_association_sees_what_is_granted_and_revoked(region: Region) -> None:
    given = callers(region)
    found = given.peer(calling="CT_EAST", called="PACSD", origin=Origin("127.0.0.1"))
    assert not isinstance(found, type(None)) and not found.scope.opened        # type: ignore[union-attr]
    grant = region.grants.share(
        somebody(Role.ADMINISTRATOR, "west"), region.key("west"), grantee=region.key("east"),
        patient=PatientKey("WEST", "W1"), reason="for a while",
    )  # fmt: skip
    region.later()
    later = given.renewed(found)                                               # type: ignore[arg-type]
    assert later.scope.opened is not None and later.scope.opened.patients
    region.grants.revoke(somebody(Role.ADMINISTRATOR, "west"), region.key("west"), grant.name, reason="over")
    region.later()
    assert given.renewed(later).scope.opened is None


def test_an_identity_that_lies_of_its_length_is_no_association(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
        user = bytes.fromhex("51000004000040005800000605010fff4141")
        body = bytes((0, 1, 0, 0)) + b"PACSD".ljust(16) + b"CT_WEST".ljust(16) + bytes(32)
        context = b"\x10\x00\x00\x15" + b"1.2.840.10008.3.1.1.1"
        items = context + b"\x50\x00" + len(user).to_bytes(2, "big") + user
        peer.sendall(b"\x01\x00" + (len(body) + len(items)).to_bytes(4, "big") + body + items)
        assert peer.recv(1) in (b"\x07", b"\x03")


def pix(region: Region, application: str, person: str) -> bytes:
    lines = (f"MSH|^~\\&|{application}|F|PIXM|US|20260101120000||QBP^Q23^QBP_Q21|q{application}|P|2.5.1",
             f"QPD|IHE PIX Query|T1|{person}", "RCP|I")  # fmt: skip
    (answer,) = region.exchange.reception().receive("".join(f"{one}\r" for one in lines).encode(), Caller("127.0.0.1"))
    return answer


@pytest.mark.parametrize(("application", "code"), [("HIS", "east"), ("WRIS", "west"), ("SRIS", "south")])
def test_identity_queries_know_the_own_hospitals_patients(region: Region, application: str, code: str) -> None:
    west = pix(region, application, "W1^^^WEST")
    assert (b"|AA|" in west) is (code == "west"), west
    assert b"W1" not in west.partition(b"PID")[2] and b"W1" not in pix(region, "HIS", "E1^^^EAST").partition(b"PID")[2]
