"""A server of many organisations, what each of them stored, and every way of getting it back."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from config.settings import Settings, load_settings
from pacsd.archive.services import Archive, open_archive
from pacsd.blobs import LocalBlobs
from pacsd.supervise.attach import database
from pacsd.supervise.cluster import running_dsn
from tests.end_to_end import dcmtk, peers
from tests.end_to_end.peers import Objects
from tests.end_to_end.samples import Sample
from tests.server import Server, free_port

DCMTK_TITLE, OURS_TITLE = "STORESCP", "DESTINATION"


@dataclass
class Holding:
    """What one organisation stored."""

    title: str                           # the AE title of ours that stands for it
    samples: list[Sample] = field(default_factory=list)
    sent: Objects = field(default_factory=dict)          # SOP Instance UID -> the bytes that came in

    def keep(self, samples: Iterable[Sample]) -> None:
        """These arrived, as they lie in their files."""
        for sample in samples:
            self.samples.append(sample)
            self.sent[sample.sop_instance_uid] = sample.data

    @property
    def studies(self) -> list[str]:
        """Study Instance UIDs."""
        return sorted({sample.study_instance_uid for sample in self.samples})


class House:
    """The server and its organisations `h0`, `h1`, …; each answers to an AE title of its own, `H0`, `H1`, …

    DICOMweb speaks for `h0`.
    """

    def __init__(self, data: Path, *, organisations: int, storage: str, more: str = "") -> None:
        self.dcmtk_port, self.our_port = free_port(), free_port()
        self._fixed = more + "".join(_organisation(number) for number in range(organisations))
        self._fixed += _remote(DCMTK_TITLE, self.dcmtk_port) + _remote(OURS_TITLE, self.our_port)
        self.holdings = {f"h{number}": Holding(f"H{number}") for number in range(organisations)}
        self.server = Server(data, config=self._config(storage))

    def _config(self, storage: str) -> str:
        return f"{self._fixed}\n[storage]\n{storage}\n"

    def restart(self, *, storage: str) -> None:
        """Stop cleanly, and start with other storage settings."""
        assert self.server.stop() == 0
        self.server.configure(self._config(storage))
        self.server.start()

    @contextmanager
    def archive(self) -> Iterator[tuple[Settings, Archive]]:
        """The archive over the running server's database, as a command opens it."""
        settings = load_settings(self.server.config, {"data_dir": self.server.data})
        with database(settings) as dsn:
            opened = open_archive(settings, dsn)
            try:
                yield settings, opened
            finally:
                opened.close()

    def web_of(self, organisation: str) -> AbstractContextManager[str]:
        """The DICOMweb root of another node that speaks for this organisation."""
        return web_node(self.server, self._config(""), organisation)

    def files(self, pattern: str) -> list[Path]:
        """Blobs by a pattern, such as packs/**/*.zip."""
        return sorted((self.server.data / "blobs").glob(pattern))

    def by_get(self, holding: Holding) -> Objects:
        """All of it by C-GET (pynetdicom)."""
        return peers.get(self.server.dicom_port, holding.samples, holding.studies, called=holding.title)

    def by_wado(self, holding: Holding) -> Objects:
        """All of it by WADO-RS."""
        return peers.wado(self.server.base_url, holding.studies)

    def by_move(self, holding: Holding) -> Objects:
        """All of it by C-MOVE: to storescp, and once more to pynetdicom the studies of which storescp missed some."""
        came = self._by_move_to_dcmtk(holding)
        decoded = [one for one in holding.samples if one.transfer_syntax_uid in dcmtk.UNKNOWN_SYNTAXES]
        for sample in decoded:           # what storescp does not know comes in a syntax that it does
            came.pop(sample.sop_instance_uid, None)
        missed = [sample for sample in holding.samples if sample.sop_instance_uid not in came]
        lost = [sample.path for sample in missed if dcmtk.takes(sample, holding.sent[sample.sop_instance_uid])]
        assert not lost, lost
        again = {sample.study_instance_uid for sample in missed}
        destination = peers.Destination()
        with destination.listening(self.our_port, holding.samples):
            finals = peers.move(self.server.dicom_port, again, called=holding.title, to=OURS_TITLE)
        assert {int(final.Status) for final in finals} <= {0x0000}
        assert [uid for uid in came.keys() & destination.came.keys() if came[uid] != destination.came[uid]] == []
        return came | destination.came

    def _by_move_to_dcmtk(self, holding: Holding) -> Objects:
        with tempfile.TemporaryDirectory() as folder:
            with dcmtk.receiver(self.dcmtk_port, Path(folder), title=DCMTK_TITLE):
                peers.move(self.server.dicom_port, holding.studies, called=holding.title, to=DCMTK_TITLE)
            return dcmtk.objects_in(Path(folder))


@contextmanager
def web_node(server: Server, config: str, organisation: str) -> Iterator[str]:
    """The DICOMweb root of another node, over a running server's database and blobs, for one organisation."""
    data = server.data.parent / f"node-{organisation}"
    data.mkdir(exist_ok=True)
    if not (data / "blobs").exists():
        (data / "blobs").symlink_to(server.data / "blobs")
    dsn = running_dsn(server.data / "postgres")
    of_web = f'{config}\n[web]\norganisation = "{organisation}"\n'
    node = Server(data, config=of_web, arguments=["--roles", "web", "--database", dsn])
    try:
        yield node.start().base_url
    finally:
        node.stop()


def _organisation(number: int) -> str:
    return f'[[organisations]]\ncode = "h{number}"\n[[own_aes]]\ntitle = "H{number}"\norganisation = "h{number}"\n'


def _remote(title: str, port: int) -> str:
    return f'[[remote_aes]]\ntitle = "{title}"\nhost = "127.0.0.1"\nport = {port}\norganisation = "h0"\n'


def wait_for(condition: Callable[[], object], what: str, *, within_s: float = 60.0) -> None:
    """Return once it holds; fail after the deadline."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.05)


def loose(data: Path) -> list[str]:
    """Keys of spooled objects in a data directory; names of files made ahead hold nothing and do not count."""
    return [info.key for info in LocalBlobs(data / "blobs", reserve_bytes=0).list("spool/") if info.size_bytes]


def wait_packed(house: House) -> None:
    """Return once nothing is loose."""
    wait_for(lambda: not loose(house.server.data), "everything is packed")


def answer(base_url: str, path: str) -> list[dict[str, dict[str, object]]]:
    """A DICOM JSON answer; empty on 204."""
    got = httpx.get(base_url + path, headers={"Accept": "application/dicom+json"}, timeout=60)
    assert got.status_code in (200, 204), got.text
    return list(got.json()) if got.content else []


def value(attributes: dict[str, dict[str, object]], tag: str) -> object:
    """The first value of an attribute; None where it has none."""
    values = attributes.get(tag, {}).get("Value")
    return values[0] if isinstance(values, list) and values else None


def failed(done: "subprocess.CompletedProcess[str]") -> str:
    """Text for an assertion about a command."""
    return f"exit {done.returncode}\n{done.stdout[-3000:]}"
