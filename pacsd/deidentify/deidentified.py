"""One object de-identified as it streams by: its header in memory, its pixel data a piece at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from config.deidentification import Policy
from pacsd.codec.deflate import deflated, inflated
from pacsd.codec.encoders import ENCODERS, coded_description, is_always_lossy
from pacsd.codec.forward import Forward
from pacsd.codec.image_pixel import DESCRIBING, VALUE_TYPES, PixelDescription
from pacsd.codec.part10 import build_meta, read_meta
from pacsd.codec.pixels import decoded_description
from pacsd.codec.structure import MalformedDataset, NeedMoreData, looks_implicit
from pacsd.codec.transcode import transcoded
from pacsd.codec.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from pacsd.deidentify.coded_frames import WANTED, pixel_element
from pacsd.deidentify.incoming import PixelHead, header_of
from pacsd.deidentify.kinds import refuse_unclean
from pacsd.deidentify.known import Facts, Known
from pacsd.deidentify.method import statement
from pacsd.deidentify.nodes import Header
from pacsd.deidentify.options import Option
from pacsd.deidentify.pixels import Decision, decide
from pacsd.deidentify.profile import Action, Profile
from pacsd.deidentify.pseudonyms import Project
from pacsd.deidentify.report import Report
from pacsd.deidentify.rewrite import Rewriting
from pacsd.faults import Fault, PacsdError

_META_BYTES = 1 << 20
_SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
_NATIVE = {                              # implicit VR, big endian -> as what it is written
    (True, False): IMPLICIT_VR_LITTLE_ENDIAN,
    (False, False): EXPLICIT_VR_LITTLE_ENDIAN,
    (False, True): EXPLICIT_VR_BIG_ENDIAN,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A de-identified object on its way out, and what was done; the UIDs of the report are the object's.

    `dataset` streams once, in the report's transfer syntax; it raises PacsdError MALFORMED where pixel data ends too
    early or a frame cannot be decoded.
    """

    report: Report
    dataset: Iterator[bytes]

    def part10(self) -> Iterator[bytes]:
        """The object as a Part 10 file, preamble and File Meta Information our own (PS3.15 E.1.1 step 7)."""
        yield build_meta(
            sop_class_uid=self.report.sop_class_uid,
            sop_instance_uid=self.report.sop_instance_uid,
            transfer_syntax_uid=self.report.transfer_syntax_uid,
        ).data
        yield from self.dataset


