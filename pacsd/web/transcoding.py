"""In which form each instance of an answer is given: as it is stored, or transcoded (PS3.18 8.7.3, 8.7.8)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from starlette.requests import Request

from pacsd.codec.transcode import TARGETS, is_transcodable
from pacsd.codec.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from pacsd.faults import Fault, PacsdError
from pacsd.web.media_types import DICOM, Representation, accepted, first_choice, negotiate_possible, not_acceptable
from pacsd.web.services import InstanceRef, Part10, Retrieve

# Shall not be used (PS3.18 8.7.3): what is stored so comes in Explicit VR Little Endian, unless it is too damaged, or
# a client names the stored syntax itself: then it wants the very bytes, as archives that move in or out do.
NOT_FOR_THE_WEB = frozenset((IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN))
# Not a fault of the request: what is stored cannot be decoded, or does not fit.
CANNOT_BE_TRANSCODED = (Fault.MALFORMED, Fault.UNSUPPORTED, Fault.TOO_MUCH)


@dataclass(frozen=True, slots=True)
class ChosenForm:
    """An instance and the form to give it in; `stored_will_do` where the client named no transfer syntax."""

    ref: InstanceRef
    form: Representation
    stored_will_do: bool

    @property
    def as_stored(self) -> Representation:
        """The form without transcoding."""
        return replace(self.form, transfer_syntax_uid=self.ref.transfer_syntax_uid, transcoded=False)

    @property
    def given(self) -> tuple[InstanceRef, str]:
        """The instance and the transfer syntax of its form."""
        return self.ref, self.form.transfer_syntax_uid or EXPLICIT_VR_LITTLE_ENDIAN


def chosen_forms(
    retrieve: Retrieve, request: Request, refs: Sequence[InstanceRef], forms: tuple[Representation, ...]
) -> list[ChosenForm]:
    """The instances that can be given in an acceptable one of `forms`, with it. Raises HttpError 406 if there are none.

    Of equally wanted forms the stored one is given, untouched. A client that names no transfer syntax gets Explicit VR
    Little Endian, or what is stored if that has lost something (PS3.18 8.7.3.4), or if a ZIP is to be made of it.
    """
    chosen: list[ChosenForm] = []
    offers: Sequence[Representation] = ()
    by_syntax: dict[str, tuple[Representation | None, bool]] = {}
    for ref in refs:
        offers = _offers(ref.transfer_syntax_uid, forms)
        if ref.transfer_syntax_uid not in by_syntax:
            by_syntax[ref.transfer_syntax_uid] = _wanted(request, offers, _stored(ref.transfer_syntax_uid, forms))
        form, stored_will_do = by_syntax[ref.transfer_syntax_uid]
        fits = partial(_fits, retrieve, ref)
        if form is not None and not _is_sure(form) and not fits(form):
            form = negotiate_possible(request, offers, fits)
        if form is not None:
            chosen.append(ChosenForm(ref, form, stored_will_do))
    if not chosen:
        raise not_acceptable([offer for offer in offers if _fits(retrieve, refs[-1], offer)])
    return chosen


@dataclass(frozen=True, slots=True)
class Opened:
    """A file on its way, and what it turned out to be."""

    part10: Part10
    part_type: str


def opened(retrieve: Retrieve, one: ChosenForm) -> Opened:
    """The file in its form. What cannot be transcoded after all goes as it is stored to a client that named no
    transfer syntax: the part says what it is, and a study with one broken object stays readable."""
    if not one.form.transcoded:
        return Opened(retrieve.part10(one.ref), one.form.part_type)
    try:
        return Opened(retrieve.part10(one.ref, one.form.transfer_syntax_uid), one.form.part_type)
    except PacsdError as error:
        if not one.stored_will_do or error.fault not in CANNOT_BE_TRANSCODED:
            raise
        return Opened(retrieve.part10(one.ref), one.as_stored.part_type)


def _fits(retrieve: Retrieve, ref: InstanceRef, form: Representation) -> bool:
    return not form.transcoded or retrieve.fits(ref, form.transfer_syntax_uid or EXPLICIT_VR_LITTLE_ENDIAN)


def _is_sure(form: Representation) -> bool:
    """Whether the form need not be tried first: into the default nearly everything can be made, and if not it is found
    soon enough."""
    return not form.transcoded or form.transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN


def _wanted(
    request: Request, offers: Sequence[Representation], stored: Sequence[Representation]
) -> tuple[Representation | None, bool]:
    """The best offer before any object is looked at, and whether the stored form would do as well unnamed."""
    accept = accepted(request)
    return first_choice(accept, offers), first_choice(accept, stored) is not None


def _stored(transfer_syntax_uid: str, forms: Sequence[Representation]) -> list[Representation]:
    return [replace(form, transfer_syntax_uid=transfer_syntax_uid) for form in forms]


@lru_cache(maxsize=128)
def _offers(transfer_syntax_uid: str, forms: tuple[Representation, ...]) -> tuple[Representation, ...]:
    """Every form that an object stored so may be given in, the stored one first."""
    stored = transfer_syntax(transfer_syntax_uid)
    banned = transfer_syntax_uid in NOT_FOR_THE_WEB
    others = [uid for uid in TARGETS if is_transcodable(transfer_syntax_uid, uid) and uid != transfer_syntax_uid]
    default = banned or (EXPLICIT_VR_LITTLE_ENDIAN in others and not stored.lossy and forms[0].media_type == DICOM)
    as_stored = [
        replace(form, transfer_syntax_uid=transfer_syntax_uid, by_name_only=default, exact_only=banned)
        for form in forms
    ]
    made = [
        replace(
            form,
            transfer_syntax_uid=uid,
            by_name_only=not default or uid != EXPLICIT_VR_LITTLE_ENDIAN,
            transcoded=True,
        )
        for form in forms
        for uid in others
    ]
    return tuple(sorted((*as_stored, *made), key=lambda one: not one.multipart))
