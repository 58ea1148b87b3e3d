"""What members of a research project get: studies of its list, de-identified when they are asked for (PS3.15 Annex E).

In the shapes of the archive's own services, so that an edge serves them in their place. Whatever comes in is compared
with what was made, and with nothing that is stored: the original's UIDs, dates and identifiers find nothing.
"""
