"""Compiles every kernel to machine code for two generations of GPUs; needs none."""

import sys
from itertools import product

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from segibn.models.kernels import ibn_triton, ibn_triton_backward

FEW = ((80, "bf16"), (90, "fp32"))
"""Either generation and either type once."""
POINTERS_OF_X = ("x", "grad", "out")


def signature_of(kernel, element: str) -> tuple[dict[str, str], dict[str, object]]:
    """Types of the arguments and values of the compile-time ones, as ``ibn_launch`` has them."""
    constants = {"ACC": tl.float32, "TRAINING": True, "BLOCK_N": 16, "BLOCK_S": 8}
    constants |= {"BLOCK_C": 8, "BLOCK_P": 512} if "finish" in kernel.__name__ else {}
    constants |= {"BLOCK_C": 64, "BLOCK_P": 64} if "finish" not in kernel.__name__ else {}
    integers = ("first", "channels", "pixels", "image_stride", "channel_stride", "pixel_stride")
    integers += (
        "part",
        "parts",
        "images",
        "measured",
        "instance_first",
        "batch_first",
        "num_batch",
    )
    types = {}
    for name in kernel.arg_names:
        if name in constants:
            types[name] = "constexpr"
        elif name in integers:
            types[name] = "i32"
        elif name in ("momentum", "eps"):
            types[name] = "fp32"
        elif name == "batches_tracked":
            types[name] = "*i64"
        else:
            types[name] = f"*{element}" if name in POINTERS_OF_X else "*fp32"
    used = {name: value for name, value in constants.items() if name in kernel.arg_names}
    return types, used


def main(argv: list[str]) -> int:
    modules = (ibn_triton, ibn_triton_backward)
    kernels = {n: getattr(m, n) for m in modules for n in dir(m) if n.endswith("_kernel")}
    assert len(kernels) == 6, kernels
    for name, kernel in kernels.items():
        for capability, element in FEW if argv == ["few"] else product((80, 90), ("bf16", "fp32")):
            types, constants = signature_of(kernel, element)
            source = ASTSource(kernel, signature=types, constexprs=constants)
            target = GPUTarget("cuda", capability, 32)
            compiled = triton.compile(source, target=target, options={"num_warps": 8})
            assert compiled.asm["cubin"], name
            print(name, capability, element, len(compiled.asm["cubin"]), "bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
