"""``evaluations.npz`` of SB3's EvalCallback: returns of evaluation episodes, read as the canary."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_ac_ext.monitoring.sources.recording import NoDataError, Recording
from sb3_ac_ext.monitoring.sources.steps_back import kept_rows

Array = npt.NDArray[Any]

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # with members, and empty


def read_evaluations(path: Path) -> Recording:
    """Read ``timesteps`` (n,), ``results`` (n, n_eval_episodes) and ``ep_lengths``, no pickles.

    Of evaluations at the same step the later one holds; where the steps go back, see
    :func:`kept_rows`.

    :raises ValueError: when the file is not such an archive, or its arrays do not fit each other
    """
    data = _load(path)
    missing = [name for name in ("timesteps", "results") if name not in data]
    if missing:
        raise ValueError(
            f"{path} is no evaluations.npz of EvalCallback: it has no array {missing[0]!r}"
        )
    steps, results = data["timesteps"], data["results"]
    _check_shapes(path, steps, results, data.get("ep_lengths"))
    if not len(steps):
        raise NoDataError(f"{path} holds no evaluation")
    recording = Recording("evaluations.npz")
    kept, went_back = kept_rows([int(step) for step in steps])
    recording.notes.extend(f"{path.name}: {note}" for note in went_back)
    for i in kept:
        step, row = int(steps[i]), results[i].astype(np.float64)
        recording.add(
            step, {"canary/return_mean": float(row.mean()), "canary/return_std": float(row.std())}
        )
        recording.arrays[step] = {"canary/returns": tuple(float(v) for v in row)}
        if "ep_lengths" in data:
            recording.add(step, {"canary/length_mean": float(data["ep_lengths"][i].mean())})
    return recording


def _load(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as stream:
            if stream.read(4) not in _ZIP_MAGIC:  # NumPy would take it for a pickle
                raise ValueError("it is no zip archive")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise ValueError(f"cannot read {path}: no such file") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = "it holds Python objects" if "allow_pickle" in str(error) else error
        raise ValueError(f"{path} is not a readable npz file: {reason}") from None


def _check_shapes(path: Path, steps: Array, results: Array, lengths: Array | None) -> None:
    for name, array in (("timesteps", steps), ("results", results), ("ep_lengths", lengths)):
        if array is not None and not np.issubdtype(array.dtype, np.number):
            raise ValueError(f"{path}: array {name!r} holds {array.dtype}, not numbers")
    if steps.ndim != 1 or results.ndim != 2 or len(results) != len(steps):
        raise ValueError(
            f"{path}: timesteps of shape {steps.shape} and results of shape {results.shape} "
            "do not fit each other"
        )
    if lengths is not None and lengths.shape != results.shape:
        raise ValueError(
            f"{path}: ep_lengths of shape {lengths.shape} do not fit results of {results.shape}"
        )
    if results.shape[1] == 0 and len(steps):
        raise NoDataError(f"{path} holds evaluations without episodes")
