"""Actions that the environment forbids, for the policies that ask for them."""

from __future__ import annotations

import inspect
from typing import Any

from stable_baselines3.common.vec_env import VecEnv


def action_masks(actor: Any, env: VecEnv) -> dict[str, Any]:
    """
    :param actor: a model or what stands for one
    :param env: in which it acts next
    :return: keyword for its ``predict``, empty where it takes none
    """
    model = getattr(actor, "model", actor)
    if "action_masks" not in inspect.signature(type(model).predict).parameters:
        return {}
    from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported

    return {"action_masks": get_action_masks(env)} if is_masking_supported(env) else {}
