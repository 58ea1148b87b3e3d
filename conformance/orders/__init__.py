"""Black-box suite of orders and the modality worklist: orders by HL7 over MLLP, asked for by C-FIND.

It makes patients and orders of its own with new numbers, and leaves them canceled where it can. What it expects is
written from HL7 v2.5.1, IHE RAD TF-2 and PS3.4 Annex K.
"""
