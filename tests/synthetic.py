"""Makers of synthetic DICOM objects, the same bytes for the same seed.

Nothing here is a patient: names and numbers are drawn from short lists. Objects come back as whole
Part 10 files in bytes; only `write_multiframe` writes to disk, because its objects may be larger than memory.
"""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    KeyObjectSelectionDocumentStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RawDataStorage,
)

from tests.scanner_elements import CT_ELEMENTS, private_groups

UNCOMPRESSED = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
IMAGE_KEYWORDS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PixelSpacing",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "WindowCenter",
    "WindowWidth",
    "RescaleIntercept",
    "RescaleSlope",
    "ImageOrientationPatient",
    "PatientPosition",
)
ROOT_UID = "1.2.826.0.1.3680043.10.54321"
FAMILIES = (
    "Zhang^San",
    "Li^Si",
    "Wang^Wu",
    "Garcia^Maria",
    "Smith^John",
    "Novak^Jana",
    "Tanaka^Ichiro",
    "Okafor^Ada",
)
MODALITIES = ("CT", "MR", "DX", "US", "XA", "NM")


@dataclass(frozen=True, slots=True)
class SpelledName:
    """A Person Name as raw bytes, what Specific Character Set declares, and what a reader should see."""

    declared: str | None  # Specific Character Set, values joined by a backslash; None: absent
    encoded: bytes
    text: str


def _spelled(declared: str | None, codec: str, text: str) -> SpelledName:
    return SpelledName(declared, text.encode(codec), text)


NAMES = {
    "ascii": _spelled(None, "ascii", "Zhang^San"),
    "latin1": _spelled("ISO_IR 100", "latin-1", "Müller^Jürgen"),
    "cyrillic": _spelled("ISO_IR 144", "iso8859-5", "Люкceмбypг"),
    "utf8": _spelled("ISO_IR 192", "utf-8", "Zhang^San=张^三=ㄓㄤ^ㄙㄢ"),
    "gb18030": _spelled("GB18030", "gb18030", "Zhang^San=张^三"),
    "gbk": _spelled("GBK", "gbk", "Li^Si=李^四"),
    "gb18030-as-latin1": _spelled("ISO_IR 100", "gb18030", "Zhang^San=张^三"),
    "gbk-as-latin1": _spelled("ISO_IR 100", "gbk", "王^五"),
    "gbk-undeclared": _spelled(None, "gbk", "赵^六"),
    "utf8-undeclared": _spelled(None, "utf-8", "孙^七"),
    "iso2022-gb2312": SpelledName(
        "\\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
        "Zhang^XiaoDong=张^小东",
    ),
}


@dataclass(frozen=True, slots=True)
class Study:
    """Whose objects are made: the patient and study level of everything a maker returns."""

    study_instance_uid: str
    patient_id: str
    patient_name: SpelledName
    birth_date: str = "19600229"
    sex: str = "O"
    issuer: str | None = None  # Issuer of Patient ID
    accession_number: str = ""
    study_date: str = "20260102"
    study_time: str = "081500.250"
    study_id: str = "1"
    study_description: str = "CHEST ROUTINE"
    modality: str = "CT"

    def series_instance_uid(self, series: int) -> str:
        """The UID of this study's series of that number."""
        return uid(self.study_instance_uid, series)

    def sop_instance_uid(self, series: int, instance: int) -> str:
        """The UID of one instance of a series of this study."""
        return uid(self.study_instance_uid, series, instance)


