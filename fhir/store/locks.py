"""What writers hold until they have committed, so that what they looked for stays as they saw it.

Everybody takes all of his locks at once and in one order, so that nobody waits for who waits for him. Locks are:
the resources that are written; for conditional interactions (http://hl7.org/fhir/R4/http.html#cond-update) the values
of identifiers that criteria and bodies name, and the resource type: shared where identifiers decide, alone where
other criteria do.
"""

from collections.abc import Iterable
from hashlib import blake2b

from fhir.store.stored import Name
from pacsd.index.connect import Connection

Locks = dict[int, bool]                  # key, and whether it is held alone

# Locks are taken row by row, in the order of the array.
_HOLD = """
select case when alone then pg_advisory_xact_lock(key)::text else pg_advisory_xact_lock_shared(key)::text end
from unnest(%s::bigint[], %s::boolean[]) with ordinality l (key, alone, n) order by n
"""


def of_resources(names: Iterable[Name]) -> Locks:
    """Those of who writes these resources."""
    return {_key("resource", str(one)): True for one in names}


def of_identifiers(type_name: str, values: Iterable[str]) -> Locks:
    """Those of who looks for resources by the values of identifiers, or makes some that have them."""
    return {_key("identifier", type_name, one): True for one in values}


def of_type(type_name: str, *, alone: bool) -> Locks:
    """That of a resource type: alone for who looks for its resources by anything but identifiers."""
    return {_key("type", type_name): alone}


def joined(*locks: Locks) -> Locks:
    """All of them; what is held alone by one is held alone."""
    together: Locks = {}
    for one in locks:
        for key, alone in one.items():
            together[key] = alone or together.get(key, False)
    return together


def hold(connection: Connection, locks: Locks) -> None:
    """Wait until all are held; they are let go with the transaction."""
    if locks:
        ordered = sorted(locks)
        connection.execute(_HOLD, (ordered, [locks[key] for key in ordered]), prepare=True)


def _key(*words: str) -> int:
    digest = blake2b("\0".join(("fhir", *words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
