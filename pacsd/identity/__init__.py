"""Who patients are: what is stated of them, and which of them are one."""
