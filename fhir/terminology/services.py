"""Code systems from files, as the commands ask for them."""

from collections.abc import Sequence
from pathlib import Path

from fhir.store import concepts
from fhir.store.concepts import Loaded
from fhir.terminology import files
from fhir.terminology.files import Named
from fhir.terminology.loading import load
from pacsd.access.directory import Directory
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Pool


class Loading:
    """Loads, lists and takes away; an empty organisation stands for all of them."""

    def __init__(self, pool: Pool, directory: Directory) -> None:
        self._pool = pool
        self._directory = directory

    def load(
        self, path: Path, *, organisation: str = "", url: str = "", version: str = "", name: str = "",
        prefixes: bool = False,
    ) -> tuple[str, str, int]:  # fmt: skip
        """URL, version and number of concepts. Raises PacsdError for files that are none or contradict themselves."""
        read = files.read(path, Named(url, version, name, prefixes))
        count = load(self._pool, read, organisation=self._key(organisation))
        return str(read.header["url"]), str(read.header.get("version", "")), count

    def listed(self) -> Sequence[Loaded]:
        """All that were loaded."""
        return concepts.systems(self._pool, self._directory.everybody())

    def remove(self, url: str, version: str, *, organisation: str = "") -> None:
        """Take one away. Raises PacsdError NOT_FOUND."""
        if not concepts.remove(self._pool, organisation=self._key(organisation), url=url, version=version):
            raise PacsdError(Fault.NOT_FOUND, "no such code system was loaded")

    def _key(self, code: str) -> int | None:
        try:
            return self._directory.organisation_key(code) if code else None
        except KeyError as error:
            raise PacsdError(Fault.NOT_FOUND, f"there is no organisation {code}") from error
