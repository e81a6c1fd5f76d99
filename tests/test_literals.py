from collections import OrderedDict
from pathlib import Path

import pytest
import torch as th
import yaml
from torch import nn

from sb3_ac_ext.literals import parse_literal, parse_pairs, resolve_class
from sb3_ac_ext.yaml_loader import load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("-3", -3),
        ("'x'", "x"),
        ("None", None),
        ("(1, 'episode')", (1, "episode")),
        ("{'norm_obs': True}", {"norm_obs": True}),
        ("dict(net_arch=dict(pi=[64], vf=[32, 32]))", {"net_arch": {"pi": [64], "vf": [32, 32]}}),
        ("dict(activation_fn=nn.ReLU, x=-1.5)", {"activation_fn": nn.ReLU, "x": -1.5}),
        ("th.optim.Adam", th.optim.Adam),
        ("torch.nn.Tanh", nn.Tanh),
        ("pathlib.Path", Path),
    ],
)
def test_literals(text, value):
    assert parse_literal(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch /tmp/sb3_ac_ext_was_run')",
        "open('x')",
        "nn.Linear(1, 2)",
        "dict([(1, 2)])",
        "dict(**{})",
        "{**{}}",
        "{[]: 1}",
        "1 + 1",
        "2 ** 9999999",
        "lambda: 0",
        "[x for x in ()]",
        "-'x'",
        "f'{1}'",
        "os.system",
        "nn.Rel",
        "[1",
        "",
        "(" * 2000,
    ],
)
def test_nothing_else_is_read_and_nothing_is_run(text):
    with pytest.raises(ValueError):
        parse_literal(text)
    assert not Path("/tmp/sb3_ac_ext_was_run").exists()


def test_misspelt_class_gets_a_hint():
    with pytest.raises(ValueError, match=r"did you mean torch.nn.ReLU\?"):
        resolve_class("nn.Relu")


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("a:1e-3", 1e-3),
        ("a:lin_1e-3", "lin_1e-3"),
        ("a:'lin_1e-3'", "lin_1e-3"),
        ('a:"x"', "x"),
        ("a:true", True),
        ("a:True", True),
        ("a:null", None),
        ("a:None", None),
        ("a:auto", "auto"),
        ("a:auto_0.1", "auto_0.1"),
        ("a:100_000", 100_000),
        ("a:my_package.MyWrapper", "my_package.MyWrapper"),
        ("a:module:Env-v0", "module:Env-v0"),
        ("a:[1, 'episode']", [1, "episode"]),
        ("a:[one, two]", ["one", "two"]),
        ("a:{b: 1e-3}", {"b": 1e-3}),
        ("a:dict(b=1)", {"b": 1}),
        ("a:dict(f=nn.ReLU)", "dict(f=nn.ReLU)"),
        ("a:[{'my.Callback': {'tag': 'cli'}}]", [{"my.Callback": {"tag": "cli"}}]),
        ("a: 5 ", 5),
        ("a:yes", "yes"),
    ],
)
def test_pairs(pair, value):
    parsed = parse_pairs([pair])["a"]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("pair", ["a", "a:", ":1", "", "a:[1", "a:{b: ", "a:'x"])
def test_bad_pairs_are_named(pair):
    with pytest.raises(ValueError) as caught:
        parse_pairs([pair])
    assert pair in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1e6", 1e6),
        ("-1.5E+3", -1500.0),
        ("!!float 1e6", 1e6),
        ("1_000", 1000),
        ("1e", "1e"),
        ("e3", "e3"),
        ("lin_1e-3", "lin_1e-3"),
        ("[1e-3, x]", [1e-3, "x"]),
    ],
)
def test_yaml_numbers(text, value):
    assert load_yaml(text) == value


def test_tags_that_the_zoo_writes_become_plain_data():
    written = yaml.dump(OrderedDict(a=(1, 2), b=OrderedDict(), c=nn.ReLU))
    assert load_yaml(written) == {"a": (1, 2), "b": {}, "c": "torch.nn.modules.activation.ReLU"}


@pytest.mark.parametrize(
    "text", ["a: [1", "a:\n\t- 1", "!!python/object/apply:os.system ['true']", "a: 1: 2"]
)
def test_bad_yaml_names_its_source(text):
    with pytest.raises(ValueError, match=r"x\.yml is not valid YAML, line 1|x\.yml.*line 2"):
        load_yaml(text, "x.yml")
