"""`pacsd echo`: C-ECHO (PS3.7 9.1.5)."""

import argparse
import time

from pynetdicom.presentation import build_context

from config.settings import Settings
from pacsd.commands.peers import association, describe, is_success, peer_of
from pacsd.commands.wiring import Wiring

VERIFICATION = "1.2.840.10008.1.1"


def echo(options: argparse.Namespace, settings: Settings, _wiring: Wiring) -> int:
    """Ask once; 0 when the peer answers with success."""
    began = time.monotonic()
    with association(options, settings, [build_context(VERIFICATION)]) as peer:
        status = peer.send_c_echo()
    print(f"{peer_of(options.peer, settings)}: {describe(status)}, {(time.monotonic() - began) * 1000:.0f} ms")
    return 0 if is_success(status) else 1
