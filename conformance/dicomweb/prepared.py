"""What a run stores before its checks, and what of it they look for."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydicom.uid import RLELossless, generate_uid

from conformance.dicomweb import multipart, synthetic
from conformance.dicomweb.server import Answer, Server
from conformance.dicomweb.synthetic import Instance, Subject
from conformance.judging import Failed

REPORT_TEXT = "No focal lesion <b>seen</b> & none suspected."
CHINESE_NAME = "Wang^XiaoDong=王^小东"


@dataclass(frozen=True)
class Prepared:
    """The instances of a run; all patient ids begin with `tag`."""

    tag: str
    slices: Sequence[Instance]  # one CT series
    report: Instance  # an SR in the same study
    multiframe: Instance
    color: Instance
    chinese: Instance  # GB18030
    compressed: Instance  # RLE, as stored; its frames uncompressed
    others: Sequence[Instance]  # one small study each, to search among

    @property
    def ct(self) -> Instance:
        """The first slice."""
        return self.slices[0]

    @property
    def study(self) -> Sequence[Instance]:
        """All of the study with two series."""
        return [*self.slices, self.report]

    @property
    def everything(self) -> Sequence[Instance]:
        """All that was stored."""
        return [*self.study, self.multiframe, self.color, self.chinese, self.compressed, *self.others]

    def word(self, letter: str) -> str:
        """A label or AE title that nothing else bears, however often a check runs."""
        return f"{self.tag}{letter}{secrets.token_hex(2).upper()}"

    def fresh(self, *, study: str | None = None) -> Instance:
        """A CT slice that is not stored, in a study of its own or in this one."""
        subject = _subject(self.tag, f"N{secrets.token_hex(2)}", "Not^Stored", **({"study": study} if study else {}))
        return synthetic.ct(subject, series=generate_uid(), number=1)


def made() -> Prepared:
    """Fresh data, not stored yet."""
    tag = f"CONF{secrets.token_hex(3).upper()}"
    main = _subject(tag, "A", f"{tag}^Anna^^Dr", description="Two series")
    series = generate_uid()
    slices = [synthetic.ct(main, series=series, number=number) for number in range(1, 5)]
    return Prepared(
        tag=tag,
        slices=slices,
        report=synthetic.report(main, series=generate_uid(), text=REPORT_TEXT),
        multiframe=synthetic.multiframe(_subject(tag, "M", f"{tag}^Multi", time="101500")),
        color=synthetic.rgb(_subject(tag, "C", f"{tag}^Color", time="111500")),
        chinese=_single(_subject(tag, "Z", CHINESE_NAME, character_set="GB18030", date="20210401")),
        compressed=synthetic.recoded(_single(_subject(tag, "R", f"{tag}^Rle", date="20210402")), RLELossless),
        others=[_other(tag, number) for number in range(1, 6)],
    )


def store(server: Server, instances: Iterable[Instance]) -> Answer:
    """Store what the checks look for, by STOW-RS (PS3.18 10.5). Raises Failed where the server does not take it."""
    content_type, body = multipart.encoded(multipart.Part(one.part10) for one in instances)
    answer = server.post("/studies", content_type, body)
    if answer.status != 200:
        raise Failed(f"the data of the suite is not stored: {answer.status} {answer.body[:400]!r}")
    return answer


MODALITIES = ("CT", "MR", "CT", "US", "MR")


def _other(tag: str, number: int) -> Instance:
    subject = _subject(
        tag, f"P{number}", f"{tag}^Other{number}", date=f"202106{number:02d}", time=f"{7 + number:02d}0000",
        referrer=f"Doc{number}^Ref{tag}", study_id=f"ID{number}", sex="M" if number % 2 else "F",
    )  # fmt: skip
    return _single(subject, modality=MODALITIES[number - 1])


def _single(of: Subject, *, modality: str = "CT") -> Instance:
    return synthetic.ct(of, series=generate_uid(), number=1, modality=modality)


def _subject(tag: str, letter: str, name: str, **more: str) -> Subject:
    return Subject(patient_id=f"{tag}-{letter}", name=name, accession=f"{tag[4:]}{letter}", **more)
