"""CodeSystem/$subsumes (http://hl7.org/fhir/R4/codesystem-operation-subsumes.html)."""

from fhir.terminology.library import Library
from fhir.terminology.value_set import NotTold
from pacsd.faults import Fault, PacsdError


def subsumes(library: Library, *, system: str, code_a: str, code_b: str, version: str = "") -> str:
    """`equivalent`, `subsumes` (A is above B), `subsumed-by` or `not-subsumed`. Raises PacsdError NOT_FOUND.

    Raises UNSUPPORTED for a code system whose hierarchy does not say what is a kind of what.
    """
    found = library.code_system(system, version)
    if found is None:
        raise NotTold("code system", f"{system}|{version}" if version else system)
    if not found.header.is_a:
        raise PacsdError(Fault.UNSUPPORTED, f"what is above in {found.header.canonical} does not subsume")
    one, other = found.get(code_a), found.get(code_b)
    if one is None or other is None:
        missing = code_a if one is None else code_b
        raise PacsdError(Fault.NOT_FOUND, f"{missing[:100]!r} is no code of {found.header.canonical}")
    if one.code == other.code:
        return "equivalent"
    if found.is_below(other.code, one.code):
        return "subsumes"
    return "subsumed-by" if found.is_below(one.code, other.code) else "not-subsumed"
