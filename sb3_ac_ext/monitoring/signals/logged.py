"""What SB3 itself logs about its update."""

from __future__ import annotations

import numpy as np

from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.view import View


class LoggedSignal(Signal):
    """The ``train/`` entries of SB3's logger under SB3's names, read right after the update.

    ``train/approx_kl`` averages the last epoch only and ``train/explained_variance`` rises with a
    low gae_lambda; ``policy/kl`` and ``value/mc_explained_variance`` are the measurements to
    trust. A NaN explained variance means constant returns and is left out.
    """

    name = "logged"

    def collect(self, view: View) -> Reading:
        reading = Reading()
        if not view.updated:
            return reading
        for key, value in view.model.logger.name_to_value.items():
            # value != value: NaN is no fault there, it says that the returns are constant
            if key == "train/explained_variance" and value != value:
                continue
            if key.startswith("train/") and isinstance(value, float | int | np.number):
                reading.values[key] = float(value)
        return reading
