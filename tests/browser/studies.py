"""What the browsers look at: real files of the data folder, a PDF that DCMTK wraps, and what pydicom says of them."""

import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy
import pydicom
from pydicom.dataset import FileDataset

REPORT_LINES = ("Report of the chest", "No finding.")
PDF_PADDING = 200_000                            # makes the document long enough to be bulk data


@dataclass(frozen=True)
class Series:
    """The files of one series."""

    files: tuple[Path, ...]

    @cached_property
    def datasets(self) -> dict[str, FileDataset]:
        """By SOP Instance UID."""
        return {str(one.SOPInstanceUID): one for one in map(pydicom.dcmread, self.files)}

    @property
    def first(self) -> FileDataset:
        """Any of them."""
        return next(iter(self.datasets.values()))

    @property
    def study(self) -> str:
        """Study Instance UID."""
        return str(self.first.StudyInstanceUID)

    @property
    def series(self) -> str:
        """Series Instance UID."""
        return str(self.first.SeriesInstanceUID)

    def value(self, instance: str, column: int, row: int) -> float:
        """The value of a pixel in its units."""
        dataset = self.datasets[instance]
        stored = int(dataset.pixel_array[row, column])
        return float(stored * dataset.get("RescaleSlope", 1) + dataset.get("RescaleIntercept", 0))

    def by_place(self) -> list[str]:
        """SOP Instance UIDs along the axis of the body, in the direction of their numbers."""
        found = sorted(self.datasets.values(), key=lambda one: float(one.ImagePositionPatient[2]))
        rising = int(found[0].InstanceNumber) < int(found[-1].InstanceNumber)
        return [str(one.SOPInstanceUID) for one in (found if rising else reversed(found))]


@dataclass(frozen=True)
class Studies:
    """Everything that is served."""

    ct: Series
    mr: Series
    us: Series
    compressed: Series                           # two frames that a browser cannot decode
    sr: Series
    tree: Series                                 # a structured report with many kinds of content items
    pdf: Series


def collect(data: Path, folder: Path) -> Studies:
    """Copy the files into one folder, to be brought in at once, and wrap a PDF."""
    dicom = data / "dicom"
    taken = {
        "ct": sorted((dicom / "series_ct_phantom_28_slices").glob("*.dcm")),
        "mr": sorted((dicom / "series_mr_128_slices").glob("*.dcm")),
        "us": [dicom / "modality/us/examples_ybr_color.dcm"],
        "compressed": [dicom / "modality/us/OBXXXX1A_rle_2frame.dcm"],
        "sr": [dicom / "modality/sr/reportsi.dcm"],
        "tree": [dicom / "modality/sr/test-SR.dcm"],
    }
    folder.mkdir(parents=True)
    for name, files in taken.items():
        for file in files:
            shutil.copy(file, folder / f"{name}-{file.name}")
    wrapped = wrap_pdf(folder)
    return Studies(**{name: Series(tuple(files)) for name, files in taken.items()}, pdf=Series((wrapped,)))


def wrap_pdf(folder: Path) -> Path:
    """A PDF document as an Encapsulated PDF, made by DCMTK's pdf2dcm."""
    plain, wrapped = folder.parent / "report.pdf", folder / "pdf.dcm"
    plain.write_bytes(pdf_document(REPORT_LINES))
    named = ["+t", "CHEST REPORT", "+pn", "Zhang^San", "+pi", "PDF-1", "+pb", "19600229", "+ps", "O"]
    subprocess.run(["pdf2dcm", *named, str(plain), str(wrapped)], check=True, timeout=60)
    return wrapped


def pdf_document(lines: tuple[str, ...]) -> bytes:
    """One page with these lines."""
    text = " ".join(f"({line}) Tj 0 -36 Td" for line in lines)
    drawing = f"BT /F1 24 Tf 72 720 Td {text} ET" + " " * PDF_PADDING
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(drawing)} >>\nstream\n{drawing}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    out, offsets = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{one}\nendobj\n".encode()
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


def linear(values: "numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float64]]", center: float, width: float) -> float:
    """The mean shade of values by the LINEAR function (PS3.3 C.11.2.1.2.1), 0 to 255."""
    shades = ((values - (center - 0.5)) / (width - 1) + 0.5) * 255
    return float(numpy.clip(shades, 0, 255).mean())
