"""Files that are not what they should be: each gets a message that says what it is."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from segibn.errors import CheckpointError
from segibn.models.weights.state import read_safetensors, read_torch_file


class _Runs:
    """Pickles as a call of ``os.system``."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def _whole(path: Path, *, old_format: bool = False) -> bytes:
    torch.save({"x": torch.ones(1000)}, path, _use_new_zipfile_serialization=not old_format)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"w\.pth is empty; get it again"),
        (b"<!DOCTYPE html>\n<title>Sign in", r"w\.pth is a text that begins '<!DOCTYPE html>'"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), r"w\.pth is damaged or no file of weights.*get it again"),
    ],
)
def test_what_is_no_file_of_weights_is_described(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_torch_file(tmp_path / "w.pth")


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_truncated_file_is_called_cut_short(tmp_path: Path, old_format: bool, share: float) -> None:
    whole = _whole(tmp_path / "w.pth", old_format=old_format)
    (tmp_path / "w.pth").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=r"w\.pth is cut short or damaged .*get it again"):
        read_torch_file(tmp_path / "w.pth")


@pytest.mark.parametrize("old_format", [False, True])
def test_code_in_a_pickle_is_named_and_not_run(tmp_path: Path, old_format: bool) -> None:
    ran = tmp_path / "ran"
    content = {"state_dict": _Runs(f"touch {ran}")}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=not old_format)
    with pytest.raises(CheckpointError) as caught:
        read_torch_file(tmp_path / "w.pth")
    assert "w.pth holds more than tensors and numbers (posix.system)" in str(caught.value)
    assert "torch.save(network.state_dict(), FILE)" in str(caught.value)
    assert "weights_only" not in str(caught.value)
    assert not ran.exists()


def test_a_whole_saved_module_is_refused_by_its_name(tmp_path: Path) -> None:
    torch.save(torch.nn.ReLU(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"\(torch\.nn\.modules\.activation\.ReLU\)"):
        read_torch_file(tmp_path / "w.pth")


def test_a_folder_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is a folder; name a file in it"):
        read_torch_file(tmp_path)
    with pytest.raises(CheckpointError, match=r"w\.pth: no such file"):
        read_torch_file(tmp_path / "w.pth")


NUMBERS = [np.float64(0.3385), np.float32(0.5), np.float16(-2), np.int64(-7), np.uint8(200)]


@pytest.mark.parametrize("value", [*NUMBERS, np.bool_(True)])
def test_numpy_numbers_beside_weights_are_read_as_python_numbers(tmp_path: Path, value: np.generic) -> None:
    torch.save({"mean_iu": value, "x": torch.ones(2)}, tmp_path / "w.pth")
    read = read_torch_file(tmp_path / "w.pth")["mean_iu"]
    assert type(read) is type(value.item())
    assert read == value.item()


def test_numpy_numbers_of_files_older_than_numpy_2_are_read(tmp_path: Path) -> None:
    # The old format holds its pickle in the open: give the constructor the name it had then.
    torch.save({"x": np.float64(1.5)}, tmp_path / "w", _use_new_zipfile_serialization=False)
    data = (tmp_path / "w").read_bytes()
    assert data.count(b"cnumpy._core.multiarray\nscalar\n") == 1
    (tmp_path / "w").write_bytes(data.replace(b"cnumpy._core.multi", b"cnumpy.core.multi"))
    assert read_torch_file(tmp_path / "w") == {"x": 1.5}
    # Another byte order, as a big-endian machine writes it.
    order, number = b"X\x01\x00\x00\x00<", struct.pack("<d", 1.5).decode("latin1").encode()
    swapped = struct.pack(">d", 1.5).decode("latin1").encode()
    assert data.count(order) == data.count(number) == 1
    (tmp_path / "w").write_bytes(data.replace(order, order[:-1] + b">").replace(number, swapped))
    assert read_torch_file(tmp_path / "w") == {"x": 1.5}


@pytest.mark.parametrize("value", [np.str_("a"), np.complex64(1j), np.ones(2)])
def test_other_numpy_values_are_refused(tmp_path: Path, value: object) -> None:
    torch.save({"x": value}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"w\.pth holds more than .* \(numpy"):
        read_torch_file(tmp_path / "w.pth")


def test_a_file_with_one_other_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"w": torch.full((1000,), 0.1)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((9,), 0.1).numpy().tobytes()) + 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="data/0 in it does not have the checksum"):
        read_torch_file(path)


def test_safetensors_are_read_and_a_cut_one_is_refused(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch", reason="needs the extra `export`")
    path = tmp_path / "w.safetensors"
    safetensors.save_file({"x": torch.arange(100.0)}, path)
    assert torch.equal(read_safetensors(path)["x"], torch.arange(100.0))
    with pytest.raises(CheckpointError, match=r"can be model\.weights of a config"):
        read_torch_file(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CheckpointError, match=r"w\.safetensors is cut short"):
        read_safetensors(path)
