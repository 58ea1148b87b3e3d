"""HL7 v2: ER7 codec, MLLP and message builders (a later step; nothing here yet)."""
