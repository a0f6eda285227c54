"""Random programs, by a builder that is asked for what fits."""

import numpy as np
from hypothesis import strategies as st

from hybridx.program import Builder, row_size

finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def programs(draw):
    """A program of one to eight random steps, some of which broadcast over the batch."""
    builder = Builder(draw(st.integers(1, 4)))
    is_wrapped = draw(st.booleans())
    steps = (*STEPS, angle) if is_wrapped else STEPS
    values = [wrap(draw, builder) if is_wrapped else builder.parameters]
    for _ in range(draw(st.integers(0, 8))):
        values.append(
            draw(st.sampled_from(steps))(draw, builder, draw(st.sampled_from(values[-2:])))
        )
    result = builder.reshape(values[-1], (None, row_size(values[-1].shape)))
    return builder.build(result, draw(st.none() | st.integers(1, 100)))


def wrap(draw, builder):
    column = st.integers(0, builder.parameters.shape[1] - 1)
    scale = st.sampled_from([0.0, 0.5, 1.0, 1e-40]) | st.floats(1e-3, 1e3)
    return builder.wrap(draw(st.lists(st.tuples(column, scale), min_size=1, max_size=4)))


def angle(draw, builder, x):
    return getattr(builder, draw(st.sampled_from(["cos", "sin"])))(x)


def unary(draw, builder, x):
    return getattr(builder, draw(st.sampled_from(["sqrt", "log", "sign", "hold"])))(x)


def binary(draw, builder, x):
    kind = draw(st.sampled_from(["add", "multiply", "divide", "maximum"]))
    return getattr(builder, kind)(x, constant(draw, builder, (1, *x.shape[1:])))


def matmul(draw, builder, x):
    rows = builder.reshape(x, (None, 1, row_size(x.shape)))
    return builder.matmul(rows, constant(draw, builder, (rows.shape[-1], draw(st.integers(1, 3)))))


def gather(draw, builder, x):
    axis = draw(st.integers(1, len(x.shape) - 1))
    indices = st.lists(st.integers(0, x.shape[axis] - 1), min_size=1, max_size=6)
    return builder.gather(x, axis, draw(indices))


def reshape(draw, builder, x):
    lengths = draw(st.permutations([*x.shape[1:], 1]))
    return builder.reshape(x, (None, *lengths))


def transpose(draw, builder, x):
    x = reshape(draw, builder, x)
    return builder.transpose(x, [0, *draw(st.permutations(range(1, len(x.shape))))])


def concatenate(draw, builder, x):
    return builder.concatenate([x, builder.sign(x)], draw(st.integers(1, len(x.shape) - 1)))


def total(draw, builder, x):
    wide = builder.reshape(x, (*x.shape, 1))
    return builder.sum(wide, draw(st.integers(1, len(x.shape) - 1)))


def constant(draw, builder, shape):
    size = int(np.prod(shape))
    return builder.constant(np.reshape(draw(st.lists(finite, min_size=size, max_size=size)), shape))


STEPS = (unary, binary, matmul, gather, reshape, transpose, concatenate, total)
