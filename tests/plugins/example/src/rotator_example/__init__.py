"""Kinds for rotator that show how such are made."""
