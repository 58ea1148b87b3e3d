"""Made-up studies with fresh UIDs, so that a run finds nothing but its own and disturbs nobody's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO

import numpy
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

CT_ROWS, CT_COLUMNS = 48, 64
FRAME_ROWS, FRAME_COLUMNS = 24, 40
SLOPE, INTERCEPT = 1, -1024


@dataclass(frozen=True)
class Instance:
    """A stored object: its data set, the file that was sent, and its frames uncompressed, little endian."""

    dataset: Dataset
    part10: bytes
    frames: tuple[bytes, ...] = ()

    @property
    def study(self) -> str:
        """Study Instance UID."""
        return str(self.dataset.StudyInstanceUID)

    @property
    def series(self) -> str:
        """Series Instance UID."""
        return str(self.dataset.SeriesInstanceUID)

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return str(self.dataset.SOPInstanceUID)

    @property
    def sop_class(self) -> str:
        """SOP Class UID."""
        return str(self.dataset.SOPClassUID)

    @property
    def path(self) -> str:
        """Of the Instance resource (PS3.18 Table 10.4.1-1)."""
        return f"/studies/{self.study}/series/{self.series}/instances/{self.uid}"


@dataclass(frozen=True)
class Subject:
    """The patient and study level of some instances."""

    patient_id: str
    name: str
    accession: str
    date: str = "20210314"
    time: str = "091500"
    sex: str = "F"
    birth_date: str = "19700101"
    referrer: str = "Referrer^Rita"
    study_id: str = "S1"
    description: str = "Conformance"
    character_set: str | None = None
    study: str = field(default_factory=generate_uid)


def ct(of: Subject, *, series: str, number: int, modality: str = "CT", series_number: int = 1) -> Instance:
    """One slice: a ramp, so that each grey value can be told from its place."""
    dataset = _common(of, CTImageStorage, series=series, number=number, modality=modality, series_number=series_number)
    pixels = (numpy.arange(CT_ROWS * CT_COLUMNS, dtype=numpy.uint16).reshape(CT_ROWS, CT_COLUMNS) + number) % 4096
    _pixels(dataset, pixels, bits=16, stored=12)
    _set(dataset, {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SeriesDescription": f"AX {series_number}",
        "PerformedProcedureStepStartDate": of.date,
        "PerformedProcedureStepStartTime": of.time,
        "RequestAttributesSequence": Sequence([
            _item(ScheduledProcedureStepID=f"SPS-{of.accession}", RequestedProcedureID=f"RP-{of.accession}"),
        ]),
        "FrameOfReferenceUID": generate_uid(entropy_srcs=[of.study, "frame of reference"]),
        "ImagePositionPatient": ["-150.5", "-150.25", f"{number * 2.5:.1f}"],
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
        "PixelSpacing": ["0.75", "0.75"],
        "SliceThickness": "2.5",
        "KVP": "120",
        "XRayTubeCurrent": "210",
        "RescaleIntercept": str(INTERCEPT),
        "RescaleSlope": str(SLOPE),
        "WindowCenter": ["40", "500"],
        "WindowWidth": ["400", "2000"],
        "PatientComments": "two lines\r\nof text",
        "ContrastBolusAgent": "",
        "OtherPatientNames": ["First^Other", "Second^Other"],
        "PatientTelephoneNumbers": ["111", "", "333"],
    })  # fmt: skip
    block = dataset.private_block(0x0029, "CONFORMANCE SUITE", create=True)
    block.add_new(0x01, "LO", f"private {number}")
    block.add_new(0x02, "OB", bytes(range(16)))
    return _instance(dataset, pixels.astype("<u2").tobytes())


def multiframe(of: Subject, *, frames: int = 5) -> Instance:
    """A grayscale word multi-frame secondary capture, its frames all different."""
    kind = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    dataset = _common(of, kind, series=generate_uid(), number=1, modality="OT", series_number=1)
    ramp = numpy.arange(FRAME_ROWS * FRAME_COLUMNS, dtype=numpy.uint16).reshape(FRAME_ROWS, FRAME_COLUMNS)
    pixels = numpy.stack([(ramp * 4 + 257 * number) % 4096 for number in range(1, frames + 1)])
    _pixels(dataset, pixels[0], bits=16, stored=12)
    dataset.PixelData = pixels.astype("<u2").tobytes()
    _set(dataset, {"NumberOfFrames": str(frames), "ConversionType": "WSD", "BurnedInAnnotation": "NO",
                   "FrameIncrementPointer": 0x00181063, "FrameTime": "40"})  # fmt: skip
    return _instance(dataset, *(frame.astype("<u2").tobytes() for frame in pixels))


def rgb(of: Subject) -> Instance:
    """A secondary capture in color: a red, a green, a blue and a grey quarter."""
    series = generate_uid()
    dataset = _common(of, SecondaryCaptureImageStorage, series=series, number=1, modality="OT", series_number=1)
    pixels = numpy.zeros((FRAME_ROWS, FRAME_COLUMNS, 3), numpy.uint8)
    down, across = FRAME_ROWS // 2, FRAME_COLUMNS // 2
    pixels[:down, :across], pixels[:down, across:] = (250, 10, 20), (10, 240, 30)
    pixels[down:, :across], pixels[down:, across:] = (20, 30, 230), (128, 128, 128)
    _pixels(dataset, pixels, bits=8, stored=8)
    _set(dataset, {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0,
                   "ConversionType": "WSD"})  # fmt: skip
    return _instance(dataset, pixels.tobytes())


def report(of: Subject, *, series: str, text: str) -> Instance:
    """A Basic Text SR with one sentence (PS3.3 A.35.1)."""
    dataset = _common(of, BasicTextSRStorage, series=series, number=1, modality="SR", series_number=9)
    _set(dataset, {
        "CompletionFlag": "COMPLETE",
        "VerificationFlag": "UNVERIFIED",
        "ReferencedPerformedProcedureStepSequence": Sequence([]),
        "PerformedProcedureCodeSequence": Sequence([]),
        "ValueType": "CONTAINER",
        "ContinuityOfContent": "SEPARATE",
        "ConceptNameCodeSequence": Sequence([_code("18748-4", "LN", "Diagnostic imaging report")]),
        "ContentSequence": Sequence([
            _item(
                RelationshipType="CONTAINS",
                ValueType="TEXT",
                ConceptNameCodeSequence=Sequence([_code("121071", "DCM", "Finding")]),
                TextValue=text,
            )
        ]),
    })  # fmt: skip
    return _instance(dataset)


def rejection_note(named: Iterable[Instance], *, code: str) -> Instance:
    """A Key Object Selection of this title (IHE RAD-66 4.66.4.1.2) that names instances of one study."""
    instances = list(named)
    first = instances[0].dataset
    of = Subject(
        patient_id=first.PatientID, name=str(first.PatientName), accession=first.AccessionNumber,
        study=first.StudyInstanceUID,
    )  # fmt: skip
    kind = KeyObjectSelectionDocumentStorage
    dataset = _common(of, kind, series=generate_uid(), number=1, modality="KO", series_number=99)
    references = Sequence([
        _item(ReferencedSOPClassUID=one.sop_class, ReferencedSOPInstanceUID=one.uid) for one in instances
    ])  # fmt: skip
    series = _item(ReferencedSOPSequence=references, SeriesInstanceUID=first.SeriesInstanceUID)
    _set(dataset, {
        "ReferencedPerformedProcedureStepSequence": Sequence([]),
        "ValueType": "CONTAINER",
        "ContinuityOfContent": "SEPARATE",
        "ConceptNameCodeSequence": Sequence([_code(code, "DCM", "Title")]),
        "CurrentRequestedProcedureEvidenceSequence": Sequence([
            _item(StudyInstanceUID=of.study, ReferencedSeriesSequence=Sequence([series])),
        ]),
        "ContentTemplateSequence": Sequence([_item(MappingResource="DCMR", TemplateIdentifier="2010")]),
        "ContentSequence": Sequence([
            _item(RelationshipType="CONTAINS", ValueType="IMAGE", ReferencedSOPSequence=Sequence([one]))
            for one in references
        ]),
    })  # fmt: skip
    return _instance(dataset)


def rewritten(instance: Instance, **changes: object) -> Instance:
    """Another object like this one: with a UID of its own, and these elements changed."""
    dataset = dcmread(BytesIO(instance.part10))
    _set(dataset, {"SOPInstanceUID": generate_uid(), **changes})
    return Instance(dataset, part10(dataset, str(dataset.file_meta.TransferSyntaxUID)), instance.frames)


def recoded(instance: Instance, transfer_syntax: UID) -> Instance:
    """Another object with the same pixels, in a transfer syntax that pydicom writes itself."""
    dataset = dcmread(BytesIO(instance.part10))
    dataset.SOPInstanceUID = generate_uid()
    if transfer_syntax.is_encapsulated:
        dataset.compress(transfer_syntax, generate_instance_uid=False)
    return Instance(dataset, part10(dataset, transfer_syntax), instance.frames)


def part10(dataset: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The data set as a file (PS3.10 7)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    dataset.file_meta = meta
    out = BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def _instance(dataset: Dataset, *frames: bytes) -> Instance:
    file = part10(dataset)
    return Instance(dcmread(BytesIO(file)), file, frames)  # read back: what is compared is what was sent


def _common(of: Subject, kind: str, *, series: str, number: int, modality: str, series_number: int) -> Dataset:
    dataset = Dataset()
    if of.character_set:
        dataset.SpecificCharacterSet = of.character_set
    _set(dataset, {
        "SOPClassUID": kind, "SOPInstanceUID": generate_uid(),
        "StudyDate": of.date, "SeriesDate": of.date, "ContentDate": of.date,
        "StudyTime": of.time, "SeriesTime": of.time, "ContentTime": of.time,
        "AccessionNumber": of.accession, "Modality": modality, "Manufacturer": "Conformance",
        "ReferringPhysicianName": of.referrer, "StudyDescription": of.description,
        "PatientName": of.name, "PatientID": of.patient_id, "PatientBirthDate": of.birth_date, "PatientSex": of.sex,
        "StudyInstanceUID": of.study, "SeriesInstanceUID": series, "StudyID": of.study_id,
        "SeriesNumber": str(series_number), "InstanceNumber": str(number),
    })  # fmt: skip
    return dataset


def _pixels(dataset: Dataset, pixels: "numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.integer]]",
            *, bits: int, stored: int) -> None:  # fmt: skip
    _set(dataset, {
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0,
        "Rows": pixels.shape[0], "Columns": pixels.shape[1],
        "BitsAllocated": bits, "BitsStored": stored, "HighBit": stored - 1,
    })  # fmt: skip
    dataset.add_new(0x7FE00010, "OW" if bits > 8 else "OB", pixels.astype(f"<u{bits // 8}").tobytes())


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _item(**values: object) -> Dataset:
    item = Dataset()
    _set(item, values)
    return item


def _set(dataset: Dataset, values: Mapping[str, object]) -> None:
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
