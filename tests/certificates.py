"""A certification authority of a test's own, with the files that servers and other people's clients want."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from config.settings import TlsSettings
from pacsd.access.certificates import Issued, describe, issue, new_authority, revocation_list


@dataclass(frozen=True)
class Files:
    """A certificate with its key, in files."""

    certificate: Path
    key: Path

    @property
    def thumbprint(self) -> str:
        return describe(self.certificate.read_bytes()).thumbprint


@dataclass
class Authority:
    """Issues what a test needs; everything lies in `folder`."""

    folder: Path
    name: str = "Test CA"
    issued: Issued = field(init=False)
    revoked: list[tuple[int, datetime]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.issued = new_authority(self.name, days=10)
        self.certificate.write_bytes(self.issued.certificate)
        self.write_list()

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def list(self) -> Path:
        return self.folder / "crl.pem"

    def make(
        self, name: str, *names: str, use: str = "ae", days: int = 5, began: timedelta = timedelta(), file: str = ""
    ) -> Files:
        one = issue(self.issued, name, names or ("127.0.0.1", "localhost"), use=use, days=days,
                    now=datetime.now(UTC) - began)  # fmt: skip
        files = Files(self.folder / f"{file or name}.pem", self.folder / f"{file or name}.key.pem")
        write(files.certificate, one.certificate)
        write(files.key, one.key)
        return files

    def revoke(self, files: Files) -> None:
        self.revoked.append((describe(files.certificate.read_bytes()).serial_number, datetime.now(UTC)))
        self.write_list()

    def write_list(self) -> None:
        write(self.list, revocation_list(self.issued, self.revoked))

    def settings(self, files: Files | None, **others: Any) -> TlsSettings:
        made = TlsSettings(authorities=self.certificate, revocations=self.list, **others)
        return made if files is None else replace(made, certificate=files.certificate, key=files.key)


def write(file: Path, data: bytes) -> None:
    """In one step, as a program that renews certificates does."""
    new = file.with_suffix(".new")
    new.write_bytes(data)
    new.chmod(0o600)
    new.replace(file)


def arguments(*parts: Sequence[object]) -> list[str]:
    """For a command line."""
    return [str(one) for part in parts for one in part]
