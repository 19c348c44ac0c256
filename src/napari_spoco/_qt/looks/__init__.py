"""Colours that can be read on every theme."""
