"""Retrieved Part 10 files, and whether they are what was stored."""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO

import numpy
from pydicom import dcmread
from pydicom.dataset import Dataset

from conformance.dicomweb import decoding, expect, models
from conformance.dicomweb.multipart import Part
from conformance.dicomweb.server import Answer
from conformance.dicomweb.synthetic import Instance
from conformance.judging import Failed


def read(file: bytes) -> Dataset:
    """A Part 10 file as a data set, all values decoded. Raises Failed where it is none."""
    try:
        dataset = dcmread(BytesIO(file))
        dataset.decode()
        return dataset
    except Exception as error:
        raise Failed(f"expected a DICOM file, got {file[:16]!r}… of {len(file)} bytes: {error}") from error


def of_parts(answer: Answer) -> dict[str, Dataset]:
    """The data sets of a multipart answer by SOP Instance UID; each part of type application/dicom, none twice."""
    expect.media_type(answer, "multipart/related")
    parts = answer.parts()
    for part in parts:
        expect.same("application/dicom", part.media_type, "the Content-Type of each part to be")
    found = {str(dataset.SOPInstanceUID): dataset for dataset in (read(part.body) for part in parts)}
    expect.same(len(parts), len(found), "instances that are all different, as many as parts:")
    return found


def only(parts: Sequence[Part]) -> Part:
    """The one part of a message."""
    expect.same(1, len(parts), "number of parts")
    return parts[0]


def same_instances(sent: Iterable[Instance], came: Mapping[str, Dataset]) -> None:
    """Raise Failed unless these instances came, no other, each with all of its attributes and its pixels."""
    wanted = {one.uid: one for one in sent}
    expect.same(sorted(wanted), sorted(came), "SOP Instance UIDs")
    for uid, instance in wanted.items():
        same_data_set(instance, came[uid])


def same_data_set(sent: Instance, came: Dataset) -> None:
    """Raise Failed unless every attribute is there, and the decoded pixels are the ones that were sent."""
    before, after = models.expected(sent.dataset), models.expected(came)
    for model in (before, after):
        model.pop(models.PIXEL_DATA, None)
    found = list(models.differences(before, after))
    expect.that(not found, "every attribute as it was stored", "; ".join(found[:5]))
    same_pixels(sent, decoding.frames(came) if sent.frames else [])


def same_pixels(sent: Instance, came: Sequence[decoding.Pixels], *, within: float = 0.0) -> None:
    """Raise Failed unless the frames are equal, or differ in the mean by no more than `within`."""
    expect.same(len(sent.frames), len(came), "number of frames")
    for number, (frame, pixels) in enumerate(zip(sent.frames, came, strict=True), 1):
        wanted = decoding.native(frame, sent.dataset)
        expect.same(wanted.shape, pixels.shape, f"frame {number} of shape")
        apart = float(numpy.abs(wanted.astype(numpy.int64) - pixels).mean())
        expect.that(apart <= within, f"frame {number} with pixels {within:g} apart in the mean", f"{apart:.2f}")
