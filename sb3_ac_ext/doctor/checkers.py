"""The checkers of Gymnasium and of Stable-Baselines3, as checks."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable
from typing import Any

from gymnasium.utils.env_checker import check_env as gymnasium_check
from stable_baselines3.common.env_checker import check_env as sb3_check

from sb3_ac_ext.doctor.records import Check, Status
from sb3_ac_ext.doctor.subject import Subject

_COLOURS = re.compile(r"\x1b\[\d+m")
_TYPE_ONLY = re.compile(r"must be a (float|boolean)$")
_LONGEST = 200


def gymnasium_checker(subject: Subject) -> Check:
    """Of the bare environment, as Gymnasium wants it.

    :param subject: the environment
    """
    with subject.single() as env:
        return _checked("Gymnasium's checker", gymnasium_check, env.unwrapped)


def sb3_checker(subject: Subject) -> Check:
    """Of the environment with its wrappers.

    :param subject: the environment
    """
    with subject.single() as env:
        return _checked("SB3's checker", sb3_check, env)


def _checked(name: str, checker: Callable[..., None], env: Any) -> Check:
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        try:
            checker(env, skip_render_check=True)
        except Exception as error:
            text = _one_line(error) or type(error).__name__
            if _TYPE_ONLY.search(text):
                return Check(name, Status.NOTE, text, "SB3 converts it: harmless if from NumPy")
            remedy = "mend this first: what follows may be its consequence"
            return Check(name, Status.FAIL, text, remedy)
    texts = list(dict.fromkeys(_one_line(w.message) for w in caught if _concerns(w)))
    if not texts:
        return Check(name, Status.OK, "no complaints")
    message = "; ".join(text[:_LONGEST] for text in texts)
    return Check(name, Status.NOTE, message)


def _concerns(warning: warnings.WarningMessage) -> bool:
    return not issubclass(warning.category, (DeprecationWarning, PendingDeprecationWarning))


def _one_line(text: object) -> str:
    plain = _COLOURS.sub("", str(text)).removeprefix("WARN: ")
    return " ".join(plain.split())
