"""``optim.global_batch_size: auto``: a number that fits, kept with the run; a resumed run has the same."""

from pathlib import Path

import pytest
import torch
import yaml

from segibn.config.load import load_config
from segibn.engine import fit_batch
from segibn.engine.train import train
from segibn.engine.trial import kept_bytes, memory_of
from segibn.errors import ConfigError

AUTO = ["optim.global_batch_size=auto", "optim.iterations=2", "data.val=null"]


def test_as_many_as_the_memory_holds_and_the_run_keeps_the_number(
    blocks: Path, blocks_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, float] = {}

    def keep(updater, batch, iteration):
        found["sample"] = kept_bytes(updater, batch, iteration) / len(batch["image"])
        found["fixed"] = sum(memory_of(updater, 0).values())
        return found["sample"] * len(batch["image"])

    monkeypatch.setattr(fit_batch, "kept_bytes", keep)
    config = load_config(blocks_config, AUTO)
    monkeypatch.setattr(fit_batch, "available_bytes", lambda: 1 << 40)
    assert fit_batch.fit_batch(config, blocks, tmp_path / "none", None).optim.global_batch_size == fit_batch.MOST
    free = (found["fixed"] + 6.5 * found["sample"]) / 0.6  # holds six, so four: a power of two
    monkeypatch.setattr(fit_batch, "available_bytes", lambda: free)
    run = tmp_path / "run"
    result = train(config, datasets_root=blocks, output=run)
    assert yaml.safe_load((run / "config.yaml").read_text())["optim"]["global_batch_size"] == 4
    content = torch.load(result.checkpoint, weights_only=True)
    assert content["config"]["optim"]["global_batch_size"] == 4
    monkeypatch.setattr(fit_batch, "available_bytes", lambda: 1 << 40)  # another machine
    assert fit_batch.fit_batch(config, blocks, run, "auto").optim.global_batch_size == 4
    assert train(config, datasets_root=blocks, output=run, resume="auto").iteration == 2


def test_not_even_two_is_an_error_before_any_work(
    blocks: Path, blocks_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_batch, "available_bytes", lambda: 1000)
    with pytest.raises(ConfigError, match=r"auto: not even 2 crops of \(48, 96\) fit; make data\.crop_size smaller"):
        train(load_config(blocks_config, AUTO), datasets_root=blocks, output=tmp_path / "run")
    assert not (tmp_path / "run" / "config.yaml").exists()


@pytest.mark.gpu
def test_on_a_gpu_the_largest_batch_that_succeeds_is_taken(
    blocks: Path, blocks_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_batch, "MOST", 16)
    config = load_config(blocks_config, AUTO)
    assert fit_batch.fit_batch(config, blocks, tmp_path / "run", None).optim.global_batch_size == 16
    tried: list[int] = []

    def refuse(updater, batch, iteration):
        tried.append(len(batch["image"]))
        if len(batch["image"]) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return update(updater, batch, iteration)

    update = fit_batch.Updater.update
    monkeypatch.setattr(fit_batch.Updater, "update", refuse)
    assert fit_batch.fit_batch(config, blocks, tmp_path / "run", None).optim.global_batch_size == 4
    assert tried == [2, 2, 4, 4, 8]


def test_what_programs_can_still_have_is_shared_by_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    alone = fit_batch.available_bytes()
    assert 1 << 28 < alone < 1 << 50
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert fit_batch.available_bytes() == pytest.approx(alone / 4, rel=0.2)
