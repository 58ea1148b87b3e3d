"""The rows of the table, in the order they are run and shown."""

from tests.bench.measures import Row
from tests.bench.rows import (
    audit,
    big_index,
    fhir,
    fhir_import,
    fhir_lag,
    fhir_search,
    hl7,
    identity,
    memory,
    query,
    retrieve,
    store,
    stow,
    transcode,
    viewer,
    worklist,
)

ROWS: tuple[Row, ...] = (
    *store.ROWS,
    *stow.ROWS,
    *query.ROWS,
    *retrieve.ROWS,
    *transcode.ROWS,
    *viewer.ROWS,
    *hl7.ROWS,
    *worklist.ROWS,
    *identity.ROWS,
    *fhir.ROWS,
    *fhir_import.ROWS,
    *fhir_search.ROWS,
    *fhir_lag.ROWS,
    *audit.ROWS,
    *memory.ROWS,
    *big_index.ROWS,
)
