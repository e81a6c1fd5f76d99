"""The table of causes: what each is called, what mends it, and which others it explains away."""

from __future__ import annotations

from sb3_ac_ext.monitoring.causes.base import Cause
from sb3_ac_ext.monitoring.causes.data import DATA
from sb3_ac_ext.monitoring.causes.environment import ENVIRONMENT
from sb3_ac_ext.monitoring.causes.outcomes import OUTCOMES
from sb3_ac_ext.monitoring.causes.settings import SETTINGS
from sb3_ac_ext.monitoring.causes.update import UPDATE

__all__ = ["CAUSES", "Cause"]

CAUSES: dict[str, Cause] = {**ENVIRONMENT, **DATA, **UPDATE, **SETTINGS, **OUTCOMES}
"""Every cause that a detector may name."""