def uid(*parts: object) -> str:
    """A UID that depends only on `parts` (at most 64 characters)."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return f"{ROOT_UID}.{int.from_bytes(digest[:12], 'big')}"


def study(seed: int, number: int = 0, *, name: str | None = None, **fields: object) -> Study:
    """Study `number` of the world that `seed` makes.

    `name` is a key of NAMES; other fields replace what was drawn.
    """
    draw = random.Random(f"{seed}/{number}")
    spelled = NAMES[name] if name else _spelled(None, "ascii", f"{draw.choice(FAMILIES)}^{number:06d}")
    drawn = Study(
        study_instance_uid=uid("study", seed, number),
        patient_id=f"P{seed:02d}{number:07d}",
        patient_name=spelled,
        birth_date=f"{draw.randint(1930, 2020)}{draw.randint(1, 12):02d}{draw.randint(1, 28):02d}",
        sex=draw.choice("MFO"),
        accession_number=f"A{seed:02d}{number:09d}",
        study_date=f"20{draw.randint(10, 25)}{draw.randint(1, 12):02d}{draw.randint(1, 28):02d}",
        study_time=f"{draw.randint(7, 18):02d}{draw.randint(0, 59):02d}00.000",
        study_id=str(number),
        modality=draw.choice(MODALITIES),
    )
    return replace(drawn, **fields)  # type: ignore[arg-type]


def ct_slice(
    of: Study,
    *,
    series: int = 1,
    instance: int = 1,
    rows: int = 512,
    columns: int = 512,
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
) -> bytes:
    """One CT image: 16-bit noise over a round phantom, ~120 header elements, private ones and sequences.

    512 × 512 gives about 529,000 bytes.
    """
    dataset = _ct_header(of, series=series, instance=instance)
    dataset.Rows, dataset.Columns = rows, columns
    dataset.PixelData = _phantom(uid_seed(dataset.SOPInstanceUID), rows=rows, columns=columns)
    dataset["PixelData"].VR = "OW"
    return encode(dataset, transfer_syntax_uid)


def lean_slice(of: Study, *, series: int = 1, instance: int = 1) -> bytes:
    """A 512 × 512 CT image with some 40 elements and nothing private: 3 KB of DICOM JSON."""
    dataset = _common(of, series=series, instance=instance, sop_class_uid=CTImageStorage)
    kept = (
        "ImageType",
        "Manufacturer",
        "InstitutionName",
        "StationName",
        "BodyPartExamined",
        "SliceThickness",
        "KVP",
    )
    _set(dataset, {keyword: CT_ELEMENTS[keyword] for keyword in (*kept, *IMAGE_KEYWORDS)})
    dataset.Rows = dataset.Columns = 512
    dataset.ImagePositionPatient = ["-180.5", "-175.25", f"{-300 + 0.625 * instance:.3f}"]
    dataset.FrameOfReferenceUID = uid(of.study_instance_uid, "frame of reference")
    dataset.PixelData = _phantom(uid_seed(dataset.SOPInstanceUID), rows=512, columns=512)
    dataset["PixelData"].VR = "OW"
    return encode(dataset, ExplicitVRLittleEndian)


def ct_series(
    of: Study, *, series: int = 1, count: int, rows: int = 512, columns: int = 512
) -> Iterator[bytes]:
    """The slices 1 … `count` of one series."""
    return (
        ct_slice(of, series=series, instance=number, rows=rows, columns=columns)
        for number in range(1, count + 1)
    )


def small_object(
    of: Study,
    *,
    series: int = 1,
    instance: int = 1,
    size_bytes: int = 2600,
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
) -> bytes:
    """A Part 10 file of `size_bytes` (give or take one): a short header and a tiny image."""
    dataset = _common(of, series=series, instance=instance, sop_class_uid=CTImageStorage)
    _set(
        dataset,
        {
            "Rows": 16,
            "Columns": 16,
            "BitsAllocated": 16,
            "BitsStored": 12,
            "HighBit": 11,
            "SamplesPerPixel": 1,
            "PixelRepresentation": 0,
            "PhotometricInterpretation": "MONOCHROME2",
        },
    )
    dataset.PixelData = _phantom(uid_seed(dataset.SOPInstanceUID), rows=16, columns=16)
    dataset["PixelData"].VR = "OW"
    missing = size_bytes - len(encode(dataset, transfer_syntax_uid))
    if missing > 12:
        dataset.add_new(0xFFFCFFFC, "OB", b"\0" * ((missing - 12) // 2 * 2))  # Data Set Trailing Padding
    return encode(dataset, transfer_syntax_uid)


def raw_object(of: Study, *, series: int = 1, instance: int = 1, payload: bytes = b"\1\2\3\4") -> bytes:
    """An object without pixels (Raw Data Storage) that carries `payload` in a private element."""
    dataset = _common(of, series=series, instance=instance, sop_class_uid=RawDataStorage)
    dataset.private_block(0x0029, "PACSD TEST", create=True).add_new(0x01, "OB", payload)
    return encode(dataset, ExplicitVRLittleEndian)


def rejection_note(
    of: Study,
    references: Iterable[tuple[str, str, str]],
    *,
    code: str = "113001",
    series: int = 99,
    instance: int = 1,
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
    undefined_length: bool = False,
) -> bytes:
    """A Key Object Selection of that title (IHE RAD-66); references are Study, Series and SOP Instance UIDs.

    A code with a space before its scheme, as "1 99X", stands for a title of another scheme.
    """
    dataset = _common(of, series=series, instance=instance, sop_class_uid=KeyObjectSelectionDocumentStorage)
    _set(dataset, {"Modality": "KO", "ValueType": "CONTAINER", "ContinuityOfContent": "SEPARATE"})
    value, _, scheme = code.partition(" ")
    title = _item(CodeValue=value, CodingSchemeDesignator=scheme or "DCM", CodeMeaning="Rejected")
    dataset.ConceptNameCodeSequence = DicomSequence([title])
    evidence: dict[str, dict[str, list[Dataset]]] = {}
    for study_uid, series_uid, sop in references:
        one = _item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=sop)
        evidence.setdefault(study_uid, {}).setdefault(series_uid, []).append(one)
    dataset.CurrentRequestedProcedureEvidenceSequence = DicomSequence(
        _item(
            ReferencedSeriesSequence=DicomSequence(
                _item(ReferencedSOPSequence=DicomSequence(ones), SeriesInstanceUID=series_uid)
                for series_uid, ones in below.items()
            ),
            StudyInstanceUID=study_uid,
        )
        for study_uid, below in evidence.items()
    )
    if undefined_length:
        _open_ended(dataset)
    return encode(dataset, transfer_syntax_uid)


def _open_ended(dataset: Dataset) -> None:
    """Write every sequence and item without its length."""
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                _open_ended(item)


def compressed_object(
    of: Study, *, series: int = 1, instance: int = 1, fragments: Sequence[bytes] = (b"\xff\xd8\xff\xd9",)
) -> bytes:
    """An encapsulated object: an empty basic offset table, then `fragments` as they stand (PS3.5 A.4).

    The pixels are no real JPEG.
    """
    dataset = _common(of, series=series, instance=instance, sop_class_uid="1.2.840.10008.5.1.4.1.1.7")
    _set(
        dataset,
        {
            "Rows": 8,
            "Columns": 8,
            "BitsAllocated": 8,
            "BitsStored": 8,
            "HighBit": 7,
            "SamplesPerPixel": 1,
            "NumberOfFrames": len(fragments),
            "PixelRepresentation": 0,
            "PhotometricInterpretation": "MONOCHROME2",
        },
    )
    items = [struct.pack("<HHI", 0xFFFE, 0xE000, 0)]
    items += [
        struct.pack("<HHI", 0xFFFE, 0xE000, len(f) + len(f) % 2) + f + b"\0" * (len(f) % 2) for f in fragments
    ]
    dataset.add_new(0x7FE00010, "OB", b"".join(items))
    dataset["PixelData"].is_undefined_length = True          # pydicom ends it with the delimiter
    return encode(dataset, JPEGBaseline8Bit)


def write_multiframe(
    path: Path,
    of: Study,
    *,
    frames: int,
    rows: int = 1024,
    columns: int = 1024,
    series: int = 1,
    instance: int = 1,
) -> int:
    """Write a native 16-bit multi-frame object frame by frame and return its size in bytes.

    A 3 GB object is 1,536 frames of 1024 × 1024. `multiframe_frame` tells what each frame holds.
    """
    dataset = _common(
        of,
        series=series,
        instance=instance,
        sop_class_uid=MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    )
    _set(
        dataset,
        {
            "Rows": rows,
            "Columns": columns,
            "NumberOfFrames": frames,
            "BitsAllocated": 16,
            "BitsStored": 16,
            "HighBit": 15,
            "SamplesPerPixel": 1,
            "PixelRepresentation": 0,
            "PhotometricInterpretation": "MONOCHROME2",
            "ConversionType": "WSD",
            "BurnedInAnnotation": "NO",
            "FrameIncrementPointer": Tag(0x0018, 0x1063),
            "FrameTime": "40",
        },
    )
    length = frames * rows * columns * 2
    if length >= 0xFFFFFFFF:
        raise ValueError("native Pixel Data ends at 4 GiB (PS3.5 7.1.2)")
    with path.open("wb") as file:
        file.write(encode(dataset, ExplicitVRLittleEndian))
        file.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, length))
        for number in range(1, frames + 1):
            file.write(multiframe_frame(number, rows=rows, columns=columns))
        return file.tell()


_NOISE: dict[tuple[int, int], bytes] = {}


def multiframe_frame(number: int, *, rows: int = 1024, columns: int = 1024) -> bytes:
    """Frame `number` (from 1) of every object `write_multiframe` writes.

    Its number in four bytes, then noise rolled by it.
    """
    size = rows * columns * 2
    if (rows, columns) not in _NOISE:
        _NOISE[rows, columns] = (
            numpy.random.default_rng(7).integers(0, 4096, rows * columns, dtype=numpy.uint16).tobytes()
        )
    noise, shift = _NOISE[rows, columns], number * 1022 % size
    return (struct.pack("<I", number) + noise[shift:] + noise[:shift])[:size]


def encode(dataset: Dataset, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> bytes:
    """A Part 10 file of the data set."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    dataset.file_meta = meta
    out = BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def dataset_bytes(part10: bytes | Path) -> bytes:
    """The data set of a Part 10 file exactly as it is encoded, without preamble and group 2."""
    data = part10.read_bytes() if isinstance(part10, Path) else part10
    if data[128:132] != b"DICM":
        raise ValueError("not a Part 10 file")
    offset = 132
    while data[offset : offset + 2] == b"\x02\x00":
        offset += (
            12 + struct.unpack_from("<I", data, offset + 8)[0]
            if data[offset + 4 : offset + 6] in (b"OB", b"UN", b"UT", b"OW", b"SQ")
            else 8 + struct.unpack_from("<H", data, offset + 6)[0]
        )
    return data[offset:]


