"""A compiled package as a function of a list of tensors, whatever the version of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch as th


def load(package: Path) -> Callable[[list[th.Tensor]], th.Tensor]:
    """What a package returns first.

    The loader is called itself: the public call reads two tree specifications, and flattens by
    them, on every call, which takes as long as a small matrix product.

    :param package: file that :mod:`~sb3_ac_ext.algorithms.compiled.build` has written
    """
    loader: Any = th._inductor.aoti_load_package(str(package)).loader
    run = getattr(loader, "boxed_run", loader.run)
    return lambda inputs: run(inputs)[0]
