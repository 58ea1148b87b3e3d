"""Codes that a grammar allows rather than a list: media types, languages, units of measure, currencies."""

import re

MEDIA_TYPES = "http://hl7.org/fhir/ValueSet/mimetypes"
UNITS = "http://hl7.org/fhir/ValueSet/ucum-units"
CURRENCIES = "http://hl7.org/fhir/ValueSet/currencies"
LANGUAGES = "http://hl7.org/fhir/ValueSet/languages"
UCUM = "http://unitsofmeasure.org"

# RFC 6838 4.2, with parameters as RFC 9110 8.3 writes them; and the words FHIR itself uses (http.html#mime-type)
_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE = re.compile(
    rf"{_NAME}/{_NAME}(?:[ \t]*;[ \t]*{_NAME}=(?:{_NAME}|\"[^\"\\\r\n]*\"))*")
_WORDS = frozenset(("xml", "json", "ttl"))

# RFC 5646 2.1 (BCP 47), tags registered as they are left out of it but for i-
_LANGUAGE = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[0-9a-wyz](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?"
    r"|x(?:-[a-z0-9]{1,8})+|i-[a-z0-9]{2,8}", re.IGNORECASE)

# UCUM: annotations, and atoms with a prefix, an exponent; what stands between slashes and dots
_UNIT = re.compile(
    r"(?:[0-9]+(?![0-9A-Za-z%\[*^])|(?:10[*^]|[A-Za-z%'\"](?:[A-Za-z_%'\"]|\[[^\[\]{}\s()]+\])*|\[[^\[\]{}\s()]+\]"
    r"(?:[A-Za-z_]|\[[^\[\]{}\s()]+\])*)(?:[+-]?[0-9]+)?)(?:\{[!-z|~]*\})?|\{[!-z|~]*\}")
_MAX_UNIT = 200

_ISO_4217 = frozenset(re.findall("...", (
    "AEDAFNALLAMDANGAOAARSAUDAWGAZNBAMBBDBDTBGNBHDBIFBMDBNDBOBBOVBRLBSDBTNBWPBYNBZDCADCDFCHECHFCHWCLFCLPCNYCOPCOUCRCCUC"
    "CUPCVECZKDJFDKKDOPDZDEGPERNETBEURFJDFKPGBPGELGGPGHSGIPGMDGNFGTQGYDHKDHNLHRKHTGHUFIDRILSIMPINRIQDIRRISKJEPJMDJODJPYKES"
    "KGSKHRKMFKPWKRWKWDKYDKZTLAKLBPLKRLRDLSLLYDMADMDLMGAMKDMMKMNTMOPMRUMURMVRMWKMXNMXVMYRMZNNADNGNNIONOKNPRNZDOMRPABPEN"
    "PGKPHPPKRPLNPYGQARRONRSDRUBRWFSARSBDSCRSDGSEKSGDSHPSLESLLSOSSRDSSPSTNSVCSYPSZLTHBTJSTMTTNDTOPTRYTTDTVDTWDTZSUAHUGX"
    "USDUSNUYIUYUUYWUZSVEDVESVNDVUVWSTXAFXAGXAUXBAXBBXBCXBDXCDXDRXOFXPDXPFXPTXSUXTSXUAXXXYERZARZMWZWLZWG")))


def is_media_type(code: str) -> bool:
    """A media type, with or without parameters (BCP 13)."""
    return code in _WORDS or _MEDIA_TYPE.fullmatch(code) is not None


def is_language(code: str) -> bool:
    """A language tag (BCP 47)."""
    return _LANGUAGE.fullmatch(code) is not None


def is_currency(code: str) -> bool:
    """A currency (ISO 4217)."""
    return code in _ISO_4217


def is_unit(code: str) -> bool:
    """Whether a unit of measure is written as UCUM writes them; whether there is such a unit is not looked up."""
    if not 0 < len(code) <= _MAX_UNIT:
        return False
    position = _term(code, 0)
    return position == len(code)


def _term(code: str, position: int) -> int:
    """Where a term ends that begins here: components with dots and slashes between them; -1: there is none."""
    if code[position : position + 1] == "/":
        position += 1
    while True:
        position = _component(code, position)
        if position < 0 or code[position : position + 1] not in (".", "/"):
            return position
        position += 1


def _component(code: str, position: int) -> int:
    if code[position : position + 1] == "(":
        inner = _term(code, position + 1)
        if inner < 0 or code[inner : inner + 1] != ")":
            return -1
        return inner + 1
    found = _UNIT.match(code, position)
    return found.end() if found else -1


GRAMMARS = {MEDIA_TYPES: is_media_type, UNITS: is_unit, CURRENCIES: is_currency, LANGUAGES: is_language}
"""Value sets of R4 that no list tells, and what takes its place."""