class Deidentified:
    """What a policy makes of objects in a project. It keeps nothing: one serves many threads."""

    def __init__(self, policy: Policy, project: Project) -> None:
        self.policy, self.project = policy, project
        self.options = frozenset(map(Option, policy.options))
        self.profile = Profile(
            self.options,
            {int(one.tag, 16): Action(one.action) for one in policy.override},
            {one.key: one.vr for one in policy.private},
            prose=policy.prose == "clean",
        )

    def of_part10(self, chunks: Iterable[bytes], *, default_issuer: str = "") -> Outcome:
        """A Part 10 file, de-identified; as `__call__`."""
        data = Forward(chunks)
        try:
            meta = read_meta(bytes(data.peek(_META_BYTES)))
        except NeedMoreData as error:
            raise MalformedDataset("the File Meta Information is cut short") from error
        refuse_unclean(meta.sop_class_uid, ())
        data.skip(meta.dataset_offset)
        return self(
            map(bytes, data.rest()), transfer_syntax_uid=meta.transfer_syntax_uid, default_issuer=default_issuer
        )

    def __call__(self, chunks: Iterable[bytes], *, transfer_syntax_uid: str, default_issuer: str = "") -> Outcome:
        """A data set, de-identified. `default_issuer` is who issued Patient IDs that name no issuer.

        The header is read at once, so what cannot be done is said here. Raises PacsdError MALFORMED, TOO_MUCH, and
        UNSUPPORTED for what cannot be cleaned: a document, sound, an image whose burned-in text no rule tells of.
        """
        stored = transfer_syntax(transfer_syntax_uid)
        data = Forward(inflated(chunks) if stored.deflated else chunks)
        implicit = looks_implicit(bytes(data.peek(8)), implicit=stored.implicit)
        front, pixels = header_of(data, implicit=implicit, big_endian=stored.big_endian)
        header = Header(front, implicit=implicit, big_endian=stored.big_endian)
        written_as = _written_as(transfer_syntax_uid, header)
        facts = Facts(header)
        refuse_unclean(facts.text(_SOP_CLASS), facts.nodes.keys())
        report = self._report(facts)
        decision = self._decision(facts, pixels, report)
        written = self._rewritten(header, facts, decision, report, default_issuer)
        body: Iterator[bytes] = iter((written,))
        if pixels is not None:
            element = pixel_element(
                data, pixels, facts.values(WANTED), written_as, implicit=implicit, big_endian=stored.big_endian,
                bare=decision is None or decision.blackening is None,
            )  # fmt: skip
            body = chain(body, element)
        report.transfer_syntax_uid = transfer_syntax_uid if stored.deflated else written_as
        if pixels is not None and decision is not None and decision.blackening is not None:
            if not stored.deflated:
                report.transfer_syntax_uid = _target(written_as, facts, pixels, big_endian=stored.big_endian)
            body = transcoded(
                body, source=written_as, target=report.transfer_syntax_uid, edit=decision.blackening
            )
        elif stored.deflated:
            body = deflated(body)
        return Outcome(report, _begun(body))

    def _report(self, facts: Facts) -> Report:
        instance = facts.text(_SOP_INSTANCE)
        if not instance or not facts.text(_SOP_CLASS):
            raise MalformedDataset("the object has no SOP Instance UID or no SOP Class UID")
        return Report(
            sop_class_uid=facts.text(_SOP_CLASS),
            study_instance_uid=self.new_uid(facts.text(_STUDY)),
            series_instance_uid=self.new_uid(facts.text(_SERIES)),
            sop_instance_uid=self.new_uid(instance),
            options=tuple(one.value for one in Option if one in self.options),
        )

    def new_uid(self, uid: str) -> str:
        """What an instance, series or study is called afterwards."""
        return uid if self.profile.action(_SOP_INSTANCE, "UI") is Action.KEEP else self.project.uid(uid)

    def _decision(self, facts: Facts, pixels: PixelHead | None, report: Report) -> Decision | None:
        if pixels is None:
            report.pixels = "none"
            return None
        decision = decide(facts.image(), self.policy, self.options)
        if decision.blackening is not None:
            report.pixels = decision.blackening.words
        if decision.warning:
            report.warnings.append(decision.warning)
        return decision

    def _rewritten(
        self, header: Header, facts: Facts, decision: Decision | None, report: Report, default_issuer: str
    ) -> bytes:
        issuer, patient_id = facts.issued_by()
        whose = patient_id or f"study {facts.text(_STUDY)}"
        weakened = self.profile.weakened()
        if weakened:
            report.warnings.append("the policy keeps what the profile removes; conformance is not claimed")
        return Rewriting(
            header=header,
            profile=self.profile,
            project=self.project,
            patient=self.project.patient(issuer or default_issuer, whose),
            identifiers=Known(header, self.profile).identifiers(self.project, self.policy.also_remove),
            report=report,
            default_issuer=issuer or default_issuer,
            added=statement(
                self.options,
                conformant=not weakened,
                pixels_clean=None if decision is None else decision.clean,
                features_clean=decision is not None and decision.features,
                implicit=header.implicit,
                big_endian=header.big_endian,
            ),
        ).written()


def _written_as(declared: str, header: Header) -> str:
    """The transfer syntax of the header as it really is. Raises PacsdError UNSUPPORTED where there is none."""
    syntax = transfer_syntax(declared)
    if syntax.encapsulated and not header.implicit:
        return declared
    really = _NATIVE.get((header.implicit, header.big_endian))
    if really is None or syntax.encapsulated:
        raise PacsdError(Fault.UNSUPPORTED, "the object is not written in the transfer syntax that it declares")
    return really


def _target(source: str, facts: Facts, pixels: PixelHead, *, big_endian: bool) -> str:
    """What changed frames are coded in: the same where that loses nothing, else what every reader knows.

    Raises PacsdError UNSUPPORTED, MALFORMED.
    """
    if source in _NATIVE.values():
        return source
    stored = PixelDescription.of_elements(
        facts.values(DESCRIBING), value_type=VALUE_TYPES[pixels.tag], big_endian=big_endian
    )
    decoded = decoded_description(source, stored)
    for target in (source, _JPEG_2000_LOSSLESS):
        if target in ENCODERS and not is_always_lossy(target):
            try:
                coded_description(target, decoded)
            except PacsdError:
                continue
            return target
    return EXPLICIT_VR_LITTLE_ENDIAN


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks, the first of them made already: what the first frame shows to be impossible is said at once."""
    return chain([next(chunks, b"")], chunks)


__all__ = ["Deidentified", "Outcome"]
