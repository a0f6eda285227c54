"""From a torch module to a classical graph and circuits: nothing is simulated here."""

from hybridx.capture.example import EXAMPLE_ROWS, AxisNames, Example, OpenAxes
from hybridx.capture.find_axes import prepare_example
from hybridx.capture.graph.local_decompositions import NotLocal, decomposed
from hybridx.capture.graph.ops import CIRCUIT_OP
from hybridx.capture.live_call import LiveCall, Uses, side_by_side, tape_batch, trace_call
from hybridx.capture.model.eager import eagerly
from hybridx.capture.model.flat import Flat, unchanged
from hybridx.capture.model.forward_call import (
    ForwardCall,
    Input,
    Record,
    check_arguments,
    decode_call,
    describe_call,
    plain_call,
    read_arguments,
)
from hybridx.capture.model.given import is_function_of_tensors, owner_of, read_model
from hybridx.capture.model.outputs import free_name
from hybridx.capture.model.precision import (
    as_dtype,
    as_exported,
    choose_dtype,
    in_eval_mode,
    is_whole,
    narrowed,
)
from hybridx.capture.model.randomness import draws_noted
from hybridx.capture.model.structures import as_tensor, is_single, named_parts
from hybridx.capture.model.training_mode import training_note
from hybridx.capture.model.weight_size import check_weight_size
from hybridx.capture.module import Capture, Refused, capture, refusals
from hybridx.capture.pennylane_internals import call_of_layer
from hybridx.capture.python.patches import is_intercepting, one_thread, quiet, uncollected
from hybridx.capture.python.removed_in_pennylane import removed_idiom
from hybridx.capture.python.source_location import (
    line_of_user,
    name_of_node,
    place_of,
    place_of_node,
)
from hybridx.capture.qnode.arguments import Arguments
from hybridx.capture.qnode.call_key import Reading, read_call
from hybridx.capture.qnode.guard import Guard, fingerprint
from hybridx.capture.qnode.recording import every_call
from hybridx.capture.qnode.tape import describe_qnode
from hybridx.capture.torch_export import FixedBatch, from_two
from hybridx.capture.torch_internals import (
    apply_function,
    as_one_call,
    base_of,
    differentiable,
    example_like,
    flatten,
    in_forward_mode,
    in_transform,
    is_traced,
    map_leaves,
    modules_of,
    operators_noted,
    origin_of,
    outside_transforms,
    unflatten,
    untransformed,
    version_of,
)

__all__ = [
    "CIRCUIT_OP",
    "EXAMPLE_ROWS",
    "Arguments",
    "AxisNames",
    "Capture",
    "Example",
    "FixedBatch",
    "Flat",
    "ForwardCall",
    "Guard",
    "Input",
    "LiveCall",
    "NotLocal",
    "OpenAxes",
    "Reading",
    "Record",
    "Refused",
    "Uses",
    "apply_function",
    "as_dtype",
    "as_exported",
    "as_one_call",
    "as_tensor",
    "base_of",
    "call_of_layer",
    "capture",
    "check_arguments",
    "check_weight_size",
    "choose_dtype",
    "decode_call",
    "decomposed",
    "describe_call",
    "describe_qnode",
    "differentiable",
    "draws_noted",
    "eagerly",
    "every_call",
    "example_like",
    "fingerprint",
    "flatten",
    "free_name",
    "from_two",
    "in_eval_mode",
    "in_forward_mode",
    "in_transform",
    "is_function_of_tensors",
    "is_intercepting",
    "is_single",
    "is_traced",
    "is_whole",
    "line_of_user",
    "map_leaves",
    "modules_of",
    "name_of_node",
    "named_parts",
    "narrowed",
    "one_thread",
    "operators_noted",
    "origin_of",
    "outside_transforms",
    "owner_of",
    "place_of",
    "place_of_node",
    "plain_call",
    "prepare_example",
    "quiet",
    "read_arguments",
    "read_call",
    "read_model",
    "refusals",
    "removed_idiom",
    "side_by_side",
    "tape_batch",
    "trace_call",
    "training_note",
    "unchanged",
    "uncollected",
    "unflatten",
    "untransformed",
    "version_of",
]
