"""A black-box suite of who may see what: SMART App Launch, IHE IUA and ATNA, tokens, the walls between organisations.

What is expected is taken from those texts, and from the RFCs that they build on, alone.
"""
