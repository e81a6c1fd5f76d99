"""What an update left behind: losses, the last gradients' norms, the weights' norms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch as th

from sb3_ac_ext.flight.nonfinite import bad_losses, bad_tensors
from sb3_ac_ext.flight.state import Parts, norms
from sb3_ac_ext.flight.update import Update


def outcome(update: Update, parts: Parts, logged: Mapping[str, Any]) -> dict[str, str]:
    """Note what came of an update, right after it, in one pass over weights and gradients.

    :param update: receives losses and norms
    :param logged: what the logger holds
    :return: what is not finite: ``losses``, ``gradients``, ``weights`` -> which
    """
    if update.error is None:  # else the logger still holds those of the update before
        update.logged = {k: float(v) for k, v in logged.items() if _is_loss(k, v)}
    weights, gradients = parts.weights, _gradients(parts)
    flat = {f"{name}[{i}]": g for name, grads in gradients.items() for i, g in enumerate(grads)}
    every = norms({**weights, **flat})
    update.weight_norms, rest = every[: -len(flat) or None], every[len(every) - len(flat) :]
    bad = {
        "losses": bad_losses(update.logged),
        "gradients": bad_tensors("gradients", flat, rest),
        "weights": bad_tensors("weights", weights, update.weight_norms),
    }
    for name, grads in gradients.items():
        update.gradient_norms[name] = float((rest[: len(grads)] ** 2).sum() ** 0.5)
        rest = rest[len(grads) :]
    return {kind: text for kind, text in bad.items() if text is not None}


def _gradients(parts: Parts) -> dict[str, list[th.Tensor]]:
    return {
        name: [p.grad for group in o.param_groups for p in group["params"] if p.grad is not None]
        for name, o in parts.optimizers.items()
    }


def _is_loss(name: str, value: Any) -> bool:
    return name.startswith("train/") and not isinstance(value, str) and hasattr(value, "__float__")
