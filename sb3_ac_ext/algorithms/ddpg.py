"""Deep deterministic policy gradient (arXiv 1509.02971), as in Stable-Baselines3."""

from __future__ import annotations

import stable_baselines3

from sb3_ac_ext.algorithms.td3 import DelayedActor


class DDPG(DelayedActor, stable_baselines3.DDPG):
    """``stable_baselines3.DDPG``: same arguments, policies, saved files and logged values."""
