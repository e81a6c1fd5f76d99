"""Before the training: examine an environment, a configuration for it, or an algorithm."""

from sb3_ac_ext.doctor.examine import TIMEOUT, examine
from sb3_ac_ext.doctor.records import Check, Examination, Status, by_gravity

__all__ = ["TIMEOUT", "Check", "Examination", "Status", "by_gravity", "examine"]
