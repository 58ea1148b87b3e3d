"""Reports: what is said of studies, every version of it, which one counts, and what is made of it."""
