"""Find out what a file is, and read it as that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sb3_ac_ext.inspection.archive import ZIP_END, ZIP_START, Archive, open_archive, open_reader
from sb3_ac_ext.inspection.bundle import bundle_entries, inspect_bundle
from sb3_ac_ext.inspection.manifest import MANIFEST
from sb3_ac_ext.inspection.model_zip import inspect_model, is_model
from sb3_ac_ext.inspection.pickled import inspect_pickled
from sb3_ac_ext.inspection.records import Report
from sb3_ac_ext.inspection.scan import merged
from sb3_ac_ext.inspection.trust import vouched

_TAIL = 66_000  # the end of a zip file with its comment


def inspect_file(path: str | Path, trust: Sequence[str] = ()) -> Report:
    """Say what is in a saved model, a pickle or a bundle, without running any of it.

    Nothing is unpickled, imported or written. What a load would call is listed and judged; see
    :mod:`sb3_ac_ext.inspection.trust`.

    :param path: SB3 model zip, ``vecnormalize.pkl``, replay buffer, file of ``torch.save``, or one
        of our checkpoint bundles as folder or zip
    :param trust: modules of your own, such as ``my_package``: what is from them is expected
    :raises ValueError: when it is none of these, or is damaged so that it cannot be read, and for
        what is no name of a module
    """
    for module in trust:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ValueError(f"{module!r} is no name of a module, such as my_package.policies")
    report = _inspected(Path(path))
    return replace(report, uses=merged(vouched(use, trust) for use in report.uses))


def _inspected(path: Path) -> Report:
    if path.is_dir():
        return _folder(path)
    with open_reader(path) as reader:
        start = reader.read(len(ZIP_START))
        if start != ZIP_START:
            reader.seek(max(0, reader.size - _TAIL))
            if ZIP_END in reader.read(_TAIL):
                raise ValueError(f"{path}: has something before its zip archive, or is cut off")
            reader.seek(0)
            return inspect_pickled(reader, str(path))
    return _zip(path)


def _folder(path: Path) -> Report:
    with open_archive(path) as archive:
        entries = bundle_entries(archive) if MANIFEST in archive else None
        if entries is None:
            inside = sorted({Path(name).parts[0] for name in archive if name.endswith(MANIFEST)})
            hint = f"; name one of {', '.join(inside[:3])} in it" if inside else ""
            raise ValueError(f"{path}: is no bundle, for it holds no {MANIFEST}{hint}")
        return inspect_bundle(entries, str(path))


def _zip(path: Path) -> Report:
    with open_archive(path) as archive:
        entries, model = bundle_entries(archive), is_model(archive)
        if entries is not None and model:
            raise ValueError(f"{path}: is both an SB3 model and a bundle; a load may take either")
        if entries is not None:
            return inspect_bundle(entries, str(path))
        if model:
            return inspect_model(archive, str(path), path.stat().st_size)
        if not _is_torch(archive):
            raise ValueError(f"{path}: is neither an SB3 model, a file of torch nor a bundle")
    return inspect_pickled(open_reader(path), str(path))


def _is_torch(archive: Archive) -> bool:
    return any(name.rpartition("/")[2] == "data.pkl" for name in archive)
