"""Each formula for an operator that torch's ONNX exporter lacks agrees with the operator."""

from __future__ import annotations

import math

import pytest
import torch

from hybridx.capture.graph.formulas.linear_operators import LINEAR_OPERATORS
from hybridx.capture.graph.formulas.projected_lstm import projected_lstm
from hybridx.capture.graph.missing_operators import MISSING_OPERATORS

aten = torch.ops.aten

GENERATOR = torch.Generator().manual_seed(3)
X = torch.randn((3, 4, 5), generator=GENERATOR, dtype=torch.float64)
TIES = torch.randint(-2, 3, (3, 4, 5), generator=GENERATOR)
SPECIAL = torch.tensor([0.0, -0.0, 3.0, -2.5, math.inf, -math.inf, math.nan, 1e200]).double()
PAIRS = torch.cartesian_prod(SPECIAL, SPECIAL).T
BORDERS = torch.tensor([-2.0, 0.0, 1.0, 3.0])
VALUES = torch.tensor([[-3.0, -2.0, 0.0], [3.0, 4.0, math.nan]])
PLACES = torch.randint(3, (6, 4, 5), generator=GENERATOR)
SOURCE = torch.randn((6, 4, 5), generator=GENERATOR, dtype=torch.float64)
IMAGE = torch.randn((2, 3, 7, 9), generator=GENERATOR)
VOLUME = torch.randn((2, 5, 6, 7), generator=GENERATOR)
REAL = torch.cat([torch.linspace(-9.7, 40, 500), torch.tensor([0.0, -1.0, 1e5, math.inf])]).double()
PROBABILITIES = torch.cat([torch.linspace(0, 1, 201), torch.tensor([1e-12, 1.5, -1.0])]).double()

