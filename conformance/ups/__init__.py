"""Unified procedure steps by DIMSE (PS3.4 Annex CC), held to the standard from outside: a peer of any server."""
