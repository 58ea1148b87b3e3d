"""The suite of orders and the worklist: ours passes, and what only pretends does not."""

import socket
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityWorklistInformationFind

from conformance.__main__ import main
from conformance.judging import Check, Outcome, judged
from conformance.orders.checks import CHECKS
from conformance.orders.site import Site
from tests.server import Server, remove_folder, scratch_folder

HARMLESS = {"find.bad-date", "acknowledge.control-id"}       # of which a server that does nothing can do well enough


@pytest.fixture(scope="module")
def ours() -> Iterator[Site]:
    folder = scratch_folder("pacsd-orders-")
    server = Server(folder / "data")
    try:
        server.start()
        yield Site(("127.0.0.1", server.mllp_port), ("127.0.0.1", server.dicom_port), "PACSD")
    finally:
        server.stop()
        remove_folder(folder)


@pytest.mark.parametrize("check", CHECKS, ids=lambda one: one.id)
def test_ours_passes(ours: Site, check: Check[Site]) -> None:
    one = judged(partial(check.run, ours))
    assert (one.outcome, one.message) == (Outcome.PASS, "")


@pytest.fixture(scope="module")
def pretender() -> Iterator[Site]:
    """Says AA to every message, and has an empty worklist."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                message = b""
                while b"\x1c\x0d" not in message:
                    message += connection.recv(65536)
                control_id = message.split(b"\r")[0].split(b"|")[9]
                connection.sendall(b"\x0bMSH|^~\\&|X|X|X|X|2030||ACK|1|P|2.5.1\rMSA|AA|" + control_id + b"\r\x1c\x0d")

    def nothing(_event: Any) -> Iterator[tuple[int, None]]:
        yield 0x0000, None

    threading.Thread(target=serve, daemon=True).start()
    scp = AE("PRETENDER")
    scp.add_supported_context(ModalityWorklistInformationFind)
    server = scp.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, nothing)])
    yield Site(listener.getsockname(), server.socket.getsockname(), "PRETENDER")
    server.shutdown()
    listener.close()


@pytest.mark.parametrize("check", [one for one in CHECKS if one.id not in HARMLESS], ids=lambda one: one.id)
def test_a_pretender_fails(pretender: Site, check: Check[Site]) -> None:
    assert judged(partial(check.run, pretender)).outcome is Outcome.FAIL


def test_the_command_lists_and_needs_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["orders", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(one.id in listed and one.transaction in listed for one in CHECKS)
    assert main(["orders"]) == 2
    assert main(["orders", "--list", "--only", "nothing"]) == 0
