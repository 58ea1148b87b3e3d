"""What the index says of reports, compared with the blobs that they are kept in (`pacsd check`)."""

from collections.abc import Iterator

from pacsd.faults import Fault, PacsdError
from pacsd.index import reports as rows
from pacsd.index.connect import Pool
from pacsd.reports.contents import Contents


class Check:
    """Looks for every blob that a report is kept in; changes nothing."""

    def __init__(self, pool: Pool, contents: Contents) -> None:
        self._pool = pool
        self._contents = contents

    def run(self) -> Iterator[tuple[str, str]]:
        """Keys of blobs, and what is wrong with them."""
        for key, size_bytes in rows.recorded(self._pool):
            try:
                found = self._contents.size(key)
            except PacsdError as error:
                yield key, "missing" if error.fault is Fault.NOT_FOUND else f"cannot be read: {error.message}"
                continue
            if size_bytes is not None and found != size_bytes:
                yield key, f"corrupt: {found} bytes, not {size_bytes}"
