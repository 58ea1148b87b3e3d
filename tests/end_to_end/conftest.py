"""The server that the tests of this folder share, and further web processes over its database."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.end_to_end.house import web_node
from tests.server import Server, free_port, remove_folder, scratch_folder

ORGANISATIONS = """
[[organisations]]
code = "east"
[[organisations]]
code = "west"
[[organisations]]
code = "north"
reads = ["east"]
[[own_aes]]
title = "EAST"
organisation = "east"
[[own_aes]]
title = "WEST"
organisation = "west"
[[own_aes]]
title = "NORTH"
organisation = "north"
[[remote_aes]]
title = "STORESCP"
host = "127.0.0.1"
port = {port}
organisation = "east"
[storage]
quiet_s = 1.0
grace_s = 2.0
[dimse]
artim_timeout_s = 5.0
"""


class Hospitals:
    """Three organisations; `north` may read what `east` has. Unless a node says otherwise the web is of `east`."""

    def __init__(self, folder: Path) -> None:
        self.storescp_port = free_port()
        self._config = ORGANISATIONS.format(port=self.storescp_port)
        self.server = Server(folder / "data", config=self._config)

    def web_of(self, organisation: str) -> AbstractContextManager[str]:
        """The DICOMweb root of another node that speaks for this organisation."""
        return web_node(self.server, self._config, organisation)


@pytest.fixture(scope="package")
def hospitals() -> Iterator[Hospitals]:
    """Shared by the tests of this folder: each uses studies of its own."""
    folder = scratch_folder("pacsd-hospitals-")
    made = Hospitals(folder)
    try:
        made.server.start()
        yield made
    finally:
        made.server.kill()
        remove_folder(folder)
