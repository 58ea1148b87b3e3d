"""Which key of the modality worklist stands in which column (PS3.4 Table K.6-1); the others match in Python."""

from pacsd.index.keys import Column, Kind, Table

_TABLE: Table = "scheduled_step"
SEQUENCE = "00400100"                    # Scheduled Procedure Step Sequence: always one item
STATUS = f"{SEQUENCE}.00400020"
STATIONS = f"{SEQUENCE}.00400001"
START_DATE, START_TIME = f"{SEQUENCE}.00400002", f"{SEQUENCE}.00400003"

COLUMNS: tuple[Column, ...] = (
    Column(STATIONS, _TABLE, "stations", Kind.MANY),
    Column(START_DATE, _TABLE, "start_date", Kind.DATE),
    Column(START_TIME, _TABLE, "start_time", Kind.TIME),
    Column(f"{SEQUENCE}.00080060", _TABLE, "modality", Kind.TEXT),
    Column(f"{SEQUENCE}.00400006", _TABLE, "performing", Kind.NAME),
    Column(f"{SEQUENCE}.00400007", _TABLE, "step_description", Kind.TEXT),
    Column(f"{SEQUENCE}.00400008.00080100", _TABLE, "protocol_codes", Kind.MANY),
    Column(f"{SEQUENCE}.00400009", _TABLE, "step_id", Kind.TEXT),
    Column(f"{SEQUENCE}.00400010", _TABLE, "station_names", Kind.MANY),
    Column(f"{SEQUENCE}.00400011", _TABLE, "location", Kind.TEXT),
    Column(STATUS, _TABLE, "status", Kind.TEXT),
    Column("00401001", _TABLE, "requested_procedure_id", Kind.TEXT),
    Column("00321060", _TABLE, "procedure_description", Kind.TEXT),
    Column("00321064.00080100", _TABLE, "procedure_codes", Kind.MANY),
    Column("0020000D", _TABLE, "study_instance_uid", Kind.UID),
    Column("00401003", _TABLE, "priority", Kind.TEXT),
    Column("00080050", _TABLE, "accession_number", Kind.TEXT),
    Column("00321032", _TABLE, "requesting", Kind.NAME),
    Column("00080090", _TABLE, "referring", Kind.NAME),
    Column("00380010", _TABLE, "admission_id", Kind.TEXT),
    Column("00380300", _TABLE, "patient_location", Kind.TEXT),
    Column("00100010", _TABLE, "patient", Kind.NAME),
    Column("00100020", _TABLE, "patient_id", Kind.TEXT),
    Column("00100021", _TABLE, "issuer_of_patient_id", Kind.TEXT),
    Column("00100030", _TABLE, "birth_date", Kind.DATE),
    Column("00100040", _TABLE, "patient_sex", Kind.TEXT),
    Column("00402016", _TABLE, "placer_number", Kind.TEXT),
    Column("00402017", _TABLE, "filler_number", Kind.TEXT),
)
COLUMN_BY_PATH: dict[str, Column] = {column.path: column for column in COLUMNS}