def sop_instance_uid(part10: bytes) -> str:
    """The Media Storage SOP Instance UID of a Part 10 file."""
    return str(
        dcmread(BytesIO(part10), stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID
    )


def write_folder(folder: Path, objects: Iterable[bytes]) -> list[Path]:
    """Write the objects as 000001.dcm … and return their paths in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, data in enumerate(objects, 1):
        path = folder / f"{number:06d}.dcm"
        path.write_bytes(data)
        paths.append(path)
    return paths


def uid_seed(value: str) -> int:
    """A number that depends on the UID alone, for seeding what belongs to it."""
    return int.from_bytes(hashlib.sha256(value.encode()).digest()[:8], "big")


def _phantom(seed: int, *, rows: int, columns: int) -> bytes:
    """A bright disc in air with noise, 12 bits in 16, little endian."""
    noise = numpy.random.default_rng(seed).integers(-40, 40, (rows, columns), dtype=numpy.int16)
    across = numpy.linspace(-1, 1, rows)[:, None] ** 2 + numpy.linspace(-1, 1, columns)[None, :] ** 2
    return numpy.clip(numpy.where(across < 0.7, 1064, 24) + noise, 0, 4095).astype("<u2").tobytes()


def _common(of: Study, *, series: int, instance: int, sop_class_uid: str) -> Dataset:
    """The elements every object has: patient, study, series, instance."""
    dataset = Dataset()
    if of.patient_name.declared is not None:
        declared = of.patient_name.declared.encode()
        dataset[Tag(0x0008, 0x0005)] = _raw(0x00080005, "CS", declared)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class_uid, of.sop_instance_uid(series, instance)
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = of.study_date
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = of.study_time
    dataset.AccessionNumber, dataset.StudyID, dataset.StudyDescription = (
        of.accession_number,
        of.study_id,
        of.study_description,
    )
    dataset.Modality, dataset.ReferringPhysicianName = of.modality, "Referrer^Rita"
    dataset[Tag(0x0010, 0x0010)] = _raw(0x00100010, "PN", of.patient_name.encoded)
    dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = of.patient_id, of.birth_date, of.sex
    if of.issuer is not None:
        dataset.IssuerOfPatientID = of.issuer
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
        of.study_instance_uid,
        of.series_instance_uid(series),
    )
    dataset.SeriesNumber, dataset.InstanceNumber = str(series), str(instance)
    return dataset


def _raw(tag: int, vr: str, value: bytes) -> RawDataElement:
    """An element that pydicom writes exactly as these bytes, padded to an even length."""
    padded = value + b" " * (len(value) % 2)
    return RawDataElement(Tag(tag), vr, len(padded), padded, 0, False, True)


def _set(dataset: Dataset, values: Mapping[str, object]) -> None:
    """Set elements by keyword."""
    for keyword, value in values.items():
        setattr(dataset, keyword, value)


def _item(**values: object) -> Dataset:
    item = Dataset()
    _set(item, values)
    return item


def _ct_header(of: Study, *, series: int, instance: int) -> Dataset:
    """About 120 elements, as a CT scanner sends them (CT Image IOD, PS3.3 A.3)."""
    dataset = _common(of, series=series, instance=instance, sop_class_uid=CTImageStorage)
    _set(dataset, CT_ELEMENTS)
    position = -300 + 0.625 * instance
    frame_of_reference = uid(of.study_instance_uid, "frame of reference")
    _set(
        dataset,
        {
            "Modality": "CT",
            "FrameOfReferenceUID": frame_of_reference,
            "ImagePositionPatient": ["-180.5", "-175.25", f"{position:.3f}"],
            "SliceLocation": f"{position:.3f}",
            "AcquisitionNumber": str(series),
            "AcquisitionDate": of.study_date,
            "AcquisitionTime": of.study_time,
            "InstanceCreationDate": of.study_date,
            "InstanceCreationTime": of.study_time,
            "XRayTubeCurrent": str(180 + instance % 60),
            "Exposure": str(90 + instance % 30),
            "SeriesDescription": f"AX {series} STD 0.625",
            "ReferencedPerformedProcedureStepSequence": DicomSequence(
                [
                    _item(
                        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.3",
                        ReferencedSOPInstanceUID=uid(of.study_instance_uid, "mpps"),
                    )
                ]
            ),
            "ReferencedImageSequence": DicomSequence(
                [
                    _item(
                        ReferencedSOPClassUID=CTImageStorage,
                        ReferencedSOPInstanceUID=uid(of.study_instance_uid, "scout", n),
                    )
                    for n in (1, 2)
                ]
            ),
            "RequestAttributesSequence": DicomSequence(
                [
                    _item(
                        RequestedProcedureID="RP1",
                        ScheduledProcedureStepID="SPS1",
                        ScheduledProcedureStepDescription="CHEST",
                        ScheduledProtocolCodeSequence=DicomSequence(
                            [
                                _item(
                                    CodeValue="CTCHEST",
                                    CodingSchemeDesignator="99LOCAL",
                                    CodeMeaning="CT chest",
                                )
                            ]
                        ),
                    )
                ]
            ),
        },
    )
    private_groups(dataset, instance)
    return dataset
