"""Pixels to pictures: the image transformations of PS3.4 N.2, and what PS3.18 8.3.5 lets a client ask for."""
