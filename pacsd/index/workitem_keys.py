"""Which matching key of a workitem stands in which column (PS3.4 Table CC.2.5-3); the others match in Python."""

from pacsd.index.keys import Column, Kind

COLUMNS: tuple[Column, ...] = (
    Column("00741200", "workitem", "priority", Kind.TEXT),
    Column("00404041", "workitem", "readiness", Kind.TEXT),
    Column("00741202", "workitem", "worklist_label", Kind.TEXT),
    Column("00741204", "workitem", "step_label", Kind.TEXT),
    Column("00404005", "workitem", "start_at", Kind.DATETIME),
    Column("00404011", "workitem", "expected_at", Kind.DATETIME),
    Column("00404008", "workitem", "expires_at", Kind.DATETIME),
    Column("00404010", "workitem", "modified_at", Kind.DATETIME),
    Column("0020000D", "workitem", "study_instance_uid", Kind.UID),
    Column("00100010", "workitem", "patient", Kind.NAME),
    Column("00100020", "workitem", "patient_id", Kind.TEXT),
    Column("00100030", "workitem", "birth_date", Kind.DATE),
    Column("00100040", "workitem", "patient_sex", Kind.TEXT),
    Column("00380010", "workitem", "admission_id", Kind.TEXT),
    Column("00404025.00080100", "workitem", "station_names", Kind.MANY),
    Column("00404026.00080100", "workitem", "station_classes", Kind.MANY),
    Column("00404027.00080100", "workitem", "station_locations", Kind.MANY),
    Column("00404034.00404009.00080100", "workitem", "performers", Kind.MANY),
    Column("00404018.00080100", "workitem", "workitem_codes", Kind.MANY),
    Column("0040A370.00080050", "workitem", "accession_numbers", Kind.MANY),
    Column("0040A370.00401001", "workitem", "procedure_ids", Kind.MANY),
    Column("00741224.00081155", "workitem", "replaced", Kind.MANY),
)

# Columns of the row itself, which do not follow from what a client sent.
OWN_COLUMNS: tuple[Column, ...] = (
    Column("00080018", "workitem", "sop_instance_uid", Kind.UID),
    Column("00741000", "workitem", "state", Kind.TEXT),
)
COLUMN_BY_PATH: dict[str, Column] = {column.path: column for column in (*COLUMNS, *OWN_COLUMNS)}
