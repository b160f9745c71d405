"""Scans and tables as people and programs read them."""
