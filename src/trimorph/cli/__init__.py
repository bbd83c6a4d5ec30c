"""Thin doors: parse, call one function."""
