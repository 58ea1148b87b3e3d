"""A server that keeps HTJ2K copies and nothing else, as viewers that load progressively, peers that take HTJ2K and
those that take what was received see it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, HTJ2KLossless, HTJ2KLosslessRPCL, ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from tests.server import Server
from tests.synthetic import ct_slice, dataset_bytes, study

WORLD = study(61)
HTJ2K = "1.2.840.10008.1.2.4.202"
SERIES = f"/studies/{WORLD.study_instance_uid}/series/{WORLD.series_instance_uid(1)}"
PATH = f"{SERIES}/instances/{WORLD.sop_instance_uid(1, 1)}"


FILE = ct_slice(WORLD, rows=256, columns=256)


@dataclass(frozen=True)
class Peer:
    """A storage SCP that takes one transfer syntax, and what it was given."""

    port: int
    received: list[Dataset]


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    received: list[Dataset] = []
    ae = AE("TAKER")
    ae.add_supported_context(CTImageStorage, HTJ2KLossless)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keeping(received))])
    assert server is not None
    yield Peer(server.server_address[1], received)
    server.shutdown()


def keeping(received: list[Dataset]) -> Callable[[Any], int]:
    """A handler of C-STORE."""

    def keep(event: Any) -> int:
        received.append(event.dataset)
        received[-1].file_meta = event.file_meta
        return 0

    return keep


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, peer: Peer) -> Iterator[Server]:
    """It holds the copy of one slice, and beside it what that does not give back."""
    folder: Path = tmp_path_factory.mktemp("htj2k")
    folder.chmod(0o755)
    remote = f'[[remote_aes]]\ntitle = "TAKER"\nhost = "127.0.0.1"\nport = {peer.port}\norganisation = "default"\n'
    rule = '[[htj2k]]\nkeep = "htj2k"\n'
    with Server(folder / "data", config=f"[storage]\nquiet_s = 0.2\n\n{rule}\n{remote}") as server:
        with httpx.Client(base_url=server.base_url, timeout=30) as web:
            web.post("/studies", content=FILE, headers={"Content-Type": "application/dicom"}).raise_for_status()
        deadline = time.monotonic() + 60
        while not coded(server) or whole(server):
            assert time.monotonic() < deadline, "nothing was coded, or the original stayed"
            time.sleep(0.1)
        yield server


def coded(server: Server) -> list[Path]:
    """Sidecars of alternates."""
    return list((server.data / "blobs" / "alternates").rglob("*.sidecar.gz"))


def whole(server: Server) -> list[Path]:
    """Packs with all their bytes."""
    return list((server.data / "blobs" / "packs").rglob("*.zip"))


def test_a_frame_is_loaded_progressively_by_ranges_and_the_original_comes_back(server: Server) -> None:
    with httpx.Client(base_url=server.base_url, timeout=30) as web:
        accept = {"Accept": f"image/jphc; transfer-syntax={HTJ2K}"}
        whole = web.get(f"{PATH}/frames/1", headers=accept)
        tag = whole.headers["etag"]
        assert whole.headers["accept-ranges"] == "bytes" and not tag.startswith("W/")
        assert np.array_equal(
            imagecodecs.jpeg2k_decode(whole.content).view(np.uint16),
            pydicom.dcmread(BytesIO(FILE)).pixel_array.view(np.uint16),
        )
        half = whole.content.index(b"\xff\x90\x00\x0a\x00\x00", len(whole.content) // 8)     # a tile-part begins here
        first = web.get(f"{PATH}/frames/1", headers={**accept, "Range": f"bytes=0-{half - 1}"})
        assert first.status_code == 206 and first.content == whole.content[:half]
        small = imagecodecs.htj2k_decode(first.content + b"\xff\xd9", skipres=1, resilient=True)
        assert small.shape == (128, 128)
        assert np.array_equal(small, imagecodecs.htj2k_decode(whole.content, skipres=1))
        rest = web.get(f"{PATH}/frames/1", headers={**accept, "Range": f"bytes={half}-", "If-Range": tag})
        assert rest.status_code == 206 and first.content + rest.content == whole.content
        assert web.get(f"{PATH}/frames/1", headers={**accept, "If-None-Match": tag}).status_code == 304
        other = web.get(f"{PATH}/frames/1", headers={"Accept": "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.201"})
        assert other.content == whole.content
        native = {"Accept": "application/octet-stream"}
        stored = pydicom.dcmread(BytesIO(FILE)).PixelData
        assert web.get(f"{PATH}/frames/1", headers=native).content == stored
        assert web.get(f"{PATH}/bulkdata/7FE00010", headers=native).content == stored
        octets = {"Accept": 'application/dicom; transfer-syntax=*'}
        assert dataset_bytes(web.get(PATH, headers=octets).content) == dataset_bytes(FILE)
        kind = {"Accept": f'multipart/related; type="application/dicom"; transfer-syntax={HTJ2K}'}
        answer = web.get(SERIES, headers=kind)
        assert answer.status_code == 200 and whole.content in answer.content


def asked() -> Dataset:
    """The identifier of the study."""
    request = Dataset()
    request.QueryRetrieveLevel, request.StudyInstanceUID = "STUDY", WORLD.study_instance_uid
    return request


def got(server: Server, *syntaxes: str) -> Dataset:
    """The slice by C-GET, with a context for each syntax."""
    received: list[Dataset] = []
    ae = AE("FOREIGN")
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    for syntax in syntaxes:
        ae.add_requested_context(CTImageStorage, syntax)
    roles, handlers = [build_role(CTImageStorage, scp_role=True)], [(evt.EVT_C_STORE, keeping(received))]
    association = ae.associate(
        "127.0.0.1", server.dicom_port, ae_title="PACSD", ext_neg=roles, evt_handlers=handlers
    )
    assert association.is_established
    *_, (final, _) = association.send_c_get(asked(), StudyRootQueryRetrieveInformationModelGet)
    association.release()
    assert final.Status == 0x0000
    return received[0]


def test_a_peer_that_takes_htj2k_gets_the_copy(server: Server, peer: Peer) -> None:
    with httpx.Client(base_url=server.base_url, timeout=30) as web:
        accept = {"Accept": f"image/jphc; transfer-syntax={HTJ2K}"}
        [frame] = [web.get(f"{PATH}/frames/1", headers=accept).content]
    for syntax in (HTJ2KLosslessRPCL, HTJ2KLossless):
        given = got(server, syntax)
        assert given.file_meta.TransferSyntaxUID == syntax and frame in given.PixelData
    ae = AE("FOREIGN")
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelMove)
    association = ae.associate("127.0.0.1", server.dicom_port, ae_title="PACSD")
    *_, (final, _) = association.send_c_move(asked(), "TAKER", StudyRootQueryRetrieveInformationModelMove)
    association.release()
    assert final.Status == 0x0000
    [moved] = peer.received
    assert moved.file_meta.TransferSyntaxUID == HTJ2KLossless and frame in moved.PixelData


def test_a_peer_that_takes_what_was_received_gets_that(server: Server) -> None:
    stored = pydicom.dcmread(BytesIO(FILE)).PixelData
    given = got(server, HTJ2KLosslessRPCL, ExplicitVRLittleEndian)
    assert given.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian and given.PixelData == stored
    assert got(server, ImplicitVRLittleEndian).PixelData == stored
