"""Actions that leave the model as it is: stop, save, call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sb3_ac_ext.lookup import import_name
from sb3_ac_ext.monitoring.actions.base import Action, Case
from sb3_ac_ext.monitoring.records import Finding


class Stop(Action):
    """End ``learn()`` at its next step, as a callback that returns ``False`` does."""

    name = "stop"
    remedy = False

    def __init__(self) -> None:
        super().__init__()

    def apply(self, case: Case) -> str:
        case.stop = True
        return f"training ends here, because {case.finding.message}"


class Checkpoint(Action):
    """Save the model as it is at the finding, for a look at it afterwards.

    Written are ``finding_DETECTOR_STEP_steps.zip`` and, where there is a ``VecNormalize``, its file
    beside it, both in SB3's formats.

    :param folder: to save in, created when missing; a relative one lies in the monitor's
        ``log_dir`` when that was given
    :param replay_buffer: save the replay buffer too, where there is one
    :param times: how often at most for findings of one detector and worker
    """

    name = "checkpoint"
    remedy = False

    def __init__(
        self, folder: str | Path = "checkpoints", replay_buffer: bool = False, times: int = 1
    ) -> None:
        super().__init__(times)
        self.folder = Path(folder)
        self.replay_buffer = replay_buffer

    def apply(self, case: Case) -> str:
        folder = case.folder / self.folder
        folder.mkdir(parents=True, exist_ok=True)
        stem, tail = f"finding_{case.finding.detector}", f"{case.step}_steps"
        path = folder / f"{stem}_{tail}.zip"
        case.model.save(path)
        normaliser = case.model.get_vec_normalize_env()
        if normaliser is not None:
            normaliser.save(str(folder / f"{stem}_vecnormalize_{tail}.pkl"))
        if self.replay_buffer and getattr(case.model, "replay_buffer", None) is not None:
            case.model.save_replay_buffer(folder / f"{stem}_replay_buffer_{tail}.pkl")
        return f"saved {path}"


class Call(Action):
    """Call a function of the user's with the model and the finding.

    :param function: ``f(model, finding)``, or the dotted path to it; a string that it returns
        stands in the event
    :param times: how often at most for findings of one detector and worker
    :raises ValueError: for anything that cannot be imported or called
    """

    name = "call"
    remedy = False

    def __init__(self, function: str | Callable[[Any, Finding], Any], times: int = 1) -> None:
        super().__init__(times)
        target = import_name(function) if isinstance(function, str) else function
        if not callable(target):
            raise ValueError(f"function={function!r} is not accepted: it cannot be called")
        self.function = target

    def apply(self, case: Case) -> str:
        said = self.function(case.model, case.finding)
        called = f"called {getattr(self.function, '__qualname__', repr(self.function))}"
        return f"{called}: {said}" if isinstance(said, str) and said else called
