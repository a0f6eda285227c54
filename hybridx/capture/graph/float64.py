"""Keep float64 at full precision on its way to ONNX; float32 parts of a graph do not change.

Three things would lose precision. ONNX Runtime's CPU provider has no float64 kernel for erf, the
inverse trigonometric functions and several activations. ONNX stores the epsilon of
LayerNormalization as a float32. Both are replaced by formulas that are accurate to a few units of
1e-16. torch's exporter rounds plain numbers to float32 (seen in 2.13): they become tensors first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

_aten = torch.ops.aten

# log(erfc(z) exp(z^2) / t) with t = 2 / (2 + z), as a Chebyshev series in 2 t - 1 for z >= 0.
# The substitution is that of Press et al., Numerical Recipes (2007), section 6.2.2; the
# coefficients were fitted with 50 digits. As powers of t - 1/2 they are all above 1e-8: torch's
# ONNX optimizer treats smaller summands as zero (seen in 2.13).
_ERFC = 2.0 ** np.arange(28) * np.polynomial.chebyshev.cheb2poly([
    -0.6513268598908547, 0.6419697923564902, 0.019476473204185836, -0.009561514786808632,
    -0.0009465953444820369, 0.00036683949785276145, 4.252332480690777e-05,
    -2.0278578112534242e-05, -1.6242900046470256e-06, 1.3036558355805232e-06,
    1.5626441722066142e-08, -8.523809591492654e-08, 6.529054439098851e-09,
    5.05934349555147e-09, -9.913641564930345e-10, -2.2736512229318194e-10,
    9.646791102015354e-11, 2.3940380830408853e-12, -6.886027526499303e-12,
    8.944879273107424e-13, 3.1309213993276136e-13, -1.127082236123249e-13,
    3.8109052440319527e-16, 7.106097614455729e-15, -1.5230282020060452e-15,
    -9.457494547987316e-17, 1.210237190130616e-16, -2.8166631288710464e-17,
])  # fmt: skip


def erfc(x: Tensor) -> Tensor:
    """Return the complementary error function."""
    z = x.abs()
    positive = scaled_erfc(z, -z * z)
    return torch.where(x < 0, 2 - positive, positive)


def scaled_erfc(z: Tensor, exponent: Tensor | float = 0.0) -> Tensor:
    """Return erfc(z) exp(z^2) times the exponential of `exponent`, for z >= 0."""
    t = 2 / (2 + z)
    return t * torch.exp(_polynomial(t - 0.5, _ERFC.tolist()) + exponent)


def atan(x: Tensor) -> Tensor:
    """Return the arc tangent in radians.

    1/x above 1, then atan(x) = 2 atan(x / (1 + sqrt(1 + x^2))) twice, then the power series.
    """
    z = x.abs()
    small = torch.where(z > 1, 1 / z, z)
    for _ in range(2):
        small = small / (1 + torch.sqrt(1 + small * small))
    # tan(pi / 16) = 0.199; its 25th power is below 1e-17.
    series = [(-1.0) ** k / (2 * k + 1) for k in range(12)]
    angle = 4 * small * _polynomial(small * small, series)
    return torch.sign(x) * torch.where(z > 1, math.pi / 2 - angle, angle)


def asin(x: Tensor) -> Tensor:
    """Return the arc sine in radians; NaN outside [-1, 1]."""
    return atan(x / torch.sqrt((1 - x) * (1 + x)))


def atan2(y: Tensor, x: Tensor) -> Tensor:
    """Return the angle of the point (x, y) in radians, in [-pi, pi]; 0 at the origin."""
    zero = torch.zeros_like(x)
    slope = y / torch.where(x == 0, zero, x)  # a zero of -0 would flip the sign
    turned = torch.where(x < 0, torch.where(y < 0, zero - math.pi, zero + math.pi), zero)
    return torch.where((x == 0) & (y == 0), zero, atan(slope) + turned)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """Return x times the normal distribution function of x, or its approximation by tanh."""
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1 + torch.tanh(inner))
    return 0.5 * x * erfc(-x / math.sqrt(2))


def softplus(x: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """Return log(1 + exp(beta x)) / beta without overflow."""
    scaled = beta * x
    smooth = torch.relu(scaled) + torch.log(1 + torch.exp(-scaled.abs()))
    return torch.where(scaled > threshold, x, smooth / beta)


def elu(x: Tensor, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Tensor:
    """Return scale times x above 0, alpha (exp(input_scale x) - 1) below."""
    below = alpha * (torch.exp(torch.clamp(input_scale * x, max=0.0)) - 1)
    return scale * torch.where(x > 0, x, below)


def layer_norm(
    x: Tensor,
    normalized_shape: list[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """Return x normalised over its last axes, with an epsilon of full precision."""
    axes = list(range(-len(normalized_shape), 0))
    centred = x - x.mean(axes, keepdim=True)
    normal = centred / torch.sqrt((centred * centred).mean(axes, keepdim=True) + eps)
    scaled = normal if weight is None else normal * weight
    return scaled if bias is None else scaled + bias


_FORMULAS: Mapping[Any, Callable[..., Tensor]] = {
    _aten.erf.default: lambda x: 1 - erfc(x),
    _aten.erfc.default: erfc,
    _aten.gelu.default: gelu,
    _aten.layer_norm.default: layer_norm,
    _aten.softplus.default: softplus,
    _aten.elu.default: elu,
    _aten.selu.default: lambda x: elu(x, 1.6732632423543772, 1.0507009873554805),
    _aten.mish.default: lambda x: x * torch.tanh(softplus(x)),
    _aten.leaky_relu.default: lambda x, slope=0.01: torch.where(x > 0, x, slope * x),
    _aten.hardsigmoid.default: lambda x: torch.clamp(x + 3, 0, 6) / 6,
    _aten.tan.default: lambda x: torch.sin(x) / torch.cos(x),
    _aten.atan.default: atan,
    _aten.arctan.default: atan,
    _aten.atan2.default: atan2,
    _aten.asin.default: asin,
    _aten.arcsin.default: asin,
    _aten.acos.default: lambda x: math.pi / 2 - asin(x),
    _aten.arccos.default: lambda x: math.pi / 2 - asin(x),
}


def _only_float64(formula: Callable[..., Tensor]) -> Callable[..., Any]:
    def decomposed(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        return formula(x, *args, **kwargs) if x.dtype == torch.float64 else NotImplemented

    return decomposed


DECOMPOSITIONS = {target: _only_float64(formula) for target, formula in _FORMULAS.items()}
"""For `ExportedProgram.run_decompositions`; float32 operations stay as they are."""


def _polynomial(x: Tensor, coefficients: list[float]) -> Tensor:
    """Evaluate a polynomial by Horner's rule; the constant is the first coefficient."""
    *lower, value, highest = coefficients
    result = highest * x + value
    for coefficient in reversed(lower):
        result = result * x + coefficient
    return result


