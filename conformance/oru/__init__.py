"""Results over HL7: a black-box suite for whoever receives ORU^R01 (IHE RAD-28, RAD-128)."""
