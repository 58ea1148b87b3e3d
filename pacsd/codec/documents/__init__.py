"""What is no image, as people read it: structured reports, encapsulated documents and waveforms (PS3.18 8.7.4)."""
