"""Compiles every kernel to machine code for two generations of GPUs; needs none."""

import sys
from itertools import product

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from segibn.models.kernels import ibn_triton

FEW = ((80, "bf16"), (90, "fp32"))
"""Either generation and either type once."""
POINTERS_OF_X = ("x", "grad", "out")


def signature_of(kernel, element: str) -> tuple[dict[str, str], dict[str, object]]:
    """Types of the arguments and values of the compile-time ones, as the passes have them."""
    constants = {"ACC": tl.float32, "BLOCK_C": 64, "BLOCK_P": 64}
    integers = ("channels", "pixels", "image_stride", "channel_stride", "pixel_stride", "part")
    types = {}
    for name in kernel.arg_names:
        if name in constants:
            types[name] = "constexpr"
        elif name in integers:
            types[name] = "i32"
        else:
            types[name] = f"*{element}" if name in POINTERS_OF_X else "*fp32"
    return types, constants


def main(argv: list[str]) -> int:
    kernels = {n: getattr(ibn_triton, n) for n in dir(ibn_triton) if n.endswith("_kernel")}
    assert len(kernels) == 4, kernels
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
