"""All transactions with their checks, in the order they are run and reported."""

from conformance.ups.contents import GET, UPDATE
from conformance.ups.create import CREATE
from conformance.ups.dimse import DIMSE
from conformance.ups.query import QUERYING
from conformance.ups.states import CLAIM, COMPLETE
from conformance.ups.subscription import CANCELLATION, NOTIFICATION, SUBSCRIPTION
from conformance.ups.suite import Check, Transaction

TRANSACTIONS: tuple[Transaction, ...] = (
    CREATE, QUERYING, CLAIM, GET, UPDATE, COMPLETE, SUBSCRIPTION, NOTIFICATION, CANCELLATION, DIMSE
)  # fmt: skip
CHECKS: tuple[Check, ...] = tuple(check for transaction in TRANSACTIONS for check in transaction.checks)
