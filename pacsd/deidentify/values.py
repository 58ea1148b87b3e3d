"""What stands in place of a value that has to stay without saying anything (PS3.15 E.1.1, action D)."""

DUMMIES: dict[str, bytes] = {
    "AE": b"ANONYMIZED", "AS": b"000Y", "AT": bytes(4), "CS": b"ANONYMIZED", "DA": b"19000101", "DS": b"0",
    "DT": b"19000101000000", "FD": bytes(8), "FL": bytes(4), "IS": b"0", "LO": b"ANONYMIZED", "LT": b"ANONYMIZED",
    "OB": bytes(2), "OD": bytes(8), "OF": bytes(4), "OL": bytes(4), "OV": bytes(8), "OW": bytes(2),
    "PN": b"ANONYMIZED", "SH": b"ANONYMIZED", "SL": bytes(4), "SS": bytes(2), "ST": b"ANONYMIZED", "SV": bytes(8),
    "TM": b"000000", "UC": b"ANONYMIZED", "UL": bytes(4), "UN": bytes(2), "UR": b"urn:anonymized", "US": bytes(2),
    "UT": b"ANONYMIZED", "UV": bytes(8),
}  # fmt: skip
_NULL_PADDED = frozenset(("UI", "OB", "UN"))


def padded(value: bytes, vr: str) -> bytes:
    """The value in an even number of bytes (PS3.5 6.2)."""
    return value + (b"\0" if vr in _NULL_PADDED else b" ") if len(value) % 2 else value
