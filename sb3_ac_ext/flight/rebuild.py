"""The model of a dump, without its environment: SB3's own ``load``, fed from plain data."""

from __future__ import annotations

import warnings
from typing import Any

import torch as th
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import FloatSchedule

from sb3_ac_ext.flight.data import Batches, RecordedBatches, RolloutData
from sb3_ac_ext.flight.dump import Dump
from sb3_ac_ext.flight.settings import NEEDED
from sb3_ac_ext.flight.state import Parts
from sb3_ac_ext.flight.update import Update
from sb3_ac_ext.flight.values import decode_class, decode_value


def rebuild(dump: Dump, update: Update) -> Any:
    """The model as it was right before an update, generators included.

    :param dump: of a stock algorithm, or of one that can be imported under its dotted name
    :param update: one of the dump's
    :return: an SB3 algorithm without environment, whose ``train()`` is ready to be called
    :raises ValueError: if it cannot be rebuilt, with the reason
    """
    missing = [f"{name}: {dump.refused[name]}" for name in NEEDED if name in dump.refused]
    if missing:
        raise ValueError(f"the dump cannot be replayed: {'; '.join(missing)}")
    cls = decode_class(dump.settings["algorithm"])
    settings = {k: decode_value(v) for k, v in dump.settings.items() if k != "algorithm"}
    settings.update({**update.settings, **update.schedules})
    device = _device(dump.device)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = _set_up(cls, settings, update, device)
            update.before.apply(Parts(model))
    except Exception as error:  # whatever a custom class's constructor may raise
        text = " ".join(str(error).split())
        raise ValueError(f"{cls.__name__} cannot be rebuilt from the dump: {text}") from error
    if isinstance(update.data, RolloutData):
        update.data.apply(model.rollout_buffer)
    model.set_logger(Logger(folder=None, output_formats=[]))
    update.randomness.apply(device)
    return model


def _set_up(cls: Any, settings: dict[str, Any], update: Update, device: th.device) -> Any:
    model = cls(policy=settings["policy_class"], env=None, device=device, _init_setup_model=False)
    vars(model).update(settings)
    model.seed, model.verbose = None, 0
    if isinstance(update.data, Batches):
        # in place before the set-up, which then allocates none
        model.replay_buffer = RecordedBatches(update.data, device)
    model._setup_model()
    # again, for setting up may count from zero or make something else of a number
    vars(model).update(update.settings)
    vars(model).update({name: FloatSchedule(value) for name, value in update.schedules.items()})
    return model


def _device(name: str) -> th.device:
    device = th.device(name)
    if device.type == "cuda" and not th.cuda.is_available():
        return th.device("cpu")
    return device
