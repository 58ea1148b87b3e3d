"""The index as journal facts and a rebuild speak to it: organisations by code, statements that may be repeated."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from pacsd.access.scope import Scope
from pacsd.archive.overlay import Attributes
from pacsd.archive.pack_file import WrittenPack
from pacsd.archive.reject import Named, Overtaken
from pacsd.archive.sidecar import SidecarIndex
from pacsd.faults import Fault, PacsdError
from pacsd.index import holds, overlays, rejection_notes, rejections
from pacsd.index.alternates import Alternates
from pacsd.index.connect import Pool
from pacsd.index.ingest import Ingest
from pacsd.index.inventory import Inventory
from pacsd.index.packs import Packs
from pacsd.index.records import Arrival, PackRow, SeriesContent, Stored
from pacsd.index.rejection_notes import Standing
from pacsd.index.rejections import Saying


class Truth:
    """Overlays, rejections and rebuilt rows, where readers see them."""

    def __init__(
        self,
        pool: Pool,
        writing: Ingest,
        sidecar: Callable[[PackRow], SidecarIndex],
        organisations: Mapping[str, int],
        *,
        grace_s: float,
    ) -> None:
        self._pool = pool
        self._writing = writing
        self._sidecar = sidecar
        self._organisations = organisations
        self._inventory = Inventory(pool)
        self._packs = Packs(pool)
        self._grace_s = grace_s

    def knows_patient(self, assigning_authority: str, patient_id: str) -> bool:
        """Whether there is such a patient."""
        return overlays.knows_patient(self._pool, assigning_authority, patient_id)

    def knows_study(self, organisation: str, study_instance_uid: str) -> bool:
        """Whether the organisation has such a study. Raises PacsdError NOT_FOUND for an organisation there is not."""
        return overlays.knows_study(self._pool, self._key(organisation), study_instance_uid)

    def set_patient_overlay(
        self, assigning_authority: str, patient_id: str, attributes: Attributes, *, at: datetime
    ) -> None:
        """Every study of this patient of this authority shows these attributes, those that are still to come too."""
        stated = _stated(attributes)
        overlays.set_patient_overlay(self._pool, assigning_authority, patient_id, stated, at=at, make=True)

    def set_study_overlay(
        self, organisation: str, study_instance_uid: str, attributes: Attributes, *, at: datetime
    ) -> None:
        """This study of this organisation shows these attributes. Raises PacsdError NOT_FOUND."""
        overlays.set_study_overlay(self._pool, self._key(organisation), study_instance_uid, _stated(attributes), at=at)

    def series_of(self, organisation: str, study_instance_uid: str) -> list[SeriesContent]:
        """Every series of a study, with hidden instances."""
        key = self._key(organisation)
        return self._inventory.series_of(Scope((key,), key), study_instance_uid)

    def reject(self, organisation: str, study_instance_uid: str, named: Named, saying: Saying) -> None:
        """Hide instances and keep them from coming back."""
        rejections.reject(self._pool, self._key(organisation), study_instance_uid, named, saying)

    def mark_note(self, organisation: str, study: str, series: str, sop: str, code: str) -> None:
        """Hide a rejection note, if it is there."""
        content = self.content(organisation, study, series)
        if content is not None and sop in self._kept(content):
            rejection_notes.mark_note(self._pool, self._key(organisation), content.series, sop, code=code)

    def await_note(self, organisation: str, sop: str, code: str) -> None:
        """A note is about to be stored, and will be hidden as soon as it is."""
        rejection_notes.await_note(self._pool, self._key(organisation), sop, code=code)

    def notes_among(self, organisation: str, sops: Sequence[str]) -> set[str]:
        """Those of some instances that are rejection notes."""
        return rejection_notes.notes_among(self._pool, self._key(organisation), sops)

    def standing(self, organisation: str, sop: str) -> Standing:
        """What is known of a UID."""
        return rejection_notes.standing(self._pool, self._key(organisation), sop)

    def where(self, organisation: str, sops: Sequence[str]) -> dict[str, dict[str, list[str]]]:
        """Of some instances those that the organisation keeps, by Study and Series Instance UID."""
        wanted, found = set(sops), dict[str, dict[str, list[str]]]()
        if not wanted:
            return found
        for content in rejection_notes.candidates(self._pool, self._key(organisation), sops):
            if kept := self._kept(content) & wanted:
                found.setdefault(content.study_instance_uid, {})[content.series_instance_uid] = sorted(kept)
        return found

    def overtaken(self, *, limit: int) -> list[Overtaken]:
        """Instances that are shown though they were awaited to be hidden."""
        codes = {key: code for code, key in self._organisations.items()}
        found = []
        for key, sop, *said in rejection_notes.overtaken(self._pool, limit=limit):
            for study, below in self.where(codes[key], [sop]).items() if key in codes else ():
                found += [Overtaken(codes[key], study, series, sop, Saying(*said)) for series in below]
        return found

    def hold(self, organisation: str, study_instance_uid: str, reason: str, at: datetime) -> None:
        """Keep a study from being deleted."""
        holds.hold(self._pool, self._key(organisation), study_instance_uid, reason=reason, at=at)

    def release(self, organisation: str, study_instance_uid: str) -> None:
        """Let it be deleted again."""
        holds.release(self._pool, self._key(organisation), study_instance_uid)

    def is_held(self, organisation: str, study_instance_uid: str) -> bool:
        """Whether a study is on legal hold."""
        return holds.is_held(self._pool, self._key(organisation), study_instance_uid)

    def settled(self, organisation: str, study_instance_uid: str) -> AbstractContextManager[None]:
        """Within it nobody else decides whether a study is held or deleted."""
        return holds.settled(self._pool, self._key(organisation), study_instance_uid)

    def restore(self, organisation: str, study_instance_uid: str, named: Named) -> None:
        """Show rejected instances again, wherever they are; those that are not here may come."""
        key = self._key(organisation)
        rejections.restore(self._pool, key, study_instance_uid, named)
        for study, below in self.where(organisation, sorted({sop for sops in named.values() for sop in sops})).items():
            rejections.restore(self._pool, key, study, below)

    def purge(self, organisation: str, study_instance_uid: str, named: Named, received_before: datetime) -> None:
        """Forget instances that arrived before; what came after the purge was said stays."""
        contents = {one.series_instance_uid: one for one in self.series_of(organisation, study_instance_uid)}
        old = {
            uid: sorted(self._received_before(contents[uid], received_before) & set(sops))
            for uid, sops in named.items() if uid in contents and sops
        }  # fmt: skip
        absent = {sop for uid, sops in named.items() for sop in sops}
        absent -= {sop for uid in named if uid in contents for sop in self._kept(contents[uid])}
        rejections.tombstone(self._pool, self._key(organisation), sorted(absent))
        if old:
            rejections.purge(self._pool, self._key(organisation), study_instance_uid, old, grace_s=self._grace_s)

    def store_many(self, arrivals: Iterable[Arrival]) -> list[Stored | PacsdError]:
        """As on arrival; an answer for each."""
        return self._writing.store_many(arrivals)

    def content(self, organisation: str, study_instance_uid: str, series_instance_uid: str) -> SeriesContent | None:
        """What the index says of one series."""
        return self._inventory.content(organisation, study_instance_uid, series_instance_uid)

    def adopt_pack(self, content: SeriesContent, pack: WrittenPack, *, generation: int) -> None:
        """As committing a pack whose loose rows already point into it: nothing becomes garbage."""
        self._packs.adopt_pack(content, pack, generation=generation)

    def adopt_alternate(self, pack_key: str, alternate: WrittenPack, *, thin: bool | None) -> bool:
        """Show an alternate again, and whether its pack is thin by it; False if that pack is not there."""
        return Alternates(self._pool).adopt(pack_key, alternate, thin=thin)

    def add_garbage(self, keys: Sequence[str], *, grace_s: float) -> None:
        """Delete these blobs after a while."""
        self._inventory.add_garbage(keys, grace_s=grace_s)

    def _key(self, organisation: str) -> int:
        try:
            return self._organisations[organisation]
        except KeyError as error:
            raise PacsdError(Fault.NOT_FOUND, f"there is no organisation {organisation}") from error

    def _kept(self, content: SeriesContent) -> set[str]:
        packed = {entry.sop_instance_uid for pack in content.packs for entry in self._sidecar(pack)}
        return (packed - content.replaced) | {one.sop_instance_uid for one in content.loose}

    def _received_before(self, content: SeriesContent, moment: datetime) -> set[str]:
        packed = {
            entry.sop_instance_uid
            for pack in content.packs
            for entry in self._sidecar(pack)
            if entry.received_at < moment
        }
        later = {one.sop_instance_uid for one in content.loose if one.received_at >= moment}
        return (packed | {one.sop_instance_uid for one in content.loose}) - later


def _stated(attributes: Attributes) -> dict[str, dict[str, object]]:
    """The index marks what is taken away with an empty object."""
    return {tag: {} if value is None else dict(value) for tag, value in attributes.items()}
