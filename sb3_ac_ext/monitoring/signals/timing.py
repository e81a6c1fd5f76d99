"""Speed, and where the wall time goes."""

from __future__ import annotations

from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.view import View


class TimingSignal(Signal):
    """Environment steps per second, episodes per hour, and shares of the wall time since the last
    snapshot.

    Rollout, update, monitor and canary are disjoint; what is missing to 1 is other callbacks and
    logging.
    """

    name = "timing"

    def collect(self, view: View) -> Reading:
        reading = Reading()
        clock = view.clock
        if clock.window <= 0.0:
            return reading
        n_steps = view.window.rewards.size
        reading.put(
            time__steps_per_second=n_steps / clock.window,
            time__episodes_per_hour=3600.0 * len(view.window.episodes) / clock.window,
            time__rollout_share=clock.rollout / clock.window,
            time__update_share=clock.update / clock.window,
            time__callback_share=clock.callback / clock.window,
            time__canary_share=clock.canary / clock.window,
        )
        return reading