CASES = {
    **{
        getattr(aten, name).Tensor: [(TIES, X), (X, TIES)]
        for name in [
            "lt",
            "less",
            "le",
            "less_equal",
            "gt",
            "greater",
            "ge",
            "greater_equal",
            "eq",
            "ne",
            "not_equal",
        ]
    },
    aten.copy.default: [(X, X[0, 0]), (TIES, X[0])],
    aten.unfold_backward.default: [
        (X, [3, 9], 1, 5, 1),
        (X, [3, 14], 1, 5, 3),
        (X.movedim(1, 0), [30, 3], 0, 5, 8),
        (X[0], [11], 0, 5, 2),
    ],
    **{
        getattr(packet, overload): [(9, *given) for given in arguments]
        for packet in [
            aten.bartlett_window,
            aten.blackman_window,
            aten.hamming_window,
            aten.hann_window,
        ]
        for overload, arguments in {
            "default": [()],
            "periodic": [(True,), (False,)],
            "periodic_alpha": [(True, 0.6), (False, 0.6)],
            "periodic_alpha_beta": [(True, 0.6, 0.3)],
        }.items()
        if overload in packet.overloads()
    },
    aten.rsub.Scalar: [(TIES, 1.5), (TIES, 2.5, 3)],
    aten.median.default: [(X,)],
    aten.median.dim: [(X, 1), (X, -1, True)],
    aten.nanmedian.default: [(SPECIAL,)],
    aten.nanmedian.dim: [(SPECIAL, 0)],
    aten.mode.default: [(PLACES, 0)],
    aten._neg_view.default: [(X,)],
    aten.fft_fftfreq.default: [(5, 0.5), (6,)],
    aten.fft_rfftfreq.default: [(5, 0.5), (6,)],
    aten.scaled_dot_product_attention.default: [(X, X, X)],
    aten.amax.default: [(X,), (X, [], True), (X[0, 0, 0],), (TIES > 0,)],
    aten.amin.default: [(X,), (X, [], True), (X[0, 0, 0],), (TIES > 0,)],
    aten.aminmax.default: [(X,), (X[0, 0, 0],)],
    aten.fmax.default: [tuple(PAIRS), (TIES, TIES.flip(0))],
    aten.fmin.default: [tuple(PAIRS), (TIES, TIES.flip(0))],
    aten.cummax.default: [(X, 1), (TIES, 0), (TIES, -1), (TIES > 0, 2), (X[0, 0, 0], 0)],
    aten.cummin.default: [(X, 1), (TIES, 0), (TIES, -1), (TIES > 0, 2), (X[0, 0, 0], 0)],
    aten.cumprod.default: [(X, 1), (TIES, -1), (TIES > 0, 0), (X[0, 0, 0], 0)],
    aten.kthvalue.default: [(X, 2), (X, 3, 1, True), (X[0, 0, 0], 1)],
    aten.searchsorted.Tensor: [(BORDERS, VALUES), (BORDERS.expand(2, 4).contiguous(), VALUES)],
    aten.bucketize.Tensor: [(VALUES, BORDERS), (VALUES[0, 0], BORDERS)],
    aten.ceil.default: [(TIES,)],
    aten.floor.default: [(TIES,)],
    aten.trunc.default: [(TIES,)],
    aten.round.default: [(TIES,)],
    aten.angle.default: [(TIES,), (TIES > 0,)],
    aten.addmm.default: [(TIES[0], TIES[0, :, :3], TIES[0, :3])],
    aten.hypot.default: [tuple(PAIRS)],
    aten.signbit.default: [(SPECIAL[:6],), (TIES,), (TIES > 0,)],
    aten.copysign.Tensor: [(PAIRS[0], PAIRS[1].nan_to_num()), (TIES, TIES.flip(0))],
    aten.copysign.Scalar: [(SPECIAL, -0.0), (TIES, 2.0)],
    aten.masked_select.default: [(X, X > 0), (X, X[0] > 0)],
    aten.diagonal_scatter.default: [
        (X, torch.diagonal(X).sin()),
        (X, torch.diagonal(X, 1, 2, 0).sin(), 1, 2, 0),
        (X, torch.diagonal(X, -2, 1, 2).sin(), -2, 1, 2),
    ],
    aten.narrow_copy.default: [(X, 1, 1, 2), (X, -1, -2, 1)],
    aten.permute_copy.default: [(X, [2, 0, 1])],
    aten.squeeze.dim: [(X, 0), (X, -1)],
    aten.squeeze.dims: [(X, [0, 2])],
    aten.triu_indices.default: [(3, 5), (5, 3, -1), (2, 2, 4), (0, 3)],
    aten.tril_indices.default: [(3, 5), (5, 3, -1), (2, 2, -4), (0, 3)],
    aten.index_reduce.default: [
        (X, 1, torch.tensor([0, 2, 0]), SOURCE[:3, :3], how) for how in ("prod", "mean", "amax")
    ],
    aten.scatter_reduce.two: [(X, 0, PLACES, SOURCE, "mean"), (TIES, 0, PLACES, PLACES, "mean")],
    aten.put.default: [(X, PLACES[:, 0, 0] - 3, SOURCE[:, 0, 0], True)],
    aten.adaptive_max_pool1d.default: [(IMAGE[0], [4]), (IMAGE[0], [12])],
    aten.adaptive_max_pool2d.default: [(IMAGE, [3, 4]), (IMAGE, [7, 3]), (IMAGE, [9, 1])],
    aten.adaptive_max_pool3d.default: [(VOLUME, [2, 6, 3])],
    aten.adaptive_avg_pool3d.default: [(VOLUME, [2, 6, 3])],
    aten._adaptive_avg_pool3d.default: [(VOLUME, [4, 1, 8])],
    aten.avg_pool2d.default: [
        (IMAGE, [3], [1], [1], True, False, 2),
        (IMAGE, [2, 3], [3, 2], [0, 1], True, True, 5),
        (IMAGE, [3, 2], [], [1, 0], False, False, 7),
    ],
    aten.avg_pool3d.default: [(VOLUME, [3], [2], [1], True, False, 2)],
    aten._pdist_forward.default: [(X[0],), (X[0], 1.0), (X[0], math.inf), (X[0], 0.0)],
    aten.pdist.default: [(X[0], 3.0)],
    aten.cosine_embedding_loss.default: [
        (X[0], X[1], torch.tensor([1, -1, -1, 1]), 0.1, reduction) for reduction in (0, 1, 2)
    ],
    aten.linalg_vander.default: [(X,), (TIES,)],
    aten._native_batch_norm_legit_functional.default: [
        (IMAGE, None, None, torch.zeros(3), torch.ones(3), True, 0.1, 1e-5),
        (X, X[0, :, 0], X[0, :, 1], X[0, :, 2], X[0, :, 3].abs(), True, 0.3, 1e-3),
    ],
    aten.erfinv.default: [(2 * PROBABILITIES - 1,)],
    aten.special_erfinv.default: [(TIES,)],
    aten.lgamma.default: [(REAL,), (TIES + 3,)],
    aten.special_gammaln.default: [(REAL.float(),)],
    aten.digamma.default: [(REAL,), (TIES + 3,)],
    aten.special_digamma.default: [(REAL,)],
    aten.special_psi.default: [(REAL,)],
    aten.polygamma.default: [(0, REAL)],
    aten.special_polygamma.default: [(0, REAL)],
    aten.mvlgamma.default: [(REAL[REAL > 1], 3)],
    aten.special_multigammaln.default: [(REAL[REAL > 1], 1)],
    aten.special_erfcx.default: [(REAL,)],
    aten.special_log_ndtr.default: [(REAL,)],
    aten.special_ndtri.default: [(PROBABILITIES,)],
}

