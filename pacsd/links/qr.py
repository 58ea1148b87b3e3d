"""QR codes of links (ISO/IEC 18004), as pictures to print, send or show."""

import io

import segno

_LEVEL = "m"                             # so that a creased paper is still read
_QUIET = 4                               # modules around it (ISO/IEC 18004 6.3.8)
_SCALE = 8                               # pixels of a module


def png(url: str) -> bytes:
    """As PNG."""
    return _picture(url, "png")


def svg(url: str) -> bytes:
    """As SVG, for print."""
    return _picture(url, "svg")


def _picture(url: str, kind: str) -> bytes:
    picture = io.BytesIO()
    segno.make(url, error=_LEVEL, micro=False).save(picture, kind=kind, scale=_SCALE, border=_QUIET)
    return picture.getvalue()
