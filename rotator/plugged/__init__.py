"""Kinds that others add: what they are made of, how they are found, and what holds them to their contract."""
