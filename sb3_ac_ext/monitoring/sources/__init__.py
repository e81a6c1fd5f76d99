"""The history of a run from whatever it left behind: our file, or those of SB3 and the RL Zoo."""

from sb3_ac_ext.monitoring.sources.folders import run_folders
from sb3_ac_ext.monitoring.sources.load import load_history

__all__ = ["load_history", "run_folders"]
