"""Objects that nobody can clean by attributes alone: they are refused, and the reason said (PS3.15 E.1.1)."""

from collections.abc import Collection

from pacsd.faults import Fault, PacsdError

_REFUSED = (                             # SOP class UIDs by how they begin
    ("1.2.840.10008.5.1.4.1.1.104.", "an encapsulated document may name the patient anywhere"),
    ("1.2.840.10008.5.1.4.1.1.9.4.", "a recording of sound may name the patient, and voices are recognised"),
    ("1.2.840.10008.1.3.10", "a media directory is made anew for de-identified files"),
)  # fmt: skip
_ENCAPSULATED_DOCUMENT, _PIXEL_DATA_PROVIDER_URL = 0x00420011, 0x00287FE0


def refuse_unclean(sop_class_uid: str, tags: Collection[int]) -> None:
    """Raises PacsdError UNSUPPORTED for an object that cannot be de-identified."""
    for beginning, why in _REFUSED:
        if sop_class_uid.startswith(beginning):
            raise PacsdError(Fault.UNSUPPORTED, why)
    if _ENCAPSULATED_DOCUMENT in tags:
        raise PacsdError(Fault.UNSUPPORTED, _REFUSED[0][1])
    if _PIXEL_DATA_PROVIDER_URL in tags:
        raise PacsdError(Fault.UNSUPPORTED, "the pixel data stands elsewhere (JPIP), and is not de-identified there")
