"""docs/training.md says what the code does: keys, commands, shares of the batch, free keys."""

import re
import shlex
import subprocess
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel
from torch.distributed.run import get_args_parser

from segibn.cli.train import build_parser
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.data.plan import plan_batch
from segibn.engine import checkpoint

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/training.md").read_text(encoding="utf-8")
SECTIONS = "data|model|loss|optim|ema|engine|evaluation"
KEYS = sorted(set(re.findall(rf"\b((?:{SECTIONS})(?:\.[a-z_]+)+)\b(?!\.py|/)", TEXT)))


def joined(text: str) -> str:
    return re.sub(r"\\\n\s*", " ", text)


def launches() -> list[str]:
    """Return every torchrun command of the guide, Slurm's among them."""
    return re.findall(r"torchrun (--[^\n`&]+)", joined(TEXT))


def has_key(path: str) -> bool:
    models: list[type[BaseModel]] = [RunConfig]
    for part in path.split("."):
        found = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        if not found:
            return False
        models = [model for annotation in found for model in models_in(annotation)]
    return True


def models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in typing.get_args(annotation) for m in models_in(part)]


@pytest.mark.parametrize("key", KEYS)
def test_every_key_it_names_exists(key: str) -> None:
    assert has_key(key)


def test_it_names_keys_of_every_section() -> None:
    assert {key.partition(".")[0] for key in KEYS} == set(SECTIONS.split("|"))
    assert not has_key("optim.learning_rate")


@pytest.mark.parametrize("command", launches())
def test_torchrun_and_train_both_take_every_launch(command: str) -> None:
    command = re.sub(r'"?\$\{?SLURM_JOB_NUM_NODES\}?"?', "2", command)
    words = shlex.split(command)
    given = get_args_parser().parse_args(words)
    assert (given.module, given.training_script) == (True, "segibn")
    verb, *arguments = given.training_script_args
    assert verb == "train"
    training = build_parser().parse_intermixed_args(arguments)
    config = load_config(ROOT / "configs" / f"{training.config}.yaml", training.overrides)
    low, _, high = given.nnodes.partition(":")
    for nodes in range(int(low), int(high or low) + 1):
        processes = nodes * int(given.nproc_per_node)
        assert plan_batch(config.optim.global_batch_size, processes).per_process >= 1
    if given.nnodes != "1:1":  # torchrun's default: one node
        assert given.rdzv_backend == "c10d"
        assert given.rdzv_endpoint.endswith(":29500")
        assert training.resume == "auto"


def test_it_shows_one_node_several_nodes_elastic_and_slurm() -> None:
    assert len(launches()) == 4


def test_the_slurm_script_is_a_shell_script() -> None:
    (script,) = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert script.startswith("#!/bin/bash\n#SBATCH ")


def test_the_table_of_shares_is_what_the_batch_plan_gives() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", TEXT, re.MULTILINE)
    assert len(rows) == 4
    for row in rows:
        processes, share, steps, normalised = map(int, row)
        plan = plan_batch(16, processes, 4)
        assert (plan.per_process, plan.steps) == (share, steps)
        assert plan.micro_batch * processes == normalised


def test_the_keys_that_a_resumed_run_may_change_are_those_that_the_code_lets_pass() -> None:
    listed = TEXT.partition("<!-- free keys -->")[2].partition("<!-- /free keys -->")[0]
    named = set(re.findall(r"`([\w.]+)`", listed))
    assert named == {key for key in checkpoint._FREE if has_key(key)}


def test_configs_it_names_exist() -> None:
    named = re.findall(r"configs/[\w/]+\.yaml", TEXT)
    assert len(named) >= 4
    assert all((ROOT / name).is_file() for name in named)
