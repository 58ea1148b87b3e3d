"""Retrieve: which transfer syntax an instance comes in (PS3.18 8.7.3, 8.7.8.2)."""

from collections.abc import Mapping, Sequence

from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from conformance.dicomweb import data_sets, decoding, expect
from conformance.dicomweb.multipart import Part, encoded
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.retrieve import ANY_SYNTAX, NOT_NEGOTIATED, RETRIEVE, complete
from conformance.dicomweb.server import DICOM, Server
from conformance.dicomweb.synthetic import Instance, part10, rewritten
from conformance.judging import Failed, NotSupported

EXPLICIT = "1.2.840.10008.1.2.1"
FORBIDDEN = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2")  # PS3.18 8.7.3

# PS3.18 Table 8.7.3-2 and, for high-throughput JPEG 2000, its later editions
LOSSLESS: Mapping[str, str] = {
    "1.2.840.10008.1.2.4.70": "JPEG Lossless, first-order prediction",
    "1.2.840.10008.1.2.4.57": "JPEG Lossless (process 14)",
    "1.2.840.10008.1.2.5": "RLE Lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS Lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 Lossless Only",
    "1.2.840.10008.1.2.4.201": "HTJ2K Lossless Only",
    "1.2.840.10008.1.2.4.202": "HTJ2K Lossless RPCL",
}
# by how much the pixels of 8 or 12 bits may differ in the mean and still be called the same image
LOSSY: Mapping[str, tuple[str, float]] = {
    "1.2.840.10008.1.2.4.50": ("JPEG Baseline", 8.0),
    "1.2.840.10008.1.2.4.81": ("JPEG-LS Near-Lossless", 16.0),
    "1.2.840.10008.1.2.4.91": ("JPEG 2000", 16.0),
    "1.2.840.10008.1.2.4.203": ("HTJ2K", 16.0),
}


def retrieved(server: Server, path: str, accept: str) -> Dataset:
    """The one instance of a multipart answer. NotSupported where it is refused."""
    answer = expect.offered(server.get(path, accept), without=NOT_NEGOTIATED)
    (dataset,) = data_sets.of_parts(answer).values()
    return dataset


def syntax(dataset: Dataset) -> str:
    """Its Transfer Syntax UID (0002,0010)."""
    return str(dataset.file_meta.TransferSyntaxUID)


@RETRIEVE.required("syntax.default", "8.7.3.4", "Without a transfer-syntax a compressed instance comes uncompressed")
def default(server: Server, data: Prepared) -> None:
    answer = server.get(data.compressed.path, DICOM)
    if answer.status == 406:
        raise Failed("expected Explicit VR Little Endian (8.7.3.4, note 2: every origin server), got 406")
    (dataset,) = data_sets.of_parts(expect.status(answer, 200)).values()
    expect.same(EXPLICIT, syntax(dataset), "Transfer Syntax UID")
    data_sets.same_data_set(data.compressed, dataset)


@RETRIEVE.required("syntax.star", "8.7.3.5.2", "transfer-syntax=* accepts the instance as it is stored")
def star(server: Server, data: Prepared) -> None:
    for instance in (data.ct, data.compressed):
        complete(server, instance.path, [instance], ANY_SYNTAX)


@RETRIEVE.required("syntax.explicit", "8.7.3.5.2", "Explicit VR Little Endian asked for by name")
def explicit(server: Server, data: Prepared) -> None:
    dataset = retrieved(server, data.ct.path, f"{DICOM}; transfer-syntax={EXPLICIT}")
    expect.same(EXPLICIT, syntax(dataset), "Transfer Syntax UID")
    data_sets.same_data_set(data.ct, dataset)


@RETRIEVE.required("syntax.never-implicit", "8.7.3, 8.6.2.1", "What was stored in Implicit VR does not come back in it")
def never_implicit(server: Server, data: Prepared) -> None:
    fresh = rewritten(data.fresh())
    file = part10(fresh.dataset, ImplicitVRLittleEndian)
    stored = server.post("/studies", *encoded([Part(file)]))
    if stored.status in (400, 409, 415):
        raise NotSupported("does not take Implicit VR Little Endian, which web services need not")
    expect.status(stored, 200)
    for accept in (DICOM, ANY_SYNTAX):
        dataset = retrieved(server, fresh.path, accept)
        expect.that(syntax(dataset) not in FORBIDDEN, "an explicit, little endian transfer syntax", syntax(dataset))


@RETRIEVE.required("syntax.unknown", "8.7.7, 8.7.8.1", "Only a transfer syntax that does not exist is acceptable: 406")
def unknown(server: Server, data: Prepared) -> None:
    expect.status(server.get(data.ct.path, f"{DICOM}; transfer-syntax=1.2.3.4.5"), 406)


@RETRIEVE.required("syntax.preference", "8.7.8.1", "The transfer syntax of the higher weight is taken")
def preferred(server: Server, data: Prepared) -> None:
    accept = f"{DICOM}; transfer-syntax=1.2.3.4.5; q=1.0, {DICOM}; transfer-syntax={EXPLICIT}; q=0.5"
    expect.same(EXPLICIT, syntax(retrieved(server, data.ct.path, accept)), "Transfer Syntax UID")


def _transcodes(uid: str, instances: str, within: float) -> None:
    name = LOSSLESS.get(uid) or LOSSY[uid][0]

    def run(server: Server, data: Prepared) -> None:
        sent: Sequence[Instance] = [getattr(data, one) for one in instances.split()]
        for instance in sent:
            dataset = retrieved(server, instance.path, f"{DICOM}; transfer-syntax={uid}")
            expect.same(uid, syntax(dataset), "Transfer Syntax UID")
            data_sets.same_pixels(instance, decoding.frames(dataset), within=within)

    short = uid.removeprefix("1.2.840.10008.1.2.")
    RETRIEVE.optional(f"syntax.{short}", "Table 8.7.3-2", f"Transcoded to {name}, same pixels")(run)


for _uid in LOSSLESS:
    _transcodes(_uid, "ct multiframe", 0)
for _uid, (_name, _within) in LOSSY.items():
    _transcodes(_uid, "color" if _uid.endswith(".50") else "ct", _within)
