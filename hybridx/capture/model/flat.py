"""A model as a function of tensors, every run of which starts at the same state of the model."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from hybridx.capture.model.devices import is_elsewhere, placed
from hybridx.capture.model.forward_call import ForwardCall
from hybridx.capture.model.holders import Copies
from hybridx.capture.model.kept_state import Snapshot
from hybridx.capture.model.outputs import named_tensors
from hybridx.capture.model.precision import Noticing, Raised, has_low
from hybridx.capture.python.branches import Outputs
from hybridx.capture.python.patches import current, intercepting
from hybridx.capture.python.torch_mode import following
from hybridx.capture.torch_internals import (
    forward_mode_noted,
    module_of_weights,
    needs_gradients,
    parameters_of,
    registered_in,
    untraced,
    version_of,
)
from hybridx.errors import NoOutputError


class Flat:
    """A model as a function of tensors alone that returns tensors alone.

    Whatever a run changes in the model is restored when it ends, however it ends.

    Args:
        output_names: for the outputs in order; by default, and where they are not as many as the
            outputs, or the same ones in another order, the outputs have the names of the model.

    Attributes:
        model: the model itself.
        call: how the tensors become arguments of `forward`.
        output_names: of the tensors that the latest call returned.
        remarks: sentences on the values it returned that are not tensors.
        kept: paths of what any run has changed in the model.
        examined: those of which `earlier_calls.py` knows whether outputs depend on them.
        is_raised: the model computes in bfloat16 or half precision somewhere, and is run in a
            higher one; None as long as no run of it has shown that.
        differentiates: forward takes derivatives, so that it is run with gradients.
        lends_gradients: its inputs need to require gradients already.
    """

    def __init__(
        self,
        model: nn.Module,
        call: ForwardCall,
        dtype: str = "float32",
        output_names: Sequence[str] = (),
    ) -> None:
        self.model = model
        self.call = call
        self._called = tuple(output_names)
        self.is_raised = True if has_low(model) else None
        self._dtype: torch.dtype = getattr(torch, dtype)
        self.output_names: tuple[str, ...] = ()
        self.remarks: tuple[str, ...] = ()
        self.kept: tuple[str, ...] = ()
        self.examined: frozenset[str] = frozenset()
        self.differentiates = False
        self.lends_gradients = False
        self._is_away = is_elsewhere(model)
        self._copies = Copies()
        self._written_inputs: set[str] = set()

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        weights = (parameter for _, parameter in parameters_of(self.model))
        return next((weight.device for weight in weights), torch.device("cpu"))

    @property
    def module(self) -> nn.Module:
        """The function as a module for torch.export."""
        return _Traced(self)

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run the eager model; `tensors` are in the order of the call's names.

        Raises:
            NoOutputError: the model returns no tensor.
        """
        if not self.differentiates:
            try:
                with (
                    intercepting(begin_derivative=_refuse_derivative),
                    forward_mode_noted(_refuse_derivative),
                ):
                    return self._run_restored(tensors)
            except _Differentiates:
                self.differentiates = True
            except RuntimeError as error:
                if not needs_gradients(error):
                    raise
                self.differentiates = True
        try:
            return self._run_restored(tensors)
        except RuntimeError as error:
            if self.lends_gradients or not needs_gradients(error):
                raise
            self.lends_gradients = True
            return self._run_restored(tensors)

    def _run_restored(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        if self.is_raised is None:
            with self.restored(), Noticing() as noticing:
                outputs = self.run(tensors)
            self.is_raised = noticing.has_low
            if not self.is_raised:
                return outputs
        with self.restored():
            return self.run(tensors)

    def later(
        self,
        first: Sequence[Tensor],
        then: Sequence[Tensor],
        *,
        calls: int = 1,
        only: Collection[str] | None = None,
    ) -> tuple[Tensor, ...] | None:
        """Return the outputs of a call that finds what earlier calls left.

        Args:
            first: inputs of the call before.
            then: inputs of the call.
            calls: numbers that the call before changes are changed so many times as much; with
                more than one, the result is None if there are no such numbers.
            only: paths of what is left to the call; by default everything is.
        """
        with self.restored() as snapshot:
            self.run(first)
            if only is not None:
                snapshot.put_back(only)
            if calls > 1 and not snapshot.advance(calls):
                return None
            return self.run(then)

    @contextmanager
    def restored(self) -> Iterator[Snapshot]:
        """Restore the model afterwards, and note what has changed in it."""
        snapshot = Snapshot(self.model, self._copies)
        try:
            yield snapshot
        finally:
            self.kept = tuple(dict.fromkeys([*self.kept, *snapshot.changed()]))
            snapshot.put_back()

    def run(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run the eager model as a call of it does, which leaves in it what forward writes."""
        given = self._copied(tensors)
        versions = {name: version_of(tensor) for name, tensor in given.items()}
        outputs = self._returned(given)
        self._written_inputs |= {
            name for name, tensor in given.items() if version_of(tensor) != versions[name]
        }
        # What is returned may be what is kept, and is then restored.
        return tuple(output.detach().clone() for output in outputs)

    def _named(self, tensors: Sequence[Tensor]) -> Iterator[tuple[str, Tensor]]:
        return zip(self.call.names, tensors, strict=True)

    def _lent(self, tensor: Tensor) -> Tensor:
        """Return an input, which requires a gradient if the model needs that."""
        lends = self.lends_gradients and tensor.is_floating_point()
        return tensor.detach().requires_grad_() if lends else tensor

    def _returned(self, given: dict[str, Tensor]) -> tuple[Tensor, ...]:
        found, remarks = named_tensors(self.answer(given), taken=self.call.names)
        if not found:
            raise NoOutputError("; ".join(remarks) or "nothing at all")
        self.output_names, self.remarks = self._names(tuple(found)), remarks
        return tuple(found.values())

    def _names(self, own: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of outputs: those that were asked for, if they are as many."""
        is_other = set(self._called) != set(own)
        return self._called if is_other and len(self._called) == len(own) else own

    def answer_to(self, tensors: Mapping[str, Tensor]) -> Any:
        """Return what the model itself returns for inputs that are left as they are."""
        return self.answer(self._copied([tensors[name] for name in self.call.names]))

    def _copied(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        return {name: self._lent(one.detach().clone()) for name, one in self._named(tensors)}

    def answer(self, tensors: Mapping[str, Tensor]) -> Any:
        """Return what the model itself returns; a generator is run to its end."""
        args, kwargs = self.call.filled(tensors)
        # What torch.compile made runs as it was written; a trace goes through it, not into it.
        stance = torch.compiler.set_stance("force_eager")
        raised: Any = Raised(self._dtype) if self.is_raised else nullcontext()
        gradients: Any = torch.enable_grad() if self.differentiates else nullcontext()
        with stance, placed(self._is_away), following(), raised, gradients:
            returned = self.model(*args, **kwargs)
            return list(returned) if inspect.isgenerator(returned) else returned

    def traced(self, weights: Sequence[Any], tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run the model on tensors of a trace.

        What a run is known to write into is replaced by a copy, so that no write leaves the trace.

        Args:
            weights: what `module_of_weights` returned.
            tensors: in the order of the call's names.
        """
        with untraced():
            snapshot = Snapshot(self.model, None)
        written = self._copies.written
        try:
            lent = [
                (own, name, tensor, theirs[names[name]])
                for module, stand_in, names in weights
                for own, theirs in zip(registered_in(module), registered_in(stand_in), strict=True)
                for name, tensor in own.items()
                if isinstance(tensor, Tensor)
            ]
            unregistered = written - {id(tensor) for _, _, tensor, _ in lent}

            # A derivative by a weight asks for the tensor that the circuit takes, and a TorchLayer
            # has its weights in a dict as well.
            stands = {id(own): traced for _, _, own, traced in lent if self.differentiates}

            def copied(value: Any) -> Any:
                if not isinstance(value, Tensor):
                    return value
                is_copied = id(value) in unregistered
                return stands.get(id(value), value.clone() if is_copied else value)

            snapshot.stand_in(copied)
            values = current().values
            for own, name, tensor, traced in lent:
                if values is not None:
                    values.give(traced, tensor)
                own[name] = traced.clone() if id(tensor) in written else traced
            given = {
                name: self._lent(tensor.clone() if name in self._written_inputs else tensor)
                for name, tensor in self._named(tensors)
            }
            return self._returned(given)
        finally:
            with untraced():
                snapshot.put_back()
            snapshot.forget_calls()


class _Differentiates(Exception):  # noqa: N818
    """The model takes a derivative, and runs without gradients."""


def _refuse_derivative() -> None:
    raise _Differentiates


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Restore afterwards whatever runs of a model change in it."""
    snapshot = Snapshot(model, Copies())
    try:
        yield
    finally:
        snapshot.changed()
        snapshot.put_back()


class _Traced(nn.Module):
    """A module with the weights of a model under their own names, which calls a `Flat`."""

    def __init__(self, flat: Flat) -> None:
        super().__init__()
        self._run: Any = None  # no weight may have this name
        weights = module_of_weights(flat.model, self)

        def run(tensors: Sequence[Tensor]) -> Outputs:
            outputs = flat.traced(weights, tensors)
            return flat.output_names, outputs

        self._run = run

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        branches = current().branches
        outputs: Outputs
        outputs = self._run(tensors) if branches is None else branches.follow(self._run, tensors)
        return outputs[1]
