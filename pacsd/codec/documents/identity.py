"""Whose document it is, in one line: what stands at the foot of every printed page."""

from pacsd.codec.documents.json_model import Attributes, date, string


def identity(attributes: Attributes) -> str:
    """Name, number and date of birth, as far as they are known."""
    name, number = string(attributes, "00100010"), string(attributes, "00100020")
    return "  ·  ".join(filter(None, (name, number, date(string(attributes, "00100030")))))
