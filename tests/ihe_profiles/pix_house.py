"""An exchange of HL7 messages over a real index, reached through a socket."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.settings import (
    Hl7DestinationSettings,
    Hl7SenderSettings,
    IdentityDomainSettings,
    IdentitySettings,
    OrganisationSettings,
    Settings,
)
from hl7.listener import Limits, Listener
from ihe_profiles.exchange.services import Exchange
from pacsd.access.directory import Directory
from tests.archive.house import House, opened
from tests.hl7.peer import Peer

OID_E, OID_W = "1.2.3.1", "1.2.3.2"
HEALTH_CARDS = "2.16.156.10011.1.19"
# the regional feed speaks for both hospitals, the group hears of both, each hospital of itself
ORGANISATIONS = (
    OrganisationSettings("east", assigning_authority="EAST"),
    OrganisationSettings("west", assigning_authority="WEST", reads=("east",)),
)


class PixHouse:
    """Peers: EHIS of the hospital EAST, WHIS of WEST, which may see EAST's."""

    def __init__(self, house: House, port: int, exchange: Exchange) -> None:
        self.house = house
        self.port = port
        self.exchange = exchange
        self._numbers = iter(range(1, 100_000))

    def send(self, application: str, kind: str, *lines: str, structure: str = "", version: str = "2.5.1") -> bytes:
        """A message of these segments; its answer."""
        mark = "^".join(filter(None, (kind, structure)))
        head = f"MSH|^~\\&|{application}|F|PIXM|US|20260101120000||{mark}|m{next(self._numbers)}|P|{version}"
        msh = f"{head}||||||UNICODE UTF-8"
        with Peer(self.port) as peer:
            return peer.ask("".join(f"{line}\r" for line in (msh, *lines)))

    def register(self, application: str, ids: str, name: str, birth_date: str, sex: str, more: str = "") -> bytes:
        """ADT^A04; `more` continues behind PID-8."""
        answer = self.send(application, "ADT^A04", "EVN||20260101", f"PID|||{ids}||{name}||{birth_date}|{sex}{more}")
        assert b"|AA|" in answer, answer
        return answer

    def pix(self, application: str, person: str, wanted: str = "", *, tag: str = "T1") -> bytes:
        """QBP^Q23."""
        query = f"QPD|IHE PIX Query|{tag}|{person}" + (f"|{wanted}" if wanted else "")
        return self.send(application, "QBP^Q23", query, "RCP|I", structure="QBP_Q21")

    def pdq(self, application: str, fields: str, *, wanted: str = "", count: str = "", pointer: str = "") -> bytes:
        """QBP^Q22."""
        query = f"QPD|IHE PDQ Query|T2|{fields}" + (f"|||||{wanted}" if wanted else "")
        lines = [query, f"RCP|I|{count}" if count else "RCP|I", *([f"DSC|{pointer}|I"] if pointer else [])]
        return self.send(application, "QBP^Q22", *lines, structure="QBP_Q21")


@contextmanager
def pix_house(dsn: str, root: Path, **settings: Any) -> Iterator[PixHouse]:
    """EAST's health cards and OIDs are known; a destination `ehr` hears of both hospitals."""
    made = Settings(**{
        "organisations": ORGANISATIONS,
        "hl7_senders": (
            Hl7SenderSettings("east", "EHIS", "east"), Hl7SenderSettings("west", "WHIS", "west"),
        ),
        "hl7_destinations": (Hl7DestinationSettings("ehr", "127.0.0.1", 1, notifies=("EAST", "WEST")),),
        "identity_domains": (IdentityDomainSettings("EAST", OID_E), IdentityDomainSettings("WEST", OID_W)),
        "identity": IdentitySettings(max_results=20),
        **settings,
    })  # fmt: skip
    with opened(dsn, root) as house:
        exchange = Exchange(made, house.pool, house.journal, Directory(made, house.keys), house.blobs)
        listener = Listener(exchange.reception(), host="127.0.0.1", port=0, limits=Limits())
        thread = threading.Thread(target=listener.serve, daemon=True)
        thread.start()
        try:
            yield PixHouse(house, listener.port, exchange)
        finally:
            listener.close()
            listener.drain(5.0)
            thread.join(5.0)


def segments(answer: bytes, name: str) -> list[list[str]]:
    """All segments of a name, divided into fields."""
    lines = [line.split("|") for line in answer.decode().split("\r")]
    return [line for line in lines if line[0] == name]


def status(answer: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """MSA-1, QAK-2, and of each ERR place and condition."""
    errors = [(line[2], line[3].split("^")[0]) for line in segments(answer, "ERR")]
    return segments(answer, "MSA")[0][1], segments(answer, "QAK")[0][2], errors
