"""Hyperparameters of one run: read from RL-Zoo YAML, merged, checked, split by who needs them."""

from sb3_ac_ext.config.build import Config, configure, load_config
from sb3_ac_ext.config.components import Component
from sb3_ac_ext.config.environment import EnvironmentConfig
from sb3_ac_ext.config.files import config_path, read_table, select_entry
from sb3_ac_ext.config.noise import ActionNoiseConfig

__all__ = [
    "ActionNoiseConfig",
    "Component",
    "Config",
    "EnvironmentConfig",
    "config_path",
    "configure",
    "load_config",
    "read_table",
    "select_entry",
]
