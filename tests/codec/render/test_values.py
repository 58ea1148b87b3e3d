"""Values for rendering: the short way and pydicom's say the same."""

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from pacsd.codec.render.values import decimals, text

WINDOW_CENTER, FUNCTION = 0x00281050, 0x00281056


def holding(tag: int, vr: str, value: bytes | None) -> Dataset:
    """A data set as pydicom's reader leaves it: not converted yet."""
    made = Dataset()
    made._dict[BaseTag(tag)] = RawDataElement(BaseTag(tag), vr, len(value or b""), value, 0, False, True)
    return made


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"40", [40.0]), (b" 40.5\\-1e3 ", [40.5, -1000.0]), (b"1\\\\2 ", [1.0, 2.0]), (b"400\0", [400.0]), (b"", []),
        (None, []), (b"   ", []), (b"40\\x", [40.0]), (b"nan", []), (b"1\\inf", [1.0]), (b"\xff40", []), (b"4,5", []),
        (b"0x10", []), (b"-0", [-0.0]), (b"+7\\ 8 \\9", [7.0, 8.0, 9.0]),
    ],
)  # fmt: skip
def test_numbers_in_text(value: bytes | None, expected: list[float]) -> None:
    assert decimals(holding(WINDOW_CENTER, "DS", value), "WindowCenter") == expected
    looked_at = holding(WINDOW_CENTER, "DS", value)
    try:
        looked_at[WINDOW_CENTER]         # converted: from here on the short way is closed
    except Exception:
        return
    assert decimals(looked_at, "WindowCenter") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"SIGMOID ", "SIGMOID"), (b" LINEAR\\SIGMOID", "LINEAR"), (b"\\LINEAR", "LINEAR"), (b"", ""), (None, ""),
        (b"  ", ""), (b"LINEAR\0", "LINEAR"),
    ],
)  # fmt: skip
def test_code_strings(value: bytes | None, expected: str) -> None:
    assert text(holding(FUNCTION, "CS", value), "VOILUTFunction") == expected
    looked_at = holding(FUNCTION, "CS", value)
    looked_at[FUNCTION]
    assert text(looked_at, "VOILUTFunction") == expected


def test_what_is_not_there_or_of_another_kind() -> None:
    assert decimals(Dataset(), "WindowCenter") == [] and text(Dataset(), "VOILUTFunction") == ""
    assert decimals(holding(WINDOW_CENTER, "CS", b"40"), "WindowCenter") == [40.0]
    assert decimals(Dataset(), "NoSuchKeyword") == []
