"""One search result, and how it reads as DICOM JSON (PS3.18 10.6.3.3)."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from pacsd.codec.keys import Level
from pacsd.index.rows import PATIENT_TAGS, SEPARATOR

CHARACTER_SET = '"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'
AVAILABILITY = '"00080056":{"vr":"CS","Value":["ONLINE"]}'


class Counts(NamedTuple):
    """What stands below a match; None where its level does not tell."""

    patient_studies: int | None = None
    patient_series: int | None = None
    patient_instances: int | None = None
    study_series: int | None = None
    study_instances: int | None = None
    series_instances: int | None = None


NO_COUNTS = Counts()
_COUNT_TAGS = ("00201200", "00201202", "00201204", "00201206", "00201208", "00201209")      # as Counts has them


@dataclass(frozen=True, slots=True)
class Match:
    """A visible patient, study, series or instance. Texts are JSON members, in tag order, without braces.

    `attributes` is the default answer of the level, `more` what else was asked to be included, `upper` the
    default answers of the levels above.
    """

    level: Level
    organisation: int
    study: int
    attributes: str
    more: str = ""
    upper: tuple[str, ...] = ()
    counts: Counts = NO_COUNTS
    modalities: tuple[str, ...] = ()
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    series: int | None = None
    record_key: bytes = b""

    def members(self, retrieve_base: str | None = None, *, upper: bool = True) -> str:
        """Members of the answer in tag order, those the index computes included, ready to stand in braces.

        `retrieve_base` is the URL of the DICOMweb service (without it there is no Retrieve URL); with `upper`
        the levels above are told too, otherwise only their UIDs.
        """
        found = [CHARACTER_SET, *_split(self.attributes), *_split(self.more)]
        if self.level != "patient":
            found.append(AVAILABILITY)
        found += [f'"{tag}":{{"vr":"IS","Value":[{n}]}}' for tag, n in zip(_COUNT_TAGS, self.counts, strict=True)
                  if n is not None]  # fmt: skip
        if self.record_key:
            found.append(f'"0008041B":{{"vr":"OB","InlineBinary":"{b64encode(self.record_key).decode()}"}}')
        if self.modalities:
            found.append(_modalities_in_study(self.modalities))
        if retrieve_base is not None and self.level != "patient":
            url = orjson.dumps(retrieve_base + self.path()).decode()
            found.append(f'"00081190":{{"vr":"UR","Value":[{url}]}}')
        if upper:
            for text in self.upper:
                found += _split(text)
        else:
            found += _uids(("0020000D", self.study_instance_uid), ("0020000E", self.series_instance_uid))
        if self.more or self.upper:
            return ",".join(_ordered(found))     # a tag may stand in two texts
        found.sort()                             # a member begins with its tag
        return ",".join(found)

    def dataset(self) -> dict[str, dict[str, Any]]:
        """All of it as DICOM JSON attributes by tag; of a tag that stands in two texts, as `members` has it."""
        found = attributes_of([*reversed(self.upper), self.more, self.attributes])
        found.pop("00080005", None)          # how this text is written, which is not how an edge writes it
        found.update(self._computed())
        return found

    def _computed(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What the index knows and the bytes do not tell."""
        if self.level != "patient":
            yield "00080056", {"vr": "CS", "Value": ["ONLINE"]}
        for tag, number in zip(_COUNT_TAGS, self.counts, strict=True):
            if number is not None:
                yield tag, {"vr": "IS", "Value": [number]}
        if self.record_key:
            yield "0008041B", {"vr": "OB", "InlineBinary": b64encode(self.record_key).decode()}
        if self.modalities:
            yield "00080061", {"vr": "CS", "Value": list(self.modalities)}

    def path(self) -> str:
        """Where below the service it is retrieved."""
        uids = (("studies", self.study_instance_uid), ("series", self.series_instance_uid),
                ("instances", self.sop_instance_uid))  # fmt: skip
        # UIDs are of URL-safe characters: the archive refuses others on arrival
        return "".join([f"/{kind}/{uid}" for kind, uid in uids if uid])


@lru_cache(maxsize=1024)
def _modalities_in_study(modalities: tuple[str, ...]) -> str:
    return f'"00080061":{{"vr":"CS","Value":{orjson.dumps(modalities).decode()}}}'


def _split(text: str) -> list[str]:
    return text.split(SEPARATOR) if text else []


def _ordered(members: Iterable[str]) -> list[str]:
    """In tag order, the first of each tag; a member begins with its tag in quotes."""
    first: dict[str, str] = {}
    for member in members:
        first.setdefault(member[1:9], member)
    return [first[tag] for tag in sorted(first)]


def _uids(*given: tuple[str, str]) -> list[str]:
    return [f'"{tag}":{{"vr":"UI","Value":[{orjson.dumps(uid).decode()}]}}' for tag, uid in given if uid]


def chosen(text: str, tags: frozenset[str] | None) -> str:
    """The members with these tags; all with None."""
    if tags is None or not text:
        return text
    return SEPARATOR.join(member for member in _split(text) if member[1:9] in tags)


def patient_level(texts: Sequence[str]) -> str:
    """The patient's members of a study's texts."""
    return SEPARATOR.join(m for text in texts for m in _split(text) if m[1:9] in PATIENT_TAGS)


def attributes_of(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Members texts as DICOM JSON attributes."""
    joined = ",".join(text for text in texts if text)
    found: dict[str, dict[str, Any]] = orjson.loads("{" + joined + "}")
    return found
