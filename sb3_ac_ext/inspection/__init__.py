"""What is in a saved model, a pickle or a bundle, read without running any of it."""

from __future__ import annotations

from sb3_ac_ext.inspection.archive import Archive, Entry, Limits, open_archive
from sb3_ac_ext.inspection.examine import inspect_file
from sb3_ac_ext.inspection.records import Group, Report, Tensor, Use, Verdict

__all__ = [
    "Archive",
    "Entry",
    "Group",
    "Limits",
    "Report",
    "Tensor",
    "Use",
    "Verdict",
    "inspect_file",
    "open_archive",
]
