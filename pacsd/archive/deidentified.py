"""What a research client retrieves: the same instances as others, each de-identified as it streams out.

In the shape of `Retrieve`, so that an edge serves it in its place. UIDs are the project's, also in addresses; who asks
names instances by the UIDs that they are stored under.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from pacsd.access.scope import Scope
from pacsd.archive.export import Export
from pacsd.archive.retrieve import InstanceRef, Part10, Retrieve, read
from pacsd.codec.part10 import build_meta
from pacsd.codec.transcode import is_transcodable, result_uid, transcoded
from pacsd.codec.transfer_syntaxes import satisfies
from pacsd.deidentify import Deidentified


@dataclass(frozen=True, slots=True)
class DeidentifiedRef:
    """One instance by its new UIDs; what a policy makes of the same bytes always has the same `digest`."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    original: InstanceRef
    digest: bytes

    @property
    def transfer_syntax_uid(self) -> str:
        """In which it is given, unless its frames have to be coded anew."""
        return self.original.transfer_syntax_uid

    @property
    def overlay(self) -> dict[str, object]:
        """Corrections are applied before; they are part of the digest."""
        return {}

    @property
    def overlaid_at(self) -> None:
        """As `overlay`."""
        return None


class DeidentifiedRetrieve:
    """Retrieval for one policy and project."""

    def __init__(self, retrieve: Retrieve, export: Export, making: Deidentified) -> None:
        self._retrieve, self._export, self._making = retrieve, export, making

    def instances(self, scope: Scope, *uids: str) -> list[DeidentifiedRef]:
        """The visible instances below a study, series or instance. Raises PacsdError NOT_FOUND."""
        return [self._ref(ref) for ref in self._retrieve.instances(scope, *uids)]

    def fits(self, ref: DeidentifiedRef, transfer_syntax_uid: str) -> bool:
        """Whether it can be given in that transfer syntax, as far as its header tells."""
        return self._retrieve.fits(ref.original, transfer_syntax_uid)

    def part10(self, ref: DeidentifiedRef, transfer_syntax_uid: str | None = None) -> Part10:
        """The de-identified file, of unknown size. Raises PacsdError UNSUPPORTED for what cannot be cleaned, MALFORMED,
        TOO_MUCH."""
        stored, issuer = self._retrieve.part10(ref.original), self._export.assigning_authority(ref.original)
        outcome = self._making.of_part10(read(stored.pieces), default_issuer=issuer)
        report = outcome.report
        made, wanted = report.transfer_syntax_uid, transfer_syntax_uid or report.transfer_syntax_uid
        if satisfies(made, wanted) or not is_transcodable(made, wanted):
            return Part10(None, outcome.part10())
        meta = build_meta(
            sop_class_uid=report.sop_class_uid,
            sop_instance_uid=result_uid(report.sop_instance_uid, made, wanted),
            transfer_syntax_uid=wanted,
        ).data
        return Part10(None, _after(meta, transcoded(outcome.dataset, source=made, target=wanted)))

    def _ref(self, ref: InstanceRef) -> DeidentifiedRef:
        new = self._making.new_uid
        said = f"{self._making.policy!r} {new(ref.sop_instance_uid)} {ref.overlay!r} {ref.overlaid_at}"
        return DeidentifiedRef(
            new(ref.study_instance_uid), new(ref.series_instance_uid), new(ref.sop_instance_uid), ref,
            hashlib.sha256(ref.digest + said.encode()).digest()[:16],
        )  # fmt: skip


def _after(meta: bytes, dataset: Iterator[bytes]) -> Iterator[bytes]:
    yield meta
    yield from dataset


__all__ = ["DeidentifiedRef", "DeidentifiedRetrieve"]
