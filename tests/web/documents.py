"""Encapsulated documents, reports and waveforms as Part 10 files."""

import struct
from typing import Any

import numpy
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, generate_uid

from tests.synthetic import encode

PDF, CDA, STL = (f"1.2.840.10008.5.1.4.1.1.104.{number}" for number in (1, 2, 3))
BASIC_TEXT_SR, GENERAL_ECG = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.9.1.2"


def instance(sop_class_uid: str, **values: Any) -> Dataset:
    """A data set of a study of its own."""
    found = Dataset()
    found.SOPClassUID, found.SOPInstanceUID = sop_class_uid, generate_uid()
    found.StudyInstanceUID, found.SeriesInstanceUID = generate_uid(), generate_uid()
    found.PatientName, found.PatientID, found.Modality = "Doe^Jane", "4711", "OT"
    found.StudyDate, found.StudyTime, found.StudyID, found.AccessionNumber = "20260102", "101112", "1", ""
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


def encapsulated(sop_class_uid: str, document: bytes, *, length: int | None = None) -> Dataset:
    """A document, made even with a zero; its true length is told only where `length` is given."""
    found = instance(sop_class_uid, Modality="DOC", EncapsulatedDocument=document + b"\0" * (len(document) % 2))
    found.MIMETypeOfEncapsulatedDocument = "text/html"           # a lie that no browser may hear
    if length is not None:
        found.EncapsulatedDocumentLength = length
    return found


def code(meaning: str) -> Dataset:
    found = Dataset()
    found.CodeValue, found.CodingSchemeDesignator, found.CodeMeaning = "1", "99TEST", meaning
    return found


def report(text: str, *, title: str = "Report", character_set: str = "ISO_IR 192") -> Dataset:
    """One sentence in a container."""
    said = Dataset()
    said.RelationshipType, said.ValueType, said.TextValue = "CONTAINS", "TEXT", text
    said.ConceptNameCodeSequence = [code("Finding")]
    return instance(
        BASIC_TEXT_SR, Modality="SR", SpecificCharacterSet=character_set, ValueType="CONTAINER",
        ContinuityOfContent="SEPARATE", ConceptNameCodeSequence=[code(title)], ContentSequence=[said],
    )  # fmt: skip


def deep_report(depth: int) -> bytes:
    """Containers within each other, written by hand: no writer's stack is that deep."""
    outer = instance(BASIC_TEXT_SR, Modality="SR", ValueType="CONTAINER", ContinuityOfContent="SEPARATE")
    opening = struct.pack("<HH2sHIHHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    closing = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return encode(outer) + opening * depth + closing * depth


def recording(samples: Any, *, frequency_hz: int, big_endian: bool = False) -> Dataset:
    """One ECG channel in millivolts times 1000."""
    unit, channel, group = code("millivolt"), Dataset(), Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator = "mV", "UCUM"
    channel.ChannelSourceSequence, channel.ChannelSensitivityUnitsSequence = [code("Lead II")], [unit]
    channel.ChannelSensitivity, channel.ChannelBaseline, channel.ChannelSampleSkew = "0.001", "0", "0"
    channel.ChannelSensitivityCorrectionFactor, channel.WaveformBitsStored = "1", 16
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = 1, len(samples)
    group.WaveformOriginality, group.SamplingFrequency = "ORIGINAL", str(frequency_hz)
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.ChannelDefinitionSequence = [channel]
    group.WaveformData = numpy.asarray(samples, ">i2" if big_endian else "<i2").tobytes()
    group["WaveformData"].VR = "OW"
    return instance(GENERAL_ECG, Modality="ECG", WaveformSequence=[group])


def part10(dataset: Dataset, *, big_endian: bool = False) -> bytes:
    """The file."""
    return encode(dataset, ExplicitVRBigEndian if big_endian else ExplicitVRLittleEndian)
