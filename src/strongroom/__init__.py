"""Strongroom: an AWS KMS that anyone can run. Kept empty of imports: the boundary process loads it."""

__version__ = "0.1.0"
