"""How resources are written: JSON and XML, and what of them a client asks for."""
