"""All checks, in the order in which they run."""

from conformance.identity import feed, pdq, pix
from conformance.identity.suite import Check

CHECKS: tuple[Check, ...] = (*feed.CHECKS, *pix.CHECKS, *pdq.CHECKS)
