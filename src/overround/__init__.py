"""Overround: a self-hostable order-management venue for signed orders."""

__version__ = "0.1.0"
