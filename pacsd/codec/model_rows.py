"""Attributes of an information model, from lines as the tables of PS3.4 have them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR, tag_for_keyword


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute of a model. `match`: R required, U unique or O optional matching key, - none. `returned`: its
    Return Key Type. `path`: upper-case hex tags, dotted below sequences."""

    path: str
    keyword: str
    match: str
    returned: str

    @property
    def vr(self) -> str:
        """The VR of the attribute."""
        return dictionary_VR(int(self.path.rpartition(".")[2], 16))


def rows_of(lines: Iterable[str]) -> Iterator[Row]:
    """Lines such as `R1 >Modality`: matching key type, Return Key Type, attribute; each > is a sequence around it.

    Raises ValueError for a keyword that the dictionary does not know.
    """
    above: list[str] = []
    for line in lines:
        types, _, name = line.partition(" ")
        keyword = name.lstrip(">")
        del above[len(name) - len(keyword) :]
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise ValueError(keyword)
        above.append(f"{tag:08X}")
        yield Row(".".join(above), keyword, types[0], types[1:])
