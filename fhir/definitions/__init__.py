"""What HL7 defines of FHIR R4 (4.0.1): structures, search parameters, value sets of required bindings, compartments.

The files in data/ are cut by fhir.definitions.cut from the official definition bundles, which HL7 publishes under CC0.
"""