def lift_numbers(module: fx.GraphModule) -> None:
    """Replace plain numbers that torch's exporter would change by tensors, in place.

    In float64 these are the numbers that a float32 does not hold exactly. In all dtypes, its
    optimizer leaves out `x + 1e-12` and `x * 1.000001`: it takes numbers for 0 and 1 that are
    within 1e-8 and 1e-5 of them (seen in onnxscript 0.7), unless they have an axis.
    """
    for node in list(module.graph.nodes):
        value = node.meta.get("val")
        target = _LIFTED.get(node.target)
        if target is None or not isinstance(value, Tensor) or not value.is_floating_point():
            continue
        is_mistaken = value.dim() > 0 and any(_is_mistaken(node.target, a) for a in node.args)
        is_rounded = value.dtype == torch.float64 and any(map(_is_rounded, node.args))
        if not is_mistaken and not is_rounded:
            continue
        shape = (1,) if is_mistaken else ()
        with module.graph.inserting_before(node):
            args = [
                _lifted(module, torch.full(shape, a, dtype=value.dtype))
                if isinstance(a, float)
                else a
                for a in node.args
            ]
            if node.target is _aten.rsub.Scalar:
                args.reverse()
            wide = module.graph.call_function(target, tuple(args), node.kwargs)
        wide.meta = dict(node.meta)
        node.replace_all_uses_with(wide)
        module.graph.erase_node(node)
    module.recompile()


_LIFTED = {
    _aten.add.Tensor: _aten.add.Tensor,
    _aten.sub.Tensor: _aten.sub.Tensor,
    _aten.rsub.Scalar: _aten.sub.Tensor,
    _aten.mul.Tensor: _aten.mul.Tensor,
    _aten.div.Tensor: _aten.div.Tensor,
    _aten.pow.Tensor_Scalar: _aten.pow.Tensor_Tensor,
    _aten.clamp.default: _aten.clamp.Tensor,
    _aten.clamp_min.default: _aten.clamp_min.Tensor,
    _aten.clamp_max.default: _aten.clamp_max.Tensor,
}


def _is_rounded(argument: Any) -> bool:
    return isinstance(argument, float) and float(np.float32(argument)) != argument


_NEUTRAL = {
    **dict.fromkeys((_aten.add.Tensor, _aten.sub.Tensor, _aten.rsub.Scalar), 0.0),
    **dict.fromkeys((_aten.mul.Tensor, _aten.div.Tensor), 1.0),
}


def _is_mistaken(target: Any, argument: Any) -> bool:
    """Return whether torch's optimizer takes a number for one that changes nothing."""
    neutral = _NEUTRAL.get(target)
    if neutral is None or not isinstance(argument, float) or argument == neutral:
        return False
    return math.isclose(argument, neutral, rel_tol=1e-5, abs_tol=1e-8)


def _lifted(module: fx.GraphModule, number: Tensor) -> fx.Node:
    name = f"number_{len(module.graph.nodes)}"
    module.register_buffer(name, number, persistent=False)
    node = module.graph.get_attr(name)
    node.meta["val"] = number
    return node
