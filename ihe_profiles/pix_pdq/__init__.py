"""Patient identifier cross-referencing and demographics queries, HL7 v2 (IHE ITI TF-1 5, 8)."""
