"""Compile a job into a package: ``python -m sb3_ac_ext.algorithms.compiled.build JOB PACKAGE``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cloudpickle
import torch as th

from sb3_ac_ext.algorithms.compiled.job import Job
from sb3_ac_ext.algorithms.compiled.products import products


def build(job: Job, package: Path) -> None:
    """Trace the step, compile it ahead of time, and put the package in its place at once.

    :param package: file with the suffix ``.pt2``
    """
    from torch._inductor import aoti_compile_and_package, config
    from torch.fx.experimental.proxy_tensor import make_fx

    th.distributions.Distribution.set_default_validate_args(False)
    for parameter in job.policy.parameters():
        parameter.requires_grad_(False)
    inputs = tuple(_example(shape, dtype) for shape, dtype in job.inputs)
    step = job.make_step()
    with products(job.bf16):
        graph = make_fx(lambda *tensors: step(*tensors))(*inputs)
    exported = th.export.export(graph, inputs)
    draft = package.with_name(f"{package.stem}.{os.getpid()}.pt2")
    # a tanh by exp(): quicker, and within the rounding of what it is taken of
    quick = {"cpp.use_decompose_tanh": True} if hasattr(config.cpp, "use_decompose_tanh") else {}
    try:
        aoti_compile_and_package(exported, package_path=str(draft), inductor_configs=quick)
        draft.replace(package)
    finally:
        draft.unlink(missing_ok=True)


def _example(shape: tuple[int, ...], dtype: th.dtype) -> th.Tensor:
    """Any values will do; ones keep every index and every divisor valid."""
    return th.ones(shape, dtype=dtype)


def main() -> int:
    job_file, package = map(Path, sys.argv[1:3])
    if hasattr(os, "nice"):
        os.nice(10)
    threads, job = cloudpickle.loads(job_file.read_bytes())
    th.set_num_threads(threads)
    build(job, package)
    return 0


if __name__ == "__main__":
    sys.exit(main())
