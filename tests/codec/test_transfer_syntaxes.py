"""The table of transfer syntaxes, and which one a presentation context gets."""

import pydicom
import pytest

from pacsd.codec.keys import INDEXED_TAGS, KEYS
from pacsd.codec.transfer_syntaxes import TRANSFER_SYNTAXES, preferred, transfer_syntax

NEWER_THAN_PYDICOM = {f"1.2.840.10008.1.2.4.{n}" for n in (110, 111, 112)} | {"1.2.840.10008.1.2.8.1"}


def test_every_registered_syntax_is_declared_once() -> None:
    entries = pydicom._uid_dict.UID_dictionary.items()
    registered = {uid for uid, entry in entries if entry[1] == "Transfer Syntax"}
    declared = [syntax.uid for syntax in TRANSFER_SYNTAXES]
    assert len(declared) == len(set(declared))
    assert set(declared) == registered | NEWER_THAN_PYDICOM


def test_encodings_are_those_of_pydicom() -> None:
    for syntax in TRANSFER_SYNTAXES:
        reference = pydicom.uid.UID(syntax.uid)
        if reference in pydicom.uid.AllTransferSyntaxes:
            assert syntax.implicit == reference.is_implicit_VR, syntax
            assert syntax.big_endian == (not reference.is_little_endian), syntax
            assert syntax.deflated == reference.is_deflated or "JPIP" in syntax.name, syntax


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"], "1.2.840.10008.1.2.1"),
        (["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2"], "1.2.840.10008.1.2"),
        (["1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.90"], "1.2.840.10008.1.2.4.90"),
        (["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5"], "1.2.840.10008.1.2.5"),
        (["1.3.9.9", "1.2.840.10008.1.2.2"], "1.2.840.10008.1.2.2"),
        (["1.3.9.9"], "1.3.9.9"),
    ],
)
def test_lossless_and_uncompressed_is_preferred(offered: list[str], chosen: str) -> None:
    assert preferred(offered) == chosen


def test_an_unknown_syntax_is_encapsulated_explicit_little_endian() -> None:
    unknown = transfer_syntax("1.3.6.1.4.1.9.9.9")
    assert not (unknown.implicit or unknown.big_endian or unknown.known)
    assert unknown.encapsulated


def test_keys_say_what_the_dictionary_says() -> None:
    for key in KEYS:
        assert pydicom.datadict.keyword_for_tag(key.tag) == key.keyword
        assert pydicom.datadict.dictionary_VR(key.tag) == key.vr
    assert len(INDEXED_TAGS) == len(KEYS) + 1
