"""Arrivals made by hand: real headers, no files."""

from datetime import UTC, datetime

from xxhash import xxh3_128_digest

from pacsd.codec.header import Element, Header, fingerprint
from pacsd.index.described import instance_members
from pacsd.index.records import Arrival, Extent

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"

_DEFAULT: dict[int, tuple[str, str]] = {
    0x00080020: ("DA", "20240102"),
    0x00080030: ("TM", "101500"),
    0x00080050: ("SH", "A1"),
    0x00080060: ("CS", "CT"),
    0x00100010: ("PN", "Zhang^San=张^三"),
    0x00100020: ("LO", "000123"),
    0x00200010: ("SH", "S1"),
    0x00200011: ("IS", "1"),
}


def arrival(
    sop: str,
    *,
    study: str = "1.2.3",
    series: str | None = None,
    organisation: int = 1,
    authority: str = "A",
    content: bytes = b"",
    sop_class: str = CT,
    key: str | None = None,
    **values: object,
) -> Arrival:
    """An arrival of one object. `values` are attributes as t00100010="…", or None to leave one out."""
    series = series or f"{study}.1"
    elements = dict(_DEFAULT)
    for name, value in values.items():
        tag = int(name[1:], 16)
        if value is None:
            elements.pop(tag, None)
        else:
            elements[tag] = (elements.get(tag, (_vr(tag), ""))[0], str(value))
    elements |= {
        0x00080016: ("UI", sop_class), 0x00080018: ("UI", sop), 0x0020000D: ("UI", study), 0x0020000E: ("UI", series),
    }  # fmt: skip
    header = Header(
        {0x00080005: Element(0x00080005, "CS", b"ISO_IR 192")}
        | {
            tag: Element(tag, vr, value.encode("utf-8", "surrogatepass"))
            for tag, (vr, value) in sorted(elements.items())
        }
    )
    digest = xxh3_128_digest(sop.encode() + content)
    return Arrival(
        organisation=organisation,
        assigning_authority=authority,
        sop_class_uid=sop_class,
        sop_instance_uid=sop,
        study_instance_uid=study,
        series_instance_uid=series,
        transfer_syntax_uid=EXPLICIT,
        extent=Extent(key or f"spool/o{organisation}/{sop}.{digest.hex()}.dcm", 0, 525_000),
        dataset_offset_bytes=400,
        digest=digest,
        received_at=datetime.now(UTC),
        source_ae="CT1",
        header=header,
        fingerprint=fingerprint(header),
        attributes=instance_members(header, None),
    )


def _vr(tag: int) -> str:
    from pacsd.codec.keys import KEY_BY_TAG

    return KEY_BY_TAG[tag].vr
