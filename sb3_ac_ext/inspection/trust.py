"""Judge what a load would call: known to rebuild data, code carried in the file, or suspicious.

Only names on these lists are expected. A whole package is never trusted with calls, for the
packages that models are made of hold functions that load, run or import whatever they are told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sb3_ac_ext.inspection.records import Group, Use


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NUMPY_CORE = {
    f"numpy.{core}.{name}"
    for core in ("core", "_core")
    for name in ("multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer")
}
_NUMPY_RANDOM = {
    "numpy.random._pickle.__generator_ctor",
    "numpy.random._pickle.__bit_generator_ctor",
    "numpy.random._pickle.__randomstate_ctor",
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
    "numpy.random.bit_generator.SeedSequence",
    *(
        f"numpy.random._{module}.{name}"
        for module, name in (
            ("pcg64", "PCG64"),
            ("pcg64", "PCG64DXSM"),
            ("mt19937", "MT19937"),
            ("philox", "Philox"),
            ("sfc64", "SFC64"),
        )
    ),
}
_TORCH = {
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "torch.storage._load_from_bytes",  # a pickle in the pickle, which is read too
    "torch.device",
    "torch.Size",
}
_SB3_VALUES = {
    "stable_baselines3.common.type_aliases.TrainFrequencyUnit",
    "stable_baselines3.her.goal_selection_strategy.GoalSelectionStrategy",
}
CALLS = frozenset(
    {
        *_NUMPY_CORE,
        *_NUMPY_RANDOM,
        *_TORCH,
        *_SB3_VALUES,
        "numpy.dtype",
        "collections.OrderedDict",
        "collections.deque",
        "copyreg._reconstructor",
        "_codecs.encode",  # bytes in old protocols
        *(f"builtins.{name}" for name in ("set", "frozenset", "bytearray", "bytes", "complex")),
        *(f"builtins.{name}" for name in ("slice", "range")),
        *(f"__builtin__.{name}" for name in ("set", "frozenset", "bytearray", "object")),
        *(f"pathlib.{name}" for name in ("PosixPath", "PurePosixPath", "Path", "WindowsPath")),
        "datetime.datetime",
        "datetime.timedelta",
    }
)
_NAMES = CALLS | {
    *(f"builtins.{name}" for name in ("object", "int", "float", "bool", "str", "tuple", "list")),
    *("builtins.dict", "numpy.ndarray", "torch.Tensor", "torch.nn.parameter.Parameter"),
    *(f"numpy.{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *("numpy.float16", "numpy.float32", "numpy.float64", "numpy.bool", "numpy.bool_"),
    *(f"torch.{name}" for name in ("float16", "float32", "float64", "bfloat16", "bool")),
    *(f"torch.{name}" for name in ("int8", "int16", "int32", "int64", "uint8")),
    *(f"torch.{kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16", "Bool")),
    *(f"torch.{kind}Storage" for kind in ("Long", "Int", "Short", "Char", "Byte")),
    "torch.storage.UntypedStorage",
    *(
        f"stable_baselines3.common.utils.{name}"
        for name in ("FloatSchedule", "ConstantSchedule", "LinearSchedule")
    ),
    "rl_zoo3.utils.SimpleLinearSchedule",
}
# packages that models are made of -> last parts of the modules whose classes hold only data,
# networks or settings; None for all of them
_CLASSES: dict[str, frozenset[str] | None] = {
    "gymnasium.spaces": None,
    "gym.spaces": None,
    "torch.nn.modules": None,
    "torch.optim": None,
    "sb3_ac_ext.buffers": None,
    "sb3_ac_ext.algorithms": None,
    "sb3_ac_ext.schedules": None,
    "stable_baselines3": _words(
        "policies buffers her_replay_buffer noise torch_layers type_aliases distributions "
        "running_mean_std vec_normalize rmsprop_tf_like goal_selection_strategy"
    ),
    "sb3_contrib": _words("policies buffers type_aliases torch_layers"),
}
_CLOUDPICKLE = (
    *("_make_function", "_make_skel_func", "_function_setstate", "_fill_function"),
    *("_make_skeleton_class", "_rehydrate_skeleton_class", "_class_setstate"),
    *("_make_skeleton_enum", "_make_typevar", "_make_cell", "_make_empty_cell", "_cell_set"),
    *("_builtin_type", "_make_dict_keys", "_make_dict_values", "_make_dict_items"),
    *("_get_bases", "CellType", "_empty_cell_value"),
)
_CODE = {
    *(f"cloudpickle.cloudpickle.{name}" for name in _CLOUDPICKLE),
    *(f"cloudpickle.cloudpickle_fast.{name}" for name in _CLOUDPICKLE),
    *(f"types.{name}" for name in ("CodeType", "FunctionType", "CellType", "MethodType")),
}
RESULT_OF = "the result of "
_RUNS_COMMANDS = _words("os posix nt subprocess pty commands popen2 multiprocessing")
_RUNS_CODE = _words(
    "sys importlib runpy code codeop imp pickle _pickle dill joblib marshal ctypes cffi pdb timeit "
    "inspect gc operator functools types cloudpickle bdb cProfile profile trace"
)
_REACHES_OUT = _words(
    "socket urllib http requests ftplib smtplib telnetlib webbrowser shutil tempfile"
)
_BUILTINS = frozenset({"builtins", "__builtin__"})
_GETS_ANYTHING = _words("eval exec compile open __import__ getattr setattr input")


def judge(name: str, kind: str) -> tuple[Group, str]:
    """
    :param name: dotted
    :param kind: of :class:`~sb3_ac_ext.inspection.records.Use`
    :return: the group and why, in a few words
    """
    if name.removeprefix(RESULT_OF) in _CODE and kind != "changes":
        runs = name.startswith(RESULT_OF)
        return Group.CODE, f"code carried in the file{', run by the load' if runs else ''}"
    if kind == "changes":
        return Group.SUSPICIOUS, "would be changed for the whole process"
    if _expected(name, kind):
        return Group.EXPECTED, "rebuilds data"
    return Group.SUSPICIOUS, _suspicion(name)


def vouched(use: Use, modules: Iterable[str]) -> Use:
    """
    :param use: of a report
    :param modules: that the reader of the report trusts
    :return: the use, expected if what it names is from one of the modules
    """
    theirs = any(use.name.startswith(f"{module}.") for module in modules)
    if not theirs or use.kind == "changes":
        return use
    return replace(use, group=Group.EXPECTED, reason="trusted by you")


def _expected(name: str, kind: str) -> bool:
    if kind == "calls":
        return name in CALLS
    return name in _NAMES or _is_known_class(name)


def _is_known_class(name: str) -> bool:
    module, _, last = name.rpartition(".")
    if not last.lstrip("_")[:1].isupper():
        return False
    for package, parts in _CLASSES.items():
        if module == package or module.startswith(f"{package}."):
            return parts is None or module.rpartition(".")[2] in parts
    return False


def _suspicion(name: str) -> str:
    root, _, rest = name.removeprefix(RESULT_OF).partition(".")
    if root in _RUNS_COMMANDS:
        return "runs commands or reaches the system"
    if root in _RUNS_CODE or (root in _BUILTINS and rest in _GETS_ANYTHING):
        return "runs or finds any code"
    if root in _REACHES_OUT:
        return "reaches the network or files"
    if root == "__main__":
        return "would be looked up in the script that loads"
    return "not known to belong in a saved model"
