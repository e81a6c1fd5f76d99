"""Vectorised environments, and wrappers of them, that survive what single environments do.

They stand apart from wrappers of single environments: all of them know their workers by index.
"""