KEYWORDS = {
    aten.searchsorted.Tensor: [{"right": True}, {"side": "right", "out_int32": True}],
    aten.bucketize.Tensor: [{"right": True}],
    aten.index_reduce.default: [{"include_self": False}],
    aten.scatter_reduce.two: [{"include_self": False}],
    aten.aminmax.default: [{"dim": 0, "keepdim": True}],
    aten.linalg_vander.default: [{"N": 3}],
    aten.addmm.default: [{"beta": 2, "alpha": -3}],
}


# Formulas for axes whose length the data say, which a test below traces.
OF_NO_ROWS = {
    overload
    for packet in (aten.mean, aten.var, aten.std)
    for overload in (getattr(packet, name) for name in packet.overloads())
} & set(MISSING_OPERATORS)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch warns about itself
@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("name", ["mean", "var", "std"])
@pytest.mark.parametrize("options", [{}, {"dim": 0}, {"dim": (0, 1), "keepdim": True}])
def test_a_mean_over_rows_that_the_data_choose_is_that_of_torch(name, options):
    class Chosen(torch.nn.Module):
        def forward(self, x):
            return getattr(x[x[:, 0] > 0], name)(**options)

    program = torch.export.export(Chosen(), (X[0],), strict=False)
    targets = {node.target for node in program.graph.nodes} & OF_NO_ROWS
    assert len(targets) == 1
    decomposed = program.run_decompositions({one: MISSING_OPERATORS[one] for one in targets})
    assert not targets & {node.target for node in decomposed.graph.nodes}
    for x in (X[0], -X[0].abs(), X[0].abs()):
        torch.testing.assert_close(
            decomposed.module()(x), Chosen()(x), rtol=1e-10, atol=1e-12, equal_nan=True
        )


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("options", [(1, False, False), (2, True, True)])
def test_the_states_of_a_recurrent_layer_are_projected(bias, options):
    layers, both, batch_first = options
    layer = torch.nn.LSTM(
        5, 4, layers, bias=bias, batch_first=batch_first, bidirectional=both, proj_size=2
    ).double()
    ways = 2 if both else 1
    rows = X.shape[0 if batch_first else 1]
    states = [X.new_full((layers * ways, rows, size), 0.3) for size in (2, 4)]
    given = (bias, layers, 0.0, False, both, batch_first)
    found = projected_lstm(X, states, layer._flat_weights, *given)
    output, ends = layer(X, tuple(states))
    for one, other in zip(found, (output, *ends), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    whole = torch.nn.LSTM(5, 4).double()
    states = [X.new_zeros((1, 4, 4))] * 2
    assert (
        projected_lstm(X, states, whole._flat_weights, True, 1, 0.0, False, False, False)
        is NotImplemented
    )


def test_every_formula_has_examples():
    elsewhere = {
        target
        for target in MISSING_OPERATORS
        if "shift" in str(target) or target in LINEAR_OPERATORS or target in OF_NO_ROWS
    }
    assert set(MISSING_OPERATORS) == set(CASES) | elsewhere


@pytest.mark.parametrize("operator", CASES, ids=str)
def test_a_formula_agrees_with_torch(operator):
    for args in CASES[operator]:
        for kwargs in ({}, *KEYWORDS.get(operator, ())):
            actual, expected = (
                MISSING_OPERATORS[operator](*args, **kwargs),
                operator(*args, **kwargs),
            )
            # Measured 4e-13 for log(gamma(x)) at 40; most formulas repeat torch's own arithmetic.
            torch.testing.assert_close(
                actual if isinstance(expected, torch.Tensor) else tuple(actual),
                expected if isinstance(expected, torch.Tensor) else tuple(expected),
                rtol=1e-12 if any(a is X or a is REAL for a in args) else 1e-5,
                # Windows are float32 of order one.
                atol=1e-7 if "window" in str(operator) else 1e-12,
                equal_nan=True,
            )


def test_what_a_formula_does_not_cover_is_left_to_torch():
    assert MISSING_OPERATORS[aten.amax.default](X, [1]) is NotImplemented
    assert MISSING_OPERATORS[aten.squeeze.dims](X[:, :1], [0, 1]) is NotImplemented
    assert MISSING_OPERATORS[aten.polygamma.default](1, X) is NotImplemented
    assert MISSING_OPERATORS[aten.avg_pool2d.default](IMAGE, [2]) is NotImplemented
    assert MISSING_OPERATORS[aten.lgamma.default](X + 1j) is NotImplemented
