"""Faults that tests and scripts inject."""
