"""Composite instances that belong to no patient: palettes, hanging protocols, implant templates, … (PS3.4 GG)."""
