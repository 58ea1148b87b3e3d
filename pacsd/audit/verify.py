"""`pacsd audit verify`: whether the records are as they were written, all of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pacsd.audit import anchor_bundles, anchors, chain
from pacsd.blobs.append_log import AppendFolder
from pacsd.blobs.port import BlobStore
from pacsd.faults import PacsdError
from pacsd.index.audit_events import AuditEvents


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written."""

    where: str
    problem: str


@dataclass(slots=True)
class Tally:
    """What was looked at."""

    chains: int = 0
    files: int = 0
    records: int = 0
    anchors: int = 0


@dataclass(slots=True)
class _Heads:
    """Of one chain the hashes that somebody vouches for, by number of records; and who does."""

    digests: dict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, number: int, digest: str, who: str) -> None:
        self.digests[number][digest] = who


class Verify:
    """Compares chains, anchors and index."""

    def __init__(
        self, folder: AppendFolder, blobs: BlobStore, events: AuditEvents, *, key: bytes | None = None
    ) -> None:
        self._folder = folder
        self._blobs = blobs
        self._events = events
        self._key = key
        self.tally = Tally()

    def run(self) -> Iterator[Finding]:
        """Everything that is wrong; nothing where nothing is. What is written meanwhile does no harm."""
        heads: dict[str, _Heads] = defaultdict(_Heads)
        for place in self._events.places().values():
            if place.problem:
                yield Finding(place.writer, f"was found broken: {place.problem}")
            if place.number:
                heads[place.writer].add(place.number, place.digest.hex(), "the index")
        yield from self._anchors(heads)
        files: dict[str, list[int]] = defaultdict(list)
        for name in self._folder.names():
            found = chain.split_name(name)
            if found is None:
                yield Finding(name, "is no file of records")
            else:
                files[found[0]].append(found[1])
        for writer in sorted(heads.keys() - files.keys()):
            yield Finding(writer, "all its files are gone")
        for writer, segments in sorted(files.items()):
            self.tally.chains += 1
            yield from self._chain(writer, segments, heads[writer].digests)

    def _anchors(self, heads: Mapping[str, _Heads]) -> Iterator[Finding]:
        last = self._events.anchor()
        expected, previous = 1, bytes(32).hex()
        for number, content in anchor_bundles.stored(self._blobs):
            while expected < number:
                yield Finding(f"anchor {expected}", "is gone")
                expected, previous = expected + 1, ""
            expected = number + 1
            try:
                anchor, text = anchors.read(number, content)
            except PacsdError as error:
                yield Finding(f"anchor {number}", error.message)
                previous = ""
                continue
            self.tally.anchors += 1
            yield from self._anchor(number, anchor, text, previous)
            previous = anchor.digest.hex()
            for writer, (count, digest) in anchor.heads.items():
                heads[writer].add(count, digest, f"anchor {number}")
            if last is not None and last[0] == number and last[1] != anchor.digest:
                yield Finding(f"anchor {number}", "is another than the index knows")
        if last is not None and last[0] >= expected:
            yield Finding(f"anchor {last[0]}", "is gone")

    def _anchor(self, number: int, anchor: anchors.Anchor, text: bytes, previous: str) -> Iterator[Finding]:
        if anchor.number != number:
            yield Finding(f"anchor {number}", "says another number")
        if previous and anchor.previous != previous:
            yield Finding(f"anchor {number}", "does not follow the one before")
        if self._key is not None and not anchor.is_signed_by(self._key, text):
            yield Finding(f"anchor {number}", "is not signed by the key")

    def _chain(self, writer: str, segments: list[int], vouched: Mapping[int, Mapping[str, str]]) -> Iterator[Finding]:
        head, following = chain.START, True
        for segment in range(1, max(segments) + 1):
            name = chain.file_name(writer, segment)
            if segment not in segments:
                yield Finding(name, "is gone")
                return
            if not following:
                if segment == max(segments) and not self._folder.read(name, 0, 1):
                    break                # made to go on in; its process ended before it did
                yield Finding(name, "follows a file that names none")
            following = False
            self.tally.files += 1
            try:
                for record in chain.records(self._folder.read, name, head):
                    self.tally.records += 1
                    body = record.body() if record.payload[:8] in (b'{"opens"', b'{"next":') else {}
                    if record.head.number == head.number + 1 and "opens" in body and body["opens"] != name:
                        yield Finding(name, "is another file")
                    following |= body.get("next") == chain.file_name(writer, segment + 1)
                    head = record.head
                    yield from _unlike(name, head, vouched)
            except chain.Broken as broken:
                yield Finding(broken.name, f"at byte {broken.offset_bytes}: {broken.problem}")
                return
        if following:
            yield Finding(chain.file_name(writer, max(segments) + 1), "is gone")
        for number in sorted(vouched):
            if number > head.number:
                who = ", ".join(sorted(vouched[number].values()))
                yield Finding(writer, f"ends after {head.number} records; {who} knows of {number}")
                return


def _unlike(name: str, head: chain.Head, vouched: Mapping[int, Mapping[str, str]]) -> Iterator[Finding]:
    known = vouched.get(head.number)
    for digest, who in (known or {}).items():
        if digest != head.digest.hex():
            yield Finding(name, f"record {head.number} is another than {who} knows")
