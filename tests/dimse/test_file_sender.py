"""Files on their way to a peer, in plain text and inside TLS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import RemoteAESettings
from pacsd.codec.part10 import read_meta
from pacsd.dimse.dialling import Dialling
from pacsd.dimse.file_sender import file_sender
from pacsd.faults import Fault, PacsdError
from tests.certificates import Authority
from tests.dimse.fakes import running
from tests.dimse.objects import ct_file
from tests.dimse.test_tls import Place

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    authority = Authority(tmp_path / "ca")
    return Place(authority, authority.make("pacs"), authority.make("modality"))


class Data:
    """A data set in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size_bytes: int | None = len(data)
        self.file_range = None

    def chunks(self, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        yield self.data


def test_objects_go_as_they_are_inside_tls_to_the_peer_that_is_meant(place: Place, tmp_path: Path) -> None:
    whole = ct_file(tmp_path, number=1, rows=64).read_bytes()
    meta = read_meta(whole)
    dial = Dialling(place.authority.settings(place.modality))
    with running(handshakes=place.handshakes()) as server:
        peer = RemoteAESettings("PACSD", "127.0.0.1", server.port, "default", tls=True)
        contexts = [(CT, EXPLICIT), ("1.2.3.4", EXPLICIT)]
        with file_sender(peer, contexts, calling="MODALITY", dial=dial, timeout_s=10) as sender:
            assert (sender.takes(CT, EXPLICIT), sender.takes("1.2.3.4", EXPLICIT)) == (True, False)
            for _ in range(3):
                answer = sender.store(
                    Data(whole[meta.dataset_offset :]), sop_class_uid=CT, sop_instance_uid=meta.sop_instance_uid,
                    transfer_syntax_uid=EXPLICIT,
                )  # fmt: skip
                assert (answer.status, answer.comment) == (0x0000, "")
        assert [data for _, data, _ in server.archive.stored] == [whole[meta.dataset_offset :]] * 3
        other = RemoteAESettings(
            "PACSD", "127.0.0.1", server.port, "default", tls=True, certificate=place.modality.thumbprint
        )
        with (
            pytest.raises(PacsdError) as refusal,
            file_sender(other, contexts, calling="MODALITY", dial=dial, timeout_s=10),
        ):
            pass
        assert refusal.value.fault is Fault.REFUSED
