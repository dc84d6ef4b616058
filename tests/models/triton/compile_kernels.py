"""Compiles every kernel to machine code for two generations of GPUs; needs none."""

import sys
from itertools import product

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from segibn.models.kernels import ibn_triton

FEW = ((80, "bf16"), (90, "fp32"))
"""Either generation and either type once."""


def signature_of(kernel, element: str) -> tuple[dict[str, object], dict[str, int]]:
    """Types of the arguments and values of the compile-time ones, as the passes have them."""
    constants = {"BLOCK_C": 64, "BLOCK_P": 64}
    of_x = {"x", "grad"} | ({"out"} if "weight" in kernel.arg_names else set())
    types = {name: f"*{element if name in of_x else 'fp32'}" for name in kernel.arg_names}
    types |= dict.fromkeys(constants, "constexpr") | {"sizes": ("i32",) * 6}
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
