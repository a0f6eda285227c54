"""A step of training in JAX: one jitted function with its loss, its gradients and Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import optax
from jax import numpy as jnp

from benchmarks.training.lessons import RATE, Lesson, Library, Parameters, parameters_of
from benchmarks.training.steps import Training
from benchmarks.workloads import Arrays

BETA = 0.9  # of Adam: its first moment after one step is the tenth part of the gradient

JAX = Library(
    Arrays(jnp.asarray, jnp.tanh, jax.scipy.special.erf),
    lambda parts: jnp.concatenate(parts, -1),
    jnp.zeros,
    lambda step, state, rows: jax.lax.scan(lambda s, row: (step(s, row), None), state, rows)[0],
)


def train(
    model: Callable[[Parameters, Any], Any],
    lesson: Lesson,
    compiled: Callable[[Any], Any] = jax.jit,
    value_and_grad: Callable[[Any], Any] = jax.value_and_grad,
) -> Training:
    """Return a model in training.

    Args:
        model: from parameters and rows to results.
        lesson: its rows and targets.
        compiled: compiles the step.
        value_and_grad: differentiates the loss by the parameters.
    """
    x, y = jnp.asarray(lesson.rows), jnp.asarray(lesson.targets)
    adam = optax.adam(RATE, b1=BETA)

    def loss(parameters: Parameters, x: Any, y: Any) -> Any:
        return ((model(parameters, x).reshape(y.shape) - y) ** 2).mean()

    @compiled
    def update(parameters: Any, state: Any, x: Any, y: Any) -> Any:
        value, slopes = value_and_grad(loss)(parameters, x, y)
        moves, state = adam.update(slopes, state)
        return optax.apply_updates(parameters, moves), state, value

    parameters = {n: jnp.asarray(array) for n, array in parameters_of(lesson.workload).items()}
    state = adam.init(parameters)

    def step() -> Any:
        nonlocal parameters, state
        parameters, state, value = update(parameters, state, x, y)
        return jax.block_until_ready(value)

    def gradients() -> Any:
        return {name: moment / (1 - BETA) for name, moment in state[0].mu.items()}

    return Training(step, gradients)
