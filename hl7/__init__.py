"""HL7 v2: the ER7 codec, MLLP, acknowledgements. Knows no database: what it needs of one comes as a port."""
