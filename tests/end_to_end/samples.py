"""The real files as what they are to an archive: identities, transfer syntax and the bytes of the data set."""

import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
IDENTITIES = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True)
class Sample:
    """One file. Identities are those of its data set; empty where it has none."""

    path: Path
    file: bytes
    data: bytes                          # the data set as it is encoded
    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str

    @property
    def whole(self) -> bool:
        """Whether it says which instance of which series of which study it is."""
        return all((self.sop_class_uid, self.sop_instance_uid, self.study_instance_uid, self.series_instance_uid))

    @property
    def malformed(self) -> bool:
        """Whether it is broken on purpose."""
        return "malformed" in self.path.parts

    @property
    def context(self) -> tuple[str, str]:
        """Abstract and transfer syntax."""
        return self.sop_class_uid, self.transfer_syntax_uid

    @cached_property
    def part10(self) -> bytes:
        """A Part 10 file of these bytes whose group 2 names what the data set is."""
        return part10(
            self.data,
            sop_class_uid=self.sop_class_uid,
            sop_instance_uid=self.sop_instance_uid,
            transfer_syntax_uid=self.transfer_syntax_uid,
        )


def read_samples(folder: Path) -> list[Sample]:
    """Every file below a folder that may be an object: no DICOMDIR, which names files, and no XML beside them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [read_sample(path) for path in paths if path.name != "DICOMDIR" and path.suffix != ".xml"]


def read_sample(path: Path) -> Sample:
    """One file, as pydicom understands it."""
    file = path.read_bytes()
    data = dataset_bytes(file)
    dataset = pydicom.dcmread(BytesIO(file), force=True, stop_before_pixels=True)
    identities = [str(dataset.get(keyword) or "") for keyword in IDENTITIES]
    return Sample(path, file, data, str(dataset.file_meta.get("TransferSyntaxUID") or guessed(data)), *identities)


def guessed(data: bytes) -> str:
    """The transfer syntax of a data set that names none (PS3.5 7.1)."""
    if not data[4:6].isalpha():
        return IMPLICIT
    return EXPLICIT if data[1] == 0 else BIG_ENDIAN


def dataset_bytes(file: bytes) -> bytes:
    """A Part 10 file without preamble and group 2; a bare data set as it is."""
    at = 132 if file[128:132] == b"DICM" else 0
    while file[at : at + 2] == b"\x02\x00":
        long_form = file[at + 4 : at + 6] in (b"OB", b"OW", b"UN", b"UT", b"SQ")
        start, size = (at + 12, file[at + 8 : at + 12]) if long_form else (at + 8, file[at + 6 : at + 8])
        at = start + int.from_bytes(size, "little")
    return file[at:]


def part10(data: bytes, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """A Part 10 file around the bytes of a data set, whatever they are."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(sop_class_uid), UID(sop_instance_uid)
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    out = BytesIO(bytes(128) + b"DICM")
    out.seek(132)
    write_file_meta_info(out, meta, enforce_standard=True)
    return out.getvalue() + data


def layers(samples: Iterable[Sample]) -> list[list[Sample]]:
    """Samples in groups without a SOP Instance UID twice: the n-th object of a UID is in the n-th group."""
    seen: dict[str, int] = defaultdict(int)
    found: list[list[Sample]] = []
    for sample in samples:
        layer = seen[sample.sop_instance_uid]
        seen[sample.sop_instance_uid] += 1
        if layer == len(found):
            found.append([])
        found[layer].append(sample)
    return found


def by_study(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Samples of each study."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.study_instance_uid].append(sample)
    return found


def element(tag: int, vr: str, value: bytes) -> bytes:
    """One element in Explicit VR Little Endian."""
    value += b" " * (len(value) % 2) if vr != "UI" else b"\0" * (len(value) % 2)
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in ("OB", "OW", "SQ", "UN", "UT"):
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def small_dataset(
    *, study: str, series: str, sop: str, sop_class: str = "1.2.840.10008.5.1.4.1.1.7", rest: Sequence[bytes] = ()
) -> bytes:
    """A data set of identities and whatever follows them, in Explicit VR Little Endian."""
    return b"".join((
        element(0x00080016, "UI", sop_class.encode()),
        element(0x00080018, "UI", sop.encode()),
        element(0x00080060, "CS", b"OT"),
        element(0x00100010, "PN", b"Hostile^Peer"),
        element(0x00100020, "LO", b"H1"),
        element(0x0020000D, "UI", study.encode()),
        element(0x0020000E, "UI", series.encode()),
        *rest,
    ))
