"""Keys from the command line as an identifier (PS3.4 C.2.2)."""

from collections.abc import Sequence

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from pacsd.faults import Fault, PacsdError

PATIENT_ROOT_FIND, STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.1.2.2.1"
PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2", "1.2.840.10008.5.1.4.1.2.2.2"

# What is asked for when the user names nothing, upper levels first
RETURNED = {
    "PATIENT": ("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    "STUDY": (
        "PatientID", "PatientName", "StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy",
        "StudyDescription", "NumberOfStudyRelatedInstances", "StudyInstanceUID",
    ),
    "SERIES": (
        "Modality", "SeriesNumber", "SeriesDescription", "NumberOfSeriesRelatedInstances", "StudyInstanceUID",
        "SeriesInstanceUID",
    ),
    "IMAGE": ("InstanceNumber", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
}  # fmt: skip


def identifier(level: str, keys: Sequence[str], *, returned: bool = True) -> Dataset:
    """The identifier: keys to match, and with `returned` the usual ones to return. Raises PacsdError MALFORMED."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.QueryRetrieveLevel = level
    for keyword in RETURNED[level] if returned else ():
        setattr(made, keyword, None)
    for key in keys:
        name, _, value = key.partition("=")
        _set(made, name.strip(), value)
    return made


def column_names(level: str, keys: Sequence[str]) -> list[str]:
    """What a row shows, in order: the usual ones, then what the user named."""
    named = [key.partition("=")[0].strip() for key in keys]
    tags = [tag_for_keyword(name) or int(name, 16) for name in named]
    words = [keyword_for_tag(tag) or name for tag, name in zip(tags, named, strict=True)]
    return list(dict.fromkeys((*RETURNED[level], *words)))


def _set(made: Dataset, name: str, value: str) -> None:
    tag = tag_for_keyword(name)
    if tag is None and len(name) == 8:
        try:
            tag = int(name, 16)
        except ValueError:
            tag = None
    if tag is None:
        raise PacsdError(Fault.MALFORMED, f"{name} is neither a keyword of the dictionary nor eight hexadecimal digits")
    try:
        made.add_new(Tag(tag), dictionary_VR(tag), value or None)
    except KeyError:
        made.add_new(Tag(tag), "LO", value or None)
    except (ValueError, TypeError) as error:
        raise PacsdError(Fault.MALFORMED, f"{name} cannot be {value!r}") from error
