"""Signals -> history -> detectors -> diagnosis -> sinks and report."""
