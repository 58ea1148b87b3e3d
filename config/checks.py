"""What a setting may be, beyond its type: each check gives the reason for a refusal, or None."""

import re
from collections.abc import Callable
from ipaddress import ip_network

Check = Callable[[object], str | None]

# PS3.3 C.12.1.1.2, single-byte, multi-byte without and with code extensions
CHARACTER_SETS = frozenset(
    (
        *(f"ISO_IR {n}" for n in (6, 13, 100, 101, 109, 110, 126, 127, 138, 144, 148, 166, 192, 203)),
        *(f"ISO 2022 IR {n}" for n in (6, 13, 58, 87, 100, 101, 109, 110, 126, 127, 138, 144, 148, 149, 159, 166, 203)),
        "GB18030",
        "GBK",
    )
)


def ae_title(value: object) -> str | None:
    """PS3.5 6.2, VR AE: at most 16 characters of the default repertoire, no backslash, no control characters."""
    text = str(value)
    if not 1 <= len(text) <= 16:
        return f"an AE title has 1 to 16 characters, this has {len(text)}"
    if not re.fullmatch(r"[ -\[\]-~]*", text):
        return "an AE title has no backslash, no control and no non-ASCII characters"
    if text != text.strip():
        return "an AE title neither begins nor ends with a space"
    return None


def code(value: object) -> str | None:
    """A word that is safe in keys of blobs."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", str(value)):
        return None
    return "a code has 1 to 32 letters, digits, - and _, and begins with a letter or digit"


def modality(value: object) -> str | None:
    """VR CS, or empty."""
    fits = re.fullmatch(r"[A-Z0-9_ ]{0,16}", str(value))
    return None if fits else "has at most 16 capital letters, digits, _ and spaces"


def uid(value: object) -> str | None:
    """PS3.5 9.1."""
    text = str(value)
    if len(text) <= 64 and re.fullmatch(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*", text):
        return None
    return "not a UID: at most 64 characters, numbers without leading zeros joined by dots"


def network(value: object) -> str | None:
    """An address or a network in CIDR notation, IPv4 or IPv6."""
    try:
        ip_network(str(value), strict=False)
    except ValueError:
        return f"{value!r} is neither an address nor a network such as 10.1.0.0/16"
    return None


def character_set(value: object) -> str | None:
    """Specific Character Set (0008,0005), several joined by a backslash."""
    unknown = [term for term in str(value).split("\\") if term not in CHARACTER_SETS]
    return f"{unknown[0]!r} is not a defined term of Specific Character Set" if unknown else None


def not_empty(value: object) -> str | None:
    """A text with something in it."""
    return None if str(value).strip() else "may not be empty"


def authority(value: object) -> str | None:
    """Local namespace of patient ids (0010,0021), VR LO: at most 64 characters, no backslash."""
    text = str(value)
    if len(text) > 64 or "\\" in text or not text.isprintable():
        return "at most 64 characters, without backslash and control characters"
    return None


def http_url(value: object) -> str | None:
    """Where other machines reach us."""
    return None if re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", str(value)) else "not an http:// or https:// URL"


def optional_url(value: object) -> str | None:
    """An http:// or https:// URL, or nothing."""
    return http_url(value) if value else None


def origin(value: object) -> str | None:
    """Where a page comes from, as browsers write it (RFC 6454 6.2), or any with `*`."""
    fits = value == "*" or re.fullmatch(r"https?://[^\s/?#]+", str(value))
    return None if fits else "not an origin such as https://viewer.example"


def secret(value: object) -> str | None:
    """Where a secret is, never the secret itself; empty for none."""
    fits = re.fullmatch(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)?", str(value))
    return None if fits else "a secret is not written here but env:NAME or file:PATH"


def within(least: float, most: float) -> Check:
    """A number from `least` to `most`, both included."""

    def check(value: object) -> str | None:
        fits = isinstance(value, int | float) and least <= value <= most
        return None if fits else f"must be from {least:g} to {most:g}"

    return check


def one_of(*words: str) -> Check:
    """One of a few words."""

    def check(value: object) -> str | None:
        return None if value in words else f"{value!r} is none of {', '.join(words)}"

    return check


def each(inner: Check) -> Check:
    """A list whose members all pass `inner`, none of them twice."""

    def check(value: object) -> str | None:
        members = value if isinstance(value, tuple) else ()
        for position, member in enumerate(members):
            problem = inner(member)
            if problem is not None:
                return f"[{position}]: {problem}"
            if member in members[:position]:
                return f"[{position}]: {member!r} stands there twice"
        return None

    return check
