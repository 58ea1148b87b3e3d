"""A black-box suite for any DICOMweb server: one check per clause of PS3.18, none of them from our own tables.

Editions: the text of PS3.18 2020c, and of later editions up to 2026a where they say something else.
"""
