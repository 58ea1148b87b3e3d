"""Black-box suite of patient identity over HL7 v2: the feed, PIX and PDQ, over MLLP.

Patients are fed by ADT, and what became of them is asked for by PIX and PDQ alone. They are new ones of the suite's own
making, and stay. What is expected is written from IHE ITI TF-2 3.8, 3.9, 3.21, 3.30 and Appendix C, and HL7 v2.5.1.
"""
