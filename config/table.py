"""The configuration as a table, for the README files; a test compares the two."""

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Literal

from config.settings import Settings

Language = Literal["en", "zh"]
HEADINGS = {"en": ("key", "default", "unit", "meaning"), "zh": ("键", "缺省值", "单位", "含义")}
REQUIRED = {"en": "(required)", "zh": "（必填）"}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting, by the key it has in pacsd.toml; `[]` marks repeated tables."""

    key: str
    default: str | None  # as TOML; None when it must be given
    unit: str
    help: str


def rows(language: Language) -> Iterator[Row]:
    """Every setting, in the order of the tree."""
    return _rows(Settings, "", language)


def settings_table(language: Language = "en") -> str:
    """The configuration table in Markdown, ending with a newline."""
    lines = ["| " + " | ".join(HEADINGS[language]) + " |", "|---|---|---|---|"]
    for row in rows(language):
        default = REQUIRED[language] if row.default is None else f"`{row.default}`" if row.default else ""
        lines.append(f"| `{row.key}` | {default} | {row.unit} | {row.help} |")
    return "\n".join(lines) + "\n"


def _rows(kind: type[Any], prefix: str, language: Language) -> Iterator[Row]:
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        inner = typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else hint
        if dataclasses.is_dataclass(inner):
            repeated = "[]" if inner is not hint else ""
            yield from _rows(typing.cast(type[Any], inner), f"{prefix}{field.name}{repeated}.", language)
        else:
            default = None if field.default is MISSING else toml(field.default)
            yield Row(prefix + field.name, default, field.metadata["unit"], field.metadata[language])


def toml(value: object) -> str:
    """A default as TOML text; empty for the absence of a value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(toml(member) for member in value)}]"
    return f'"{value}"' if isinstance(value, str | Path) else str(value)


EXAMPLES = {  # for the commented tables of the default file
    "rejected": "keep",
    "keep_days": 5475,
    "code": "east",
    "name": "East Hospital",
    "title": "CT_EAST",
    "host": "10.1.0.17",
    "port": 11112,
    "organisation": "east",
    "assigning_authority": "EAST-HIS",
    "character_set": "GB18030",
    "addresses": ("10.1.0.0/16",),
    "private_sop_classes": ("1.2.840.113619.4.26",),
    "public_url": "https://pacs.example/",
    "allowed_origins": ("https://viewer.example",),
    "application": "HIS",
    "facility": "EAST",
    "mapping": "hl7/example.toml",
    "relays": ("ADT^A40",),
    "notifies": ("EAST-HIS",),
    "authority": "EAST-HIS",
    "universal_id": "1.2.826.0.1.3680043.10.1",
    "reports": ("report.final", "report.amended"),
    "objects": ("sr", "pdf"),
    "database": "postgresql://pacsd@db.example/pacsd",
    "profiles": "/srv/pacsd/profiles",
    "viewer_dir": "/srv/pacsd/viewer",
    "plain_networks": ("10.9.0.0/24",),
    "certificate": "tls/pacs.pem",
    "key": "tls/pacs.key.pem",
    "key_passphrase": "file:/etc/pacsd/key.pass",
    "authorities": "tls/ca.pem",
    "revocations": "tls/crl.pem",
    "anchor_key": "/etc/pacsd/anchor.key",
    "ca_file": "/etc/pacsd/ca.pem",
    "certificate_file": "/etc/pacsd/server.pem",
    "key_file": "/etc/pacsd/server.key",
    "project": "lung",
    "studies": "/etc/pacsd/lung-studies.txt",
    "members": ("researcher-1",),
    "site": "East Hospital",
    "source": "PACSD",
    "options": ("effective_cache_size=8GB",),
    "issuer": "https://login.example",
    "audience": ("https://pacs.example",),
    "jwks_url": "https://login.example/jwks",
    "introspection_url": "https://login.example/introspect",
    "client_id": "pacsd",
    "client_secret_file": "/run/secrets/introspection",
    "secret_file": "/run/secrets/oauth",
    "organisations": ("1.2.826.0.1.3680043.10.1=east",),
    "roles": ("309343006=clinician",),
    "patient_authority": "EAST-HIS",
    "kind": "sms",
    "url": "https://sms.example/send",
    "token": "file:/run/secrets/sms",
}


def default_file() -> str:
    """The text of config/pacsd.toml: every setting, commented out at its default or with an example."""
    lines = ["# pacsd's settings. What is commented out stands at its default, or shows an example.", ""]
    table = ""
    for row in rows("en"):
        head, _, name = row.key.rpartition(".")
        if head != table:
            table = head
            repeated = head.endswith("[]")
            lines += ["", f"# [[{head[:-2]}]]" if repeated else f"[{head}]"]
        lines += [f"# {row.help}{f' ({row.unit})' if row.unit else ''}", f"# {name} = {_example(row, name)}"]
    return "\n".join(lines) + "\n"


def _example(row: Row, name: str) -> str:
    wants_example = row.default in (None, "", '""', "[]")
    return toml(EXAMPLES[name]) if wants_example and name in EXAMPLES else row.default or '""'
