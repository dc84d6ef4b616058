"""Batch norm over ranks: two processes with a part of the batch equal one with all of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from segibn.models.ibn import InstanceBatchNorm2d
from segibn.models.kernels.ibn_unsplit import is_for_passes
from segibn.models.share_norm import InstanceShareNorm2d
from segibn.models.sync_norm import SyncBatchNorm2d, synchronize_batch_norms

WORKER = """
import sys
import torch
import torch.distributed as dist
from segibn.models.ibn import InstanceBatchNorm2d
from segibn.models.share_norm import InstanceShareNorm2d
from segibn.models.sync_norm import synchronize_batch_norms

dist.init_process_group("gloo")
rank = dist.get_rank()
results = []
for case in torch.load(sys.argv[1], weights_only=True):
    share = case["share"]
    norm = InstanceBatchNorm2d(6) if share is None else InstanceShareNorm2d(6, share)
    norm.double().load_state_dict(case["state"])
    norm = synchronize_batch_norms(norm.train(), torch.device("cpu"))
    part = slice(0, 3) if rank == 0 else slice(3, 4)
    x = case["x"][part].clone(memory_format=torch.channels_last).requires_grad_()
    out = norm(x)
    out.backward(case["upstream"][part])
    result = {"out": out.detach(), "grad": x.grad, "state": norm.state_dict()}
    result["weights"] = {name: p.grad for name, p in norm.named_parameters()}
    results.append(result)
torch.save(results, f"{sys.argv[2]}/{rank}.pt")
dist.destroy_process_group()
"""


def _norm(share: torch.Tensor | None) -> nn.Module:
    norm = InstanceBatchNorm2d(6) if share is None else InstanceShareNorm2d(6, share)
    return norm.double()


def _case(size: tuple[int, int], share: torch.Tensor | None = None) -> dict:
    norm = _norm(share)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(4, 6, *size, dtype=torch.float64) * 2 + 3
    return {"share": share, "state": dict(norm.state_dict()), "x": x, "upstream": torch.randn_like(x)}


def _check_case(case: dict, ranks: list[dict]) -> None:
    norm = _norm(case["share"]).train()
    norm.load_state_dict(case["state"])
    x = case["x"].requires_grad_()
    out = norm.split_form(x) if case["share"] is None else norm.formula_form(x)
    out.backward(case["upstream"])
    torch.testing.assert_close(torch.cat([r["out"] for r in ranks]), out)
    torch.testing.assert_close(torch.cat([r["grad"] for r in ranks]), x.grad)
    for name, parameter in norm.named_parameters():
        torch.testing.assert_close(sum(r["weights"][name] for r in ranks), parameter.grad)
    for rank in ranks:
        for key, value in norm.state_dict().items():
            torch.testing.assert_close(rank["state"][key], value)


def test_two_ranks_of_unequal_size_equal_one_batch(run_two_ranks: Callable[..., str], tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = (5, 3), (60, 50)  # split, and large enough for the unsplit form
    shares = None, torch.tensor([1.0, 0.5, 0.3, 0.1, 0.0, 0.0])
    cases = [_case(size, share) for share in shares for size in sizes]
    assert [is_for_passes(case["x"]) for case in cases] == [False, True] * 2
    torch.save(cases, tmp_path / "cases.pt")
    (tmp_path / "worker.py").write_text(WORKER)
    run_two_ranks(tmp_path / "worker.py", tmp_path / "cases.pt", tmp_path)
    ranks = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    for index, case in enumerate(cases):
        _check_case(case, [rank[index] for rank in ranks])


def test_alone_and_in_evaluation_it_is_batch_norm() -> None:
    torch.manual_seed(0)
    ours, reference = SyncBatchNorm2d(4), nn.BatchNorm2d(4)
    x = torch.randn(3, 4, 5, 5)
    assert torch.equal(ours(x), reference(x))
    assert torch.equal(ours.eval()(x), reference.eval()(x))
    assert ours.state_dict().keys() == reference.state_dict().keys()


@pytest.mark.parametrize(("device", "kind"), [("cpu", SyncBatchNorm2d), ("cuda", nn.SyncBatchNorm)])
def test_every_batch_norm_and_no_instance_norm_is_replaced(device: str, kind: type) -> None:
    model = nn.Sequential(nn.BatchNorm2d(4), InstanceBatchNorm2d(4))
    keys = model.state_dict().keys()
    model = synchronize_batch_norms(model, torch.device(device))
    assert type(model[0]) is kind
    assert type(model[1].BN) is kind
    assert type(model[1].IN) is type(InstanceBatchNorm2d(4).IN)
    assert model.state_dict().keys() == keys
