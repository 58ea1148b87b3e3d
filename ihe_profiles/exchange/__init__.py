"""Between the HL7 edge and the core: who sends, where messages are kept, what our errors are in HL7's terms."""
