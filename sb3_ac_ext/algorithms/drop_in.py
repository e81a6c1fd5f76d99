"""What every drop-in algorithm adds to the constructor of Stable-Baselines3's."""

from __future__ import annotations

from typing import Any, ClassVar

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.schedules import Schedule, is_schedule, make_schedule


class DropIn(BaseAlgorithm):
    """Stands before a class of Stable-Baselines3, and takes its arguments.

    Where SB3 takes a schedule, ``lin_3e-4`` and the like are accepted, too; where it takes a number
    that :attr:`scheduled` lists, so is a schedule, if it is given by name. The attribute then holds
    the value in force, from the beginning of each update on, and is logged as ``train/<name>``.

    :param exact: be bit-identical to SB3 for the same seed; otherwise floating-point work may be
        done in another order. Off-policy algorithms are so in any case, so far.
    :raises ValueError: for what is no schedule
    """

    scheduled: ClassVar[tuple[str, ...]] = ()
    """Arguments that SB3 takes as numbers and that may be schedules here."""

    def __init__(self, *args: Any, exact: bool = False, **kwargs: Any) -> None:
        self.exact = exact
        self.schedules: dict[str, Schedule] = {}
        for name in self.scheduled:
            if is_schedule(kwargs.get(name)):
                self.schedules[name] = make_schedule(kwargs[name], name)
                kwargs[name] = self.in_force(name, 1.0)
        for name in ("learning_rate", "clip_range", "clip_range_vf"):
            if isinstance(kwargs.get(name), str):
                kwargs[name] = make_schedule(kwargs[name], name)
        if kwargs.get("policy_kwargs"):
            kwargs["policy_kwargs"] = dict(kwargs["policy_kwargs"])  # SB3 writes into it
        super().__init__(*args, **kwargs)

    def in_force(self, name: str, progress_remaining: float) -> Any:
        """The value of a schedule.

        :param name: of the argument
        :param progress_remaining: 1 at the beginning of training, 0 at its end
        """
        value = self.schedules[name](progress_remaining)
        return round(value) if name == "batch_size" else value

    def follow_schedules(self) -> None:
        """Give every scheduled attribute its value for this update."""
        for name in self.schedules:
            value = self.in_force(name, self._current_progress_remaining)
            setattr(self, name, value)
            self.logger.record(f"train/{name}", value)
