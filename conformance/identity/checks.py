"""All checks, in the order in which they run."""

from conformance.identity import feed, pdq, pix, reconciliation, refusals
from conformance.identity.suite import Check

CHECKS: tuple[Check, ...] = (
    *feed.CHECKS, *reconciliation.CHECKS, *refusals.CHECKS, *pix.CHECKS, *pdq.CHECKS,
)  # fmt: skip
